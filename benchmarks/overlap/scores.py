"""What measured rows score without the test images that are near-duplicates of their data set's training images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.overlap.study import Overlap, read_found
from dcgan_features.benchmarks.records.figures import rounded
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.reading import read_rows
from dcgan_features.benchmarks.records.rows import outline, write_csv
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import write_text

_EXPLANATION = (
    "Figures of the tables recomputed, from the predictions that were kept, without the test images that are near-"
    "duplicates of a training image of the same data set, as `python -m benchmarks.overlap search` finds them. Labels "
    "are drawn of the training images, and features learnt from them, as before. In percent, the mean over the label "
    "draws."
)


@dataclass(frozen=True)
class Score:
    """A row under one protocol. without : the figure on the `kept` of `test_images` that are no near-duplicates."""

    table: str
    row: str
    title: str
    protocol: str
    protocol_title: str
    metric: str
    test_images: int
    kept: int
    measured: float
    without: float

    @property
    def difference(self) -> float:
        """What leaving them out changes, in percentage points."""
        return self.without - self.measured


def score_all(study: Overlap, results: Path) -> list[Score]:
    """All measured rows of the tables whose data set has near-duplicates of its own test images, in the tables' order.

    Raises `InputError` where no data set was, or one has other test images than the rows.
    """
    found = []
    own = [(pair, read_found(results, pair)) for pair in study.pairs if pair.corpus == pair.test]
    if not any(searched for _, searched in own):
        raise InputError("no data set was searched for its own test images; run: python -m benchmarks.overlap search")
    for pair, searched in own:
        if searched is None:
            continue
        near = searched.test_images_at(max(study.duplicates, pair.leave_out))
        if not near:  # nothing would be left out
            continue
        found += _scores(pair.test, near, searched.test_images, results)
    return found


def _scores(table_name: str, near: Sequence[int], test_images: int, results: Path) -> list[Score]:
    table = load_table(table_name)
    rows = outline(table, table.default_preset)
    kept = np.setdiff1d(np.arange(test_images), near)
    found = []
    for name, result in read_rows(results, rows).items():
        predicted = predictions_of(results, result)
        if len(predicted.truth) != test_images:
            raise InputError(f"row {name} of {table_name} has {len(predicted.truth)} test images, not {test_images}")
        for protocol, made in predicted.by_protocol.items():
            accuracies = [float((made[:, own] == predicted.truth[own]).mean()) * 100 for own in (np.s_[:], kept)]
            whole, without = (100 - value if table.metric == "error" else value for value in accuracies)
            titles = result.title, rows.titles.get(protocol, protocol)
            sizes = test_images, len(kept)
            found.append(Score(table_name, name, titles[0], protocol, titles[1], table.metric, *sizes, whole, without))
    return found


def write_scores(scores: Sequence[Score], results: Path) -> list[Path]:
    """Write `overlap-scores.csv` and `.md`; returns their paths."""
    names = [item.name for item in fields(Score) if not item.name.endswith("title")]
    lines = [{**asdict(item), "difference": item.difference} for item in scores]
    for line in lines:
        line.update({name: rounded(line[name], 3) for name in ("measured", "without", "difference")})
    stem = results / "overlap-scores"
    write_csv(stem.with_suffix(".csv"), lines, [*names, "difference"])
    text = ["# Scores without near-duplicates", "", _EXPLANATION]
    for table in dict.fromkeys(item.table for item in scores):
        own = [item for item in scores if item.table == table]
        headings = ["Row", "Labels", "All", "Without", "Difference"]
        cells = [
            [item.title, item.protocol_title, rounded(item.measured), rounded(item.without),
             rounded(item.difference, sign=True)]
            for item in own
        ]  # fmt: skip
        left_out = own[0].test_images - own[0].kept
        measured = "error" if own[0].metric == "error" else "accuracy"
        text += ["", f"## {markdown_text(table)}", "", f"{measured.capitalize()}; {left_out:,} of "
                 f"{own[0].test_images:,} test images left out.", "", *markdown_table(headings, cells, 2)]  # fmt: skip
    write_text(stem.with_suffix(".md"), "\n".join(text) + "\n")
    return [stem.with_suffix(".csv"), stem.with_suffix(".md")]
