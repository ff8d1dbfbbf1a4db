"""The command's work: recordings, networks, rows, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dcgan_features.benchmarks.records.reading import read_rows
from dcgan_features.benchmarks.records.rows import Outline, RowOutline
from dcgan_features.benchmarks.reporting.table import write_table
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.benchmarks.speech.differences import write_differences
from dcgan_features.benchmarks.speech.listen import write_samples
from dcgan_features.benchmarks.speech.parts import OWN, SPEAKERS, Parts, load_recordings
from dcgan_features.benchmarks.speech.rows import RowOfSplit
from dcgan_features.benchmarks.speech.study import Study, load_study
from dcgan_features.data.utils.errors import unknown_name


@dataclass(frozen=True)
class Options:
    """What the command was asked for; see its help. only : empty for all rows. splits : empty for both."""

    preset: str
    only: tuple[str, ...]
    splits: tuple[str, ...]
    data_root: Path | None
    networks: bool
    resume: bool
    results: Path | None
    store: Path

    @property
    def folder(self) -> Path:
        """The folder of the results."""
        return self.results or (
            Path("results") if self.preset == "default" else Path("results") / Path(self.preset).stem
        )


def measure_study(options: Options) -> None:
    """Train the networks that are wanted, measure the rows, and write tables, differences and samples."""
    study = load_study(options.preset)
    splits = options.splits or (OWN, SPEAKERS)
    for name in splits:
        if name not in (OWN, SPEAKERS):
            raise unknown_name("split", name, [OWN, SPEAKERS])
    for name in options.only:
        if name not in [row.name for row in study.rows]:
            raise unknown_name("row", name, [row.name for row in study.rows], study.name)
    check_writable(options.store)
    check_writable(options.folder)
    parts = Parts(study, load_recordings(study, options.data_root, options.store), options.store)
    print(f"{study.title}: {parts.recordings.note}", flush=True)
    if options.networks:
        train_networks(parts, splits)
        return
    for split in splits:
        measure_split(parts, split, options)
    for path in write_differences(options.folder, parts):
        print(f"written: {path}")
    if not options.only and OWN in splits and any(row.trained for row in study.rows):
        for path in write_samples(options.folder / "figures", parts):
            print(f"written: {path}")


def train_networks(parts: Parts, splits: tuple[str, ...]) -> None:
    """Train the networks of all folds of the splits, those that are not there yet."""
    for split in splits:
        for fold in parts.folds(split):
            print(f"network of {split}, {fold.name}: {len(fold.train):,} recordings", flush=True)
            parts.network(split, fold)


def measure_split(parts: Parts, split: str, options: Options) -> None:
    """Measure the rows of a split that are not measured yet, and write its table after each."""
    outline = outline_of(parts.study, split, options.preset)

    def say(text: str) -> None:
        print(text, flush=True)

    for row in parts.study.rows:
        if options.only and row.name not in options.only:
            continue
        measured = RowOfSplit(parts, row, split, options.preset)
        if options.resume and measured.finished(options.folder):
            say(f"{outline.title}, {row.title}: measured already")
            continue
        result = measured.measure(options.folder, say)
        figures = ", ".join(f"{name} {item.measured:.2f}" for name, item in result.protocols.items())
        say(f"{outline.title}, {row.title}: {figures}" + (" (synthetic)" if result.stand_in else ""))
        write_table(outline, read_rows(options.folder, outline), options.folder)
    write_table(outline, read_rows(options.folder, outline), options.folder)
    say(f"written: {options.folder / outline.name}.md, .csv and .json")


def outline_of(study: Study, split: str, preset: str) -> Outline:
    """What a report needs to know of a split's table."""
    table = study.tables.own if split == OWN else study.tables.speakers
    return Outline(
        format=1,
        name=table.name,
        title=table.title,
        metric="accuracy",
        preset=preset,
        protocols=list(study.protocols),
        titles={name: protocol.title for name, protocol in study.protocols.items()},
        rows=[
            RowOutline(
                name=row.name, title=row.title, group=None, control=row.control, units=None, citation=row.citation,
                note=row.note, published={},
            )
            for row in study.rows
        ],
    )  # fmt: skip
