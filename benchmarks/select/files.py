"""What a selection found, as JSON and Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.select.measure import Measured
from dcgan_features.benchmarks.select.study import Selection
from dcgan_features.data.utils.files import write_json, write_text
from dcgan_features.eval import Comparison

_EXPLANATION = (
    "Accuracy in percent on {evaluated:,} of the training images, which no fit saw, after {per_class} labels a class: "
    "the mean of {draws} draws with its 95% interval for the images (Wilson). C, the best of {Cs} for features of mean "
    "squared norm 1, is chosen on the same images: the figures compare candidates, and are no measurement of any. "
    "Difference: from the candidate named, in percentage points, with the interval over draws and images, and whether "
    "they are told apart (paired t test over the draws, adjusted for the table's pairs after Holm). No test image is "
    "used."
)


def write_selection(
    stem: Path, study: Selection, measured: Sequence[Measured], pairs: Mapping[str, Comparison], about: dict[str, Any]
) -> None:
    """Write `<stem>.json` and `<stem>.md`. about : what else the JSON says, such as commit and machine."""
    write_json(
        stem.with_suffix(".json"),
        {
            "study": study.model_dump(mode="json"),
            **about,
            "candidates": [_as_json(item, pairs.get(item.candidate.name)) for item in measured],
        },
    )
    words = _EXPLANATION.format(
        evaluated=study.evaluated,
        per_class=study.per_class,
        draws=study.draws,
        Cs=", ".join(f"{value:g}" for value in study.Cs),
    )
    headings = ["Candidate", "Features", "Accuracy", "95%", "C", "Against", "Difference", "95%", "Verdict"]
    rows = [_row(item, pairs.get(item.candidate.name)) for item in measured]
    write_text(
        stem.with_suffix(".md"), "\n".join([f"# {study.title}", "", words, "", *markdown_table(headings, rows), ""])
    )


def _row(item: Measured, pair: Comparison | None) -> list[str]:
    low, high = item.interval
    end = " (end)" if item.at_an_end else ""
    own = [item.candidate.title, f"{item.width:,}", f"{item.mean:.2f}", f"{low:.1f} to {high:.1f}", f"{item.C:g}{end}"]
    if pair is None:
        return [*own, "", "", "", ""]
    return [
        *own,
        pair.names[1],
        f"{pair.difference:+.2f}",
        f"{pair.wide_low:+.2f} to {pair.wide_high:+.2f}",
        _verdict(pair),
    ]


def _verdict(pair: Comparison) -> str:
    """The pair's verdict; the images are training images here."""
    return pair.verdict.replace("on these test images", "on these images")


def _as_json(item: Measured, pair: Comparison | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": item.candidate.name,
        "features": item.width,
        "accuracy": item.mean,
        "interval": list(item.interval),
        "C": item.C,
        "C_at_an_end": item.at_an_end,
        "scores": item.scores,
        "by_C": {f"{value:g}": accuracy for value, accuracy in item.by_C.items()},
        "seconds": round(item.seconds, 1),
    }
    if pair is not None:
        found["against"] = {
            "name": pair.names[1],
            "difference": pair.difference,
            "interval": [pair.wide_low, pair.wide_high],
            "p": pair.p_value,
            "p_holm": pair.adjusted,
            "verdict": _verdict(pair),
        }
    return found
