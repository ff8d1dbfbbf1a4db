"""The runs of a stability study as CSV, Markdown and pictures."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcgan_features.benchmarks.records.figures import with_pm
from dcgan_features.benchmarks.records.rows import write_csv
from dcgan_features.benchmarks.reporting.escaping import markdown_text
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import WARNING
from dcgan_features.benchmarks.stability.judge import (
    FALL,
    LEAD,
    Judged,
    Limits,
    Verdict,
    chosen_limits,
    judge,
)
from dcgan_features.benchmarks.stability.plots import write_accuracies, write_warnings
from dcgan_features.benchmarks.stability.study import HEALTHY, Condition, Study
from dcgan_features.benchmarks.stability.trial import Trial
from dcgan_features.data.utils.files import write_text
from dcgan_features.gan.watching.alarms import IN_A_ROW, MONITORS, limits

COLUMNS = (
    "condition", "kind", "remedy_for", "seed", "judges", "failed_after", "first_warning", "lead", "warned_by",
    "diverged", "rollbacks", "best", "final", "training_seconds", "watching_seconds", "commit",
)  # fmt: skip
FIGURES = "figures"  # beside the page: pictures that the documents show
ByCondition = dict[str, list[Judged]]


def write_study(stem: Path, study: Study, trials: Sequence[Trial]) -> list[str]:
    """Write `<stem>.csv`, `.md`, and two pictures in `figures/` beside them; return the conclusions."""
    judged: ByCondition = {condition.name: [] for condition in study.conditions}
    for trial in trials:
        judged[trial.condition].append(judge(trial, limits(study.is_untrained(trial.condition))))
    judged = {name: runs for name, runs in judged.items() if runs}
    judging = {name: kept for name, runs in judged.items() if (kept := [run for run in runs if judges(study, run)])}
    warning = WARNING if any(trial.data["stand_in"] for trial in trials) else ""
    write_csv(stem.with_suffix(".csv"), [_line(study, run) for runs in judged.values() for run in runs], COLUMNS)
    sentences = conclusions(study, judging)
    chosen_on = [
        trial
        for trial in trials
        if study.condition(trial.condition).is_healthy and not study.judges(trial.condition, trial.seed)
    ]
    page = [
        f"# {study.title}",
        "",
        *([f"**{warning}**", ""] if warning else []),
        *(f"- {sentence}" for sentence in sentences),
        "",
        *_method(study, trials),
        "",
        "## Conditions",
        "",
        *_conditions(study, judging),
        "",
        "## Remedies",
        "",
        "Runs of the same seeds are compared, which begin with the same weights; those that a remedy was chosen by are "
        "left out.",
        "",
        *_remedies(study, judging, judged.get(HEALTHY, [])),
        "",
        "## Monitors",
        "",
        *_monitors(study, judging),
        "",
        *_limits(study, chosen_on),
        "",
        f"![Accuracy over the training]({FIGURES}/{stem.name}.png)",
        "",
        f"![What warned of which failure]({FIGURES}/{stem.name}-warnings.png)",
    ]
    write_text(stem.with_suffix(".md"), "\n".join(page) + "\n")
    figures = stem.parent / FIGURES
    write_accuracies(figures / f"{stem.name}.png", study, judged, warning)
    write_warnings(figures / f"{stem.name}-warnings.png", study, judging, warning)
    return [*sentences, f"written: {stem}.csv and .md, {figures / stem.name}.png and -warnings.png"]


def judges(study: Study, run: Judged) -> bool:
    """Whether a run's seed is one of those that limits were not chosen on."""
    return study.judges(run.trial.condition, run.trial.seed)


