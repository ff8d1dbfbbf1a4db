"""The command's work: recordings, networks, rows, files."""

from __future__ import annotations

from pathlib import Path

from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.benchmarks.speech.parts import OWN, SPEAKERS, Parts, load_recordings
from dcgan_features.benchmarks.speech.study import load_study
from dcgan_features.data.utils.errors import unknown_name


def measure_study(
    preset: str,
    only: list[str],
    data_root: Path | None,
    split: str | None,
    networks: bool,
    resume: bool,
    results: Path | None,
    store: Path,
) -> None:
    """What `python -m benchmarks.speech` does; see its options."""
    study = load_study(preset)
    splits = (OWN, SPEAKERS) if split is None else (split,)
    for name in splits:
        if name not in (OWN, SPEAKERS):
            raise unknown_name("split", name, [OWN, SPEAKERS])
    check_writable(store)
    parts = Parts(study, load_recordings(study, data_root, store), store)
    print(f"{study.title}: {parts.recordings.note}", flush=True)
    if networks:
        for name in splits:
            for fold in parts.folds(name):
                print(f"network of {name}, {fold.name}: {len(fold.train):,} recordings", flush=True)
                parts.network(name, fold)
        return
