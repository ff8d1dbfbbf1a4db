"""A suite: data sets x extractors x probes in one command that can be resumed, and how extractors stand over all."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dcgan_features.benchmarks.compare.files import write_comparison
from dcgan_features.benchmarks.compare.labelled import PROBES, Request, compare_labelled
from dcgan_features.benchmarks.compare.result import Compared
from dcgan_features.benchmarks.compare.run import BROUGHT
from dcgan_features.benchmarks.compare.settings import Settings
from dcgan_features.benchmarks.config.strict import Count, Name, Strict
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.data.utils.files import write_text
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.eval.ranks import MeanRank, inseparable_groups, mean_ranks
from dcgan_features.eval.significance import compare, holm

_COLUMNS = ("data", "probe", "extractor", "accuracy", "low", "high", "group", "effective_rank", "features", "stand_in")


class SuiteData(Strict):
    """A data set of a suite: as `--data`, `--size`, `--limit` and the settings of the same names have it."""

    place: ClassVar[str] = "a data set"
    source: str
    size: Count | None = None
    fit: Literal["crop", "pad", "stretch"] | None = None
    limit: Count | None = None
    test_limit: Count | Literal["all"] | None = None


class Suite(Settings):
    """What a suite's YAML says, besides settings for all of it.

    extractors : texts, as `benchmarks.compare` takes them. probes : for all. table, preset : whose rows may be named
    among the extractors.
    """

    place: ClassVar[str] = "a suite"
    name: Name
    title: str = ""
    data: dict[str, SuiteData] = Field(min_length=1)
    extractors: list[str] = Field(min_length=1)
    probes: list[str] = Field(default_factory=lambda: list(PROBES))
    table: str = "cifar10"
    preset: str | None = None

    def settings_of(self, data: SuiteData) -> Settings:
        """The settings under which a data set is measured; what it says itself goes before what the suite says."""
        own = {name: getattr(self, name) for name in Settings.model_fields}
        limits = {"test_limit": data.test_limit or self.test_limit if data.limit is not None else None}
        return Settings.model_validate({**own, "fit": data.fit or self.fit, **limits})


@dataclass(frozen=True)
class Cell:
    """A data set under a probe. letters : a candidate's groups, by title; those sharing one are not told apart."""

    data: str
    probe: str
    compared: Compared
    accuracies: dict[str, float]
    letters: dict[str, str]


def read_suite(path: Path) -> Suite:
    """The suite in a YAML file. Raises `InputError` for one that is missing or says what a suite cannot say."""
    return Suite.checked(read_yaml(path, "suite"), str(path))


def request_of(
    suite: Suite,
    data: SuiteData,
    data_root: Path | None,
    device: str | None,
    resume: bool,
    results: Path,
    store: Path,
) -> Request:
    """What a comparison on one data set of a suite is asked for."""
    return Request(
        data=data.source,
        size=data.size,
        limit=data.limit,
        probes=suite.probes,
        settings=suite.settings_of(data),
        table=suite.table,
        preset=suite.preset,
        data_root=data_root,
        device=device,
        results=results,
        store=store,
        resume=resume,
    )


def run_suite(
    path: Path, results: Path, store: Path, data_root: Path | None, device: str | None, resume: bool = True
) -> int:
    """Measure what is not measured yet of a suite, write where all stand, and print it; returns the exit code.

    Paths of data are relative to where the command runs.
    """
    suite = read_suite(path)
    compared: dict[str, Compared] = {}
    failed = 0
    for number, (name, data) in enumerate(suite.data.items(), 1):
        print(f"[{number}/{len(suite.data)}] {name}", flush=True)
        request = request_of(suite, data, data_root, device, resume, results, store)
        found = compare_labelled(suite.extractors, request)
        for title, why in found.failed.items():
            print(f"error: {title} is not measured on {name}: {why}", file=sys.stderr)
            failed = max(failed, 2 if found.bad_input else 1)
        if found.candidates:
            write_comparison(found)
            compared[name] = found
    cells = [cell for name, found in compared.items() for cell in cells_of(name, found)]
    if cells:
        folder = results / BROUGHT / f"suite-{suite.name}"
        text = standing(suite, cells)
        write_csv(folder / "standing.csv", _lines(cells), _COLUMNS)
        write_text(folder / "standing.md", text)
        print(text)
        print(f"written: {folder}: standing.md, standing.csv")
    return failed