def conclusions(study: Study, judging: ByCondition) -> list[str]:
    """What the runs that judge say, one sentence a question."""
    failures = [run for runs in _failing(study, judging).values() for run in runs if run.failed is not None]
    kinds = {study.condition(run.trial.condition).kind for run in failures}
    early = sum((run.lead() or 0.0) >= LEAD for run in failures)
    sentences = []
    if failures:
        sentences.append(
            f"{len(failures)} runs of {len(kinds)} kinds failed; {early} of them ({100 * early / len(failures):.0f}%) "
            f"had an alarm before, by {100 * LEAD:.0f}% or more of the images seen until the accuracy fell."
        )
    healthy = _healthy(study, judging)
    if healthy:
        false = sum(bool(run.warnings) for run in healthy)
        sentences.append(f"{false} of {len(healthy)} healthy runs had a false alarm.")
    fallen = [run for run in _all_healthy(study, judging) if run.failed is not None]
    if fallen:
        warned = sum((run.lead() or 0.0) >= LEAD for run in fallen)
        sentences.append(
            f"Runs of healthy conditions that fell all the same, and count as neither: {len(fallen)}; "
            f"{warned} of them had an alarm before."
        )
    for condition, *pair in _pairs(study, judging):
        with_it, without = (Verdict.of(runs) for runs in pair)
        sentences.append(
            f"{condition.title}, against {study.condition(str(condition.of)).title}: {with_it.failed} of "
            f"{with_it.runs} runs failed, without it {without.failed} of {without.runs} of the same seeds."
        )
    seconds = [run.trial.seconds for runs in judging.values() for run in runs]
    share = sum(item["watching"] for item in seconds) / max(sum(item["training"] for item in seconds), 1e-9)
    sentences.append(
        f"Watching took {100 * share:.1f}% of the time of these short trainings, with {study.readings} readings each."
    )
    return sentences


def _all_healthy(study: Study, judging: ByCondition) -> list[Judged]:
    """The runs of healthy conditions."""
    return [run for name, own in judging.items() if study.condition(name).is_healthy for run in own]


def _healthy(study: Study, judging: ByCondition) -> list[Judged]:
    """The runs of healthy conditions that did not fail all the same."""
    return [run for run in _all_healthy(study, judging) if run.failed is None]


def _failing(study: Study, judging: ByCondition) -> ByCondition:
    return {
        condition.name: judging[condition.name]
        for condition in study.conditions
        if condition.kind is not None and condition.of is None and condition.name in judging
    }


def _pairs(study: Study, judging: ByCondition) -> list[tuple[Condition, list[Judged], list[Judged]]]:
    """Each remedy, its runs, and those without it: of the same seeds, which begin alike."""
    found = []
    for condition in study.conditions:
        if condition.of is not None and condition.name in judging and condition.of in judging:
            without = _of_seeds_of(judging[condition.name], judging[condition.of])
            with_it = _of_seeds_of(without, judging[condition.name])
            if with_it:
                found.append((condition, with_it, without))
    return found


def _of_seeds_of(others: Sequence[Judged], runs: Sequence[Judged]) -> list[Judged]:
    """Those of the runs that have the seed of one of the others."""
    seeds = {other.trial.seed for other in others}
    return [run for run in runs if run.trial.seed in seeds]


def _line(study: Study, run: Judged) -> dict[str, Any]:
    trial, condition = run.trial, study.condition(run.trial.condition)
    lead = run.lead()
    return {
        "condition": condition.name,
        "kind": condition.kind,
        "remedy_for": condition.of,
        "seed": trial.seed,
        "judges": judges(study, run),
        "failed_after": run.failed,
        "first_warning": run.first,
        "lead": None if lead is None else round(lead, 3),
        "warned_by": " ".join(sorted(run.warnings, key=lambda name: run.warnings[name])),
        "diverged": trial.diverged,
        "rollbacks": len(trial.rollbacks),
        "best": round(run.best, 2),
        "final": round(run.final, 2),
        "training_seconds": round(trial.seconds["training"], 1),
        "watching_seconds": round(trial.seconds["watching"], 2),
        "commit": trial.environment["commit"],
    }


