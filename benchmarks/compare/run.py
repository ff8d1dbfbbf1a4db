"""Comparing extractors under a table's protocols: what is external is measured as the table's own rows are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from dcgan_features.benchmarks.compare.candidate import external_row, is_row, name_of
from dcgan_features.benchmarks.compare.curves import measure_curves
from dcgan_features.benchmarks.compare.result import Candidate, Compared
from dcgan_features.benchmarks.config.images import LabelledDataset
from dcgan_features.benchmarks.config.schema import Row, Table, load_table
from dcgan_features.benchmarks.paired.pairs import Kept, Pair, compare_kept
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import Outline, outline
from dcgan_features.benchmarks.runner.cli import this_command
from dcgan_features.benchmarks.runner.dry_run import headline
from dcgan_features.benchmarks.runner.executor import check_writable, measure_plans, run_plans
from dcgan_features.benchmarks.runner.job import make_jobs
from dcgan_features.benchmarks.runner.plan import Finished, Plan, Refused, ToMeasure, describe, plan
from dcgan_features.data.utils.errors import InputError, unknown_name

BROUGHT = "compare"  # folder, among the results, of what is no row of the table


def run_comparison(
    specifications: Sequence[str],
    table: str | Path = "cifar10",
    preset: str | None = None,
    references: Sequence[str] = (),
    protocols: Sequence[str] = (),
    data_root: Path | None = None,
    device: str | None = None,
    results: Path | None = None,
    store: Path = Path("feature-store"),
    resume: bool = True,
    curve: bool = False,
) -> Compared:
    """Measure what is not measured yet, in processes of their own, and compare; parameters as `benchmarks.compare`."""
    path = Path(table) if Path(table).suffix else None
    loaded = load_table(path or str(table))
    preset, chosen = loaded.preset(preset)
    for name in protocols:
        if name not in chosen.protocols:
            raise unknown_name("protocol", name, chosen.protocols, f"the preset {preset} of the table {loaded.name}")
    wanted = [name for name in chosen.protocols if not protocols or name in protocols]
    _check_given(specifications, references)
    (any_row,) = make_jobs(loaded, path, loaded.rows[:1], preset, data_root, device, results, store)
    folder, dataset = any_row.results, any_row.original()
    rows = {text: _row(text, loaded, preset, dataset) for text in specifications}
    external = [row for text, row in rows.items() if not is_row(text, loaded)]
    plans = {}
    for text, row in rows.items():
        job = replace(any_row, row=row.name)
        if row not in external:
            plans[text] = plan(job, resume)
            continue
        # Of a result under all protocols a part will do; a part alone is measured where there is none.
        for names in (list(chosen.protocols), wanted):
            of = _table_of(external, loaded, preset, names)
            plans[text] = plan(replace(job, table=of, results=folder / BROUGHT), resume)
            if isinstance(plans[text], Finished):
                break
    check_writable(folder / BROUGHT / loaded.name)
    check_writable(any_row.store)
    print(headline(any_row))
    print("\n".join(describe(list(plans.values()), any_row.store, folder)), flush=True)
    failed, bad_input = _measure(plans, outline(loaded, preset), folder, resume)
    candidates = [_candidate(text, item, rows[text] in external) for text, item in plans.items() if text not in failed]
    measured = [item.job for text, item in plans.items() if text not in failed]
    curves = measure_curves(measured) if curve and measured else []
    given = [rows[text].name for text in references] or [each.name for each in candidates if not each.external]
    chosen_references = [name for name in given if any(each.name == name for each in candidates)]
    chosen_references = chosen_references or [each.name for each in candidates[:1]]
    return Compared(
        name=loaded.name,
        title=loaded.title,
        source=f"{dataset.title}, preset {preset}",
        table=loaded,
        preset=preset,
        dataset=dataset,
        protocols={name: loaded.protocols[name].title for name in wanted},
        candidates=candidates,
        references=chosen_references,
        pairs=[pair for pair in pairs_of(candidates, chosen_references) if pair.protocol in wanted],
        failed=failed,
        bad_input=bad_input,
        curves=curves,
        folder=folder / BROUGHT / f"{loaded.name}-comparison",
    )


def _check_given(specifications: Sequence[str], references: Sequence[str]) -> None:
    if not specifications:
        raise InputError("there is nothing to compare; name extractors, such as path.py:Class, and rows of the table")
    names = [name_of(text) for text in specifications]
    for text, name in zip(specifications, names, strict=True):
        if names.count(name) > 1:
            raise InputError(f"{text} is given twice; remove one of them")
    for text in references:
        if text not in specifications:
            raise unknown_name("reference", text, specifications, "what is compared")


def _row(text: str, table: Table, preset: str, dataset: LabelledDataset) -> Row:
    if not is_row(text, table):
        return external_row(text, dataset, table.classifier)
    row = next(row for row in table.rows if row.name == text)
    if row.measurement(preset, table.classifier) is None:
        measured = [each.name for each in table.rows if each.measurement(preset, table.classifier) is not None]
        raise InputError(
            f"the row {text} of the table {table.name} is not measured in the preset {preset}, so there is nothing to "
            f"compare with; choose among {', '.join(measured)}"
        )
    return row


def _table_of(rows: list[Row], table: Table, preset: str, protocols: list[str]) -> Table:
    """The table with these rows in the place of its own, and of the preset's protocols only those named."""
    kept = table.presets[preset]
    changed = kept.model_copy(update={"protocols": {name: kept.protocols[name] for name in protocols}})
    return table.model_copy(update={"rows": rows, "presets": {preset: changed}})


def _measure(plans: dict[str, Plan], frame: Outline, folder: Path, resume: bool) -> tuple[dict[str, str], bool]:
    """Measure what the plans say; (why some are not measured, by specification; whether the user can mend it all)."""
    external = [item for item in plans.values() if item.job.results != folder]
    own = [item for item in plans.values() if item.job.results == folder]
    outcomes = measure_plans(external, resume, this_command())  # first, since they are what may have to be mended
    if any(isinstance(item, ToMeasure | Refused) for item in own):
        outcomes |= run_plans(own, frame, folder, resume, this_command())
    failed = {
        text: outcomes[item.job.row]
        for text, item in plans.items()
        if item.job.row in outcomes and outcomes[item.job.row].status == "failed"
    }
    bad_input = all(outcome.bad_input for outcome in failed.values())
    return {text: outcome.message for text, outcome in failed.items()}, bad_input


def _candidate(text: str, item: Plan, external: bool) -> Candidate:
    result = read_row(item.job.path)
    assert result is not None
    title = text if external else result.title
    return Candidate(item.job.row, title, external, result, predictions_of(item.job.results, result))


def pairs_of(candidates: list[Candidate], references: list[str]) -> list[Pair]:
    """Every candidate with every reference, each two once, by protocol; verdicts name them by their titles."""
    by_name = {each.name: each for each in candidates}
    order = sorted(by_name, key=lambda name: name in references)
    couples: list[tuple[str, str]] = []
    for reference in references:
        couples += [(name, reference) for name in order if name != reference and (reference, name) not in couples]
    kept = {name: Kept(each.result, each.predictions) for name, each in by_name.items()}
    return [
        replace(
            pair, comparison=replace(pair.comparison, names=(by_name[pair.first].title, by_name[pair.second].title))
        )
        for pair in compare_kept((kept[first], kept[second]) for first, second in couples)
    ]
