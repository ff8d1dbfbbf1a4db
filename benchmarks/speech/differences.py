"""The trained rows less each of the others: over draws and recordings, and over speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dcgan_features.benchmarks.records.environment import environment
from dcgan_features.benchmarks.records.figures import interval, rounded
from dcgan_features.benchmarks.records.predictions import Predictions, predictions_of
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import RowResult, row_path, write_csv
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import STAND_IN, WARNING
from dcgan_features.benchmarks.speech.parts import OWN, SPEAKERS, Parts
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.eval.significance import LEVEL, NOT_APART, compare, compare_by_group, holm

COLUMNS = (
    "split", "protocol", "row", "other", "difference", "low", "high", "p", "p_holm", "verdict", "speakers_low",
    "speakers_high", "speakers_p", "speakers_p_holm", "speakers_verdict", "stand_in",
)  # fmt: skip
_EXPLANATION = (
    "Accuracy of the row less that of the other in percentage points, the mean over the label draws. Interval: 95%, "
    "over label draws and test recordings (with all labels, over recordings: Newcombe 1998, method 10). p: paired t "
    "test over the draws, with all labels McNemar's. Over speakers: each speaker left out counts as one observation "
    "(paired t test over their differences): what other speakers could show. p-values are adjusted after Holm for the "
    "rows that one row is compared with under the same protocol, and decide the verdicts."
)
_HEADINGS = [
    "Labels", "Row", "Less", "Difference", "95%", "p", "Verdict", "95% over speakers", "p", "Verdict over speakers"
]  # fmt: skip
Line = dict[str, Any]


@dataclass(frozen=True)
class _Kept:
    result: RowResult
    predictions: Predictions


def write_differences(results: Path, parts: Parts) -> list[Path]:
    """Write `<study>-differences.json`, `.csv` and `.md` of all that is measured; return them.

    Rows that were measured on other recordings or label draws than the trained one are left out.
    """
    study = parts.study
    lines, speakers = [], []
    for split in (OWN, SPEAKERS):
        lines += difference_lines(results, parts, split)
        speakers += _speaker_lines(results, parts, split)
    stem = results / f"{study.name}-differences"
    content = {"lines": lines, "speakers": speakers, **environment()}
    write_sealed(stem.with_suffix(".json"), content)
    write_csv(stem.with_suffix(".csv"), lines, COLUMNS)
    write_text(stem.with_suffix(".md"), _markdown(parts, lines, speakers))
    return [stem.with_suffix(suffix) for suffix in (".md", ".csv", ".json")]


def difference_lines(results: Path, parts: Parts, split: str) -> list[Line]:
    """Each trained row of a split less each other one, keys as `COLUMNS`, p-values adjusted by row and protocol.

    Of two trained rows the later one stands first.
    """
    kept = _kept(results, parts, split)
    trained = [row.name for row in parts.study.rows if row.trained and row.name in kept]
    lines: list[Line] = []
    for number, name in enumerate(trained):
        others = [other for other in kept if other not in trained[number:]]
        for protocol in parts.study.protocols:
            found = [_line(parts, split, protocol, kept[name], kept[other]) for other in others]
            lines += _adjusted([line for line in found if line is not None])
    return lines


def _kept(results: Path, parts: Parts, split: str) -> dict[str, _Kept]:
    table = parts.study.tables.own.name if split == OWN else parts.study.tables.speakers.name
    found = {row.name: read_row(row_path(results, table, row.name)) for row in parts.study.rows}
    return {name: _Kept(row, predictions_of(results, row)) for name, row in found.items() if row is not None}


def _groups(parts: Parts, split: str) -> NDArray[Any]:
    tested = np.sort(np.concatenate([fold.test for fold in parts.folds(split)]))
    groups: NDArray[Any] = np.array(parts.recordings.groups)[tested]
    return groups


def _line(parts: Parts, split: str, protocol: str, one: _Kept, other: _Kept) -> Line | None:
    same = one.result.digests["data"] == other.result.digests["data"] == parts.recordings.digest
    if not same or not {protocol} <= set(one.result.protocols) & set(other.result.protocols):
        return None
    if one.result.protocols[protocol].draw_digests != other.result.protocols[protocol].draw_digests:
        return None
    names = one.result.row, other.result.row
    first, second = (kept.predictions.by_protocol[protocol] for kept in (one, other))
    truth = one.predictions.truth
    found = compare(truth, first, second, names)
    line: Line = dict.fromkeys(COLUMNS)
    line.update(
        split=split, protocol=protocol, row=names[0], other=names[1], difference=found.difference, low=found.wide_low,
        high=found.wide_high, p=found.p_value, stand_in=one.result.stand_in,
    )  # fmt: skip
    if split == SPEAKERS:
        over = compare_by_group(truth, first, second, _groups(parts, split))
        line.update(speakers_low=over.low, speakers_high=over.high, speakers_p=over.p_value)
    return line


def _adjusted(lines: list[Line]) -> list[Line]:
    for prefix in ("", "speakers_"):
        known = [line for line in lines if line[f"{prefix}p"] is not None]
        for line, p_value in zip(known, holm([line[f"{prefix}p"] for line in known]), strict=True):
            better = line["row"] if line["difference"] > 0 else line["other"]
            line[f"{prefix}p_holm"] = p_value
            line[f"{prefix}verdict"] = f"{better} better" if p_value < LEVEL else NOT_APART
    return lines


def _speaker_lines(results: Path, parts: Parts, split: str) -> list[Line]:
    """Accuracy of each row for each speaker tested on, in percent, the mean over the draws."""
    if split == OWN:
        return []
    groups = _groups(parts, split)
    lines = []
    for name, kept in _kept(results, parts, split).items():
        for protocol, predicted in kept.predictions.by_protocol.items():
            right = (predicted == kept.predictions.truth).mean(0)
            shares = {str(speaker): 100 * float(right[groups == speaker].mean()) for speaker in np.unique(groups)}
            lines.append({"row": name, "protocol": protocol, "accuracies": shares})
    return lines


def _markdown(parts: Parts, lines: Sequence[Line], speakers: Sequence[Line]) -> str:
    study, synthetic = parts.study, parts.recordings.synthetic
    mark = f" ({STAND_IN})" if synthetic else ""
    text = [f"# {study.title}: the DCGAN less other rows{mark}", ""]
    if synthetic:
        text += [f"**{WARNING}**", ""]
    text += [_EXPLANATION]
    for split, table in ((OWN, study.tables.own), (SPEAKERS, study.tables.speakers)):
        cells = [_cells(parts, line) for line in lines if line["split"] == split]
        if cells:
            width = 7 if split == OWN else len(_HEADINGS)
            shown = [row[:width] for row in cells]
            text += [
                "",
                f"## {table.title}",
                "",
                *markdown_table(_HEADINGS[:width], shown, text_columns=(0, 1, 2, 6, 9)),
            ]
    if speakers:
        names = sorted(speakers[0]["accuracies"])
        titles = {row.name: row.title for row in study.rows}
        cells = [
            [
                titles[line["row"]],
                study.protocols[line["protocol"]].title,
                *(rounded(line["accuracies"][name], 1) for name in names),
            ]
            for line in sorted(speakers, key=lambda line: list(study.protocols).index(line["protocol"]))
        ]
        text += ["", "## By the speaker left out", "", "Accuracy in percent, the mean over the label draws."]
        text += ["", *markdown_table(["Row", "Labels", *names], cells, text_columns=2)]
    return "\n".join(text) + "\n"


def _cells(parts: Parts, line: Line) -> list[str]:
    titles = {row.name: row.title for row in parts.study.rows}
    cells = [
        parts.study.protocols[line["protocol"]].title,
        titles[line["row"]],
        titles[line["other"]],
        rounded(line["difference"], sign=True),
        interval(line["low"], line["high"], 2, sign=True),
        _p(line["p_holm"]),
        line["verdict"],
    ]
    if line["speakers_p"] is not None:
        cells += [
            interval(line["speakers_low"], line["speakers_high"], 2, sign=True),
            _p(line["speakers_p_holm"]),
            line["speakers_verdict"],
        ]
    return cells


def _p(value: float) -> str:
    return "< 0.0001" if value < 1e-4 else f"{value:.4f}"