def _method(study: Study, trials: Sequence[Trial]) -> list[str]:
    probe = study.probe
    chosen = ", ".join(
        f"{study.choosing if condition.choosing is None else condition.choosing} of {condition.title}"
        for condition in study.conditions
        if condition.is_healthy
    )
    return [
        f"Runs of {trials[0].recipe['images']:,} images of {markdown_text(trials[0].data['description'])}, of which "
        f"the networks see {study.unlabelled:,} without labels. Accuracy: an L2-SVM on the discriminator's features, "
        f"{probe.per_class} labels a class of these images in {probe.draws} draws, on {probe.evaluated:,} other "
        "training images; no test image is used. A run fails where that accuracy (the median of three snapshots) falls "
        f"for good by {FALL:g} point below its best, or where a loss is no longer finite. An alarm is a measure beyond "
        f"its limit at {IN_A_ROW} readings in a row of {study.readings} in a run. Limits are chosen on the first "
        f"healthy runs ({chosen}), conditions and remedies by looks at others; runs that chose are in the picture of "
        "accuracies and in no table.",
    ]


def _conditions(study: Study, judging: ByCondition) -> list[str]:
    rows = []
    for condition in study.conditions:
        if condition.name in judging and condition.of is None:
            verdict = Verdict.of(judging[condition.name])
            early = f"{verdict.warned} of {verdict.failed}" if verdict.failed else ""
            rows.append(
                [
                    condition.title,
                    condition.kind or "",
                    f"{verdict.failed} of {verdict.runs}",
                    early,
                    f"{verdict.alarms} of {verdict.runs}",
                    with_pm(verdict.final, verdict.spread, 2),
                ]
            )
    return markdown_table(["Condition", "Kind", "Failed", "Warned in time", "Any alarm", "Accuracy at the end"], rows)


def _remedies(study: Study, judging: ByCondition, healthy: Sequence[Judged]) -> list[str]:
    """The table of remedies.

    healthy : all healthy runs, those that limits were chosen on among them: accuracy is not what was chosen.
    """
    rows = []
    for condition, *pair in _pairs(study, judging):
        with_it, without = (Verdict.of(runs) for runs in pair)
        same = _of_seeds_of(pair[0], healthy)
        beside = Verdict.of(same) if len(same) == with_it.runs else None
        rows.append(
            [
                condition.title,
                study.condition(str(condition.of)).title,
                f"{without.failed} of {without.runs}",
                f"{with_it.failed} of {with_it.runs}",
                with_pm(without.final, without.spread, 2),
                with_pm(with_it.final, with_it.spread, 2),
                "" if beside is None else with_pm(beside.final, beside.spread, 2),
                "" if beside is None else f"{with_it.final - beside.final:+.2f}",
            ]
        )
    heads = ["Remedy", "Of", "Failed without", "Failed with", "Accuracy without", "Accuracy with", "Healthy", "Less it"]
    return markdown_table(heads, rows) if rows else ["None was measured."]


def _monitors(study: Study, judging: ByCondition) -> list[str]:
    failures = [run for runs in _failing(study, judging).values() for run in runs if run.failed is not None]
    healthy = _healthy(study, judging)
    rows = []
    for name, monitor in MONITORS.items():
        leads = [lead for run in failures if (lead := run.lead(name)) is not None and lead >= LEAD]
        false = sum(name in run.warnings for run in healthy)
        rows.append(
            [
                monitor.title.format(where="a layer").replace("the a layer", "a network"),
                f"{len(leads)} of {len(failures)}",
                f"{100 * statistics.median(leads):.0f}%" if leads else "",
                f"{false} of {len(healthy)}",
            ]
        )
    return markdown_table(["Monitor", "Warned in time", "Lead, median", "False alarms, healthy runs"], rows)


def _limits(study: Study, chosen_on: Sequence[Trial]) -> list[str]:
    """What the rule of `chosen_limits` gives, beside what `gan.train` uses."""
    columns: list[Limits] = []
    for untrained in (False, True):
        runs = [trial for trial in chosen_on if study.is_untrained(trial.condition) == untrained]
        columns += [chosen_limits(runs), limits(untrained)]
    rows = [
        [name, monitor.worse, monitor.scale, *(_limit(column.get(name)) for column in columns)]
        for name, monitor in MONITORS.items()
    ]
    heads = ["by the rule", "in use", "by the rule, from random weights", "in use, from random weights"]
    return markdown_table(["Monitor", "Worse", "Scale", *(f"Limit {words}" for words in heads)], rows)


def _limit(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
