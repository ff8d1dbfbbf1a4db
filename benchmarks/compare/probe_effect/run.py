"""Measuring a study of probes: every extractor under every probe, kept as a comparison keeps them."""

from __future__ import annotations

import sys
from pathlib import Path

from dcgan_features.benchmarks.compare.labelled import prepare_comparison
from dcgan_features.benchmarks.compare.measure import measure
from dcgan_features.benchmarks.compare.probe_effect.files import write_study
from dcgan_features.benchmarks.compare.probe_effect.study import Measured, read_study
from dcgan_features.benchmarks.compare.probes import choice_for
from dcgan_features.benchmarks.compare.proposals import propose
from dcgan_features.benchmarks.compare.suite import request_of
from dcgan_features.data.utils.errors import InputError, unknown_name


def run_study(
    source: str,
    only: list[str],
    data_root: Path | None,
    device: str | None,
    resume: bool,
    results: Path,
    store: Path,
) -> int:
    """Measure what is not there yet and write what it says after every extractor; returns the exit code."""
    study = read_study(source)
    for name in only:
        if name not in study.data:
            raise unknown_name("data set", name, study.data, f"the study {study.name}")
    measured: list[Measured] = []
    failed = 0
    for name in only or study.data:
        request = request_of(study, study.data[name], data_root, device, resume, results, store)
        ready = prepare_comparison(request)
        dataset, probes = ready.dataset, study.all_probes()
        choice = choice_for(dataset, study.seed)
        print(f"{dataset.title}: {dataset.note}; {len(probes)} probes", flush=True)
        part = Measured(name, dataset, {}, {})
        measured.append(part)
        for proposal in propose(study.extractors, ready.around):
            try:
                result, found = measure(proposal, dataset, probes, choice, ready.place, resume)
            except InputError as error:
                print(f"error: {proposal.title} is not measured on {name}: {error}", file=sys.stderr)
                failed = 2
                continue
            part.results[proposal.title] = result
            part.predicted[proposal.title] = {probe.name: found.by_protocol[probe.name] for probe in probes}
            print(f"measured: {proposal.title}", flush=True)
            if len(part.results) > 1:
                write_study(study, [each for each in measured if len(each.results) > 1], results)
    if any(len(each.results) > 1 for each in measured):
        print(f"written: {results / study.name}.md, .csv, .json and .png")
    return failed