def cells_of(name: str, compared: Compared) -> list[Cell]:
    """A data set's candidates under each probe, with the groups that paired tests, Holm-adjusted, do not tell apart."""
    cells = []
    candidates = compared.candidates
    for probe in compared.protocols:
        accuracies = {each.title: each.result.protocols[probe].measured for each in candidates}
        pairs = list(combinations(range(len(candidates)), 2))
        found = [
            compare(
                candidates[one].predictions.truth,
                candidates[one].predictions.by_protocol[probe],
                candidates[other].predictions.by_protocol[probe],
            ).p_value
            for one, other in pairs
        ]
        p_values = np.ones((len(candidates), len(candidates)))
        for (one, other), value in zip(pairs, holm(found) if found else [], strict=True):
            p_values[one, other] = p_values[other, one] = value
        letters = inseparable_groups(list(accuracies.values()), p_values)
        cells.append(Cell(name, probe, compared, accuracies, dict(zip(accuracies, letters, strict=True))))
    return cells


def ranks_of(cells: list[Cell], probe: str) -> dict[str, MeanRank]:
    """Mean ranks under a probe over the data sets in which every candidate was measured, by title."""
    own = [cell for cell in cells if cell.probe == probe]
    titles = list(dict.fromkeys(title for cell in own for title in cell.accuracies))
    whole = [cell for cell in own if set(cell.accuracies) == set(titles)]
    if not whole:
        return {}
    accuracies = np.array([[cell.accuracies[title] for title in titles] for cell in whole])
    return dict(zip(titles, mean_ranks(accuracies), strict=True))


def standing(suite: Suite, cells: list[Cell]) -> str:
    """The matrix in Markdown: a table a probe, extractors down, data sets across, mean ranks at the end."""
    text = [f"# {suite.title or suite.name}", ""]
    text += [
        "Accuracy in percent. Within a column, extractors that share a letter are not told apart by the paired test "
        "(McNemar's, adjusted after Holm for all pairs of the column): no order among them is claimed. Mean rank over "
        "the "
        "data sets, 1 is best, with Student's 95% interval over them.",
    ]
    for probe in dict.fromkeys(cell.probe for cell in cells):
        own, ranks = [cell for cell in cells if cell.probe == probe], ranks_of(cells, probe)
        titles = list(dict.fromkeys(title for cell in own for title in cell.accuracies))
        titles.sort(key=lambda title: ranks[title].mean if title in ranks else np.inf)
        lines = [
            [
                title,
                *(
                    f"{cell.accuracies[title]:.1f} {cell.letters[title]}" if title in cell.accuracies else ""
                    for cell in own
                ),
                _rank(ranks.get(title)),
            ]
            for title in titles
        ]
        heads = [f"{cell.data}{' (stand-in)' if cell.compared.dataset.stand_in else ''}" for cell in own]
        text += ["", f"## {own[0].compared.protocols[probe]}", ""]
        text += markdown_table(["Extractor", *heads, "Mean rank"], lines)
    return "\n".join(text) + "\n"


def _rank(found: MeanRank | None) -> str:
    if found is None:
        return ""
    return f"{found.mean:.1f}" + (f" ({found.low:.1f} to {found.high:.1f})" if found.low is not None else "")


def _lines(cells: list[Cell]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for cell in cells:
        for each in cell.compared.candidates:
            result = each.result.protocols[cell.probe]
            lines.append(
                {
                    "data": cell.data,
                    "probe": cell.probe,
                    "extractor": each.title,
                    "accuracy": round(result.measured, 3),
                    "low": round(result.low, 3),
                    "high": round(result.high, 3),
                    "group": cell.letters[each.title],
                    "effective_rank": each.result.features.get("effective_rank"),
                    "features": each.result.features["count"],
                    "stand_in": each.result.stand_in,
                }
            )
    return lines
