"""kill -9 at random moments: what is run again afterwards comes to the same bits, and leaves nothing behind."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

from dcgan_features.benchmarks.compare import compare
from dcgan_features.benchmarks.compare.files import write_comparison
from dcgan_features.benchmarks.compare.run import run_comparison
from dcgan_features.benchmarks.config.schema import load_table
from dcgan_features.benchmarks.records.predictions import predictions_of
from dcgan_features.benchmarks.records.reading import read_row
from dcgan_features.benchmarks.records.rows import outline
from dcgan_features.benchmarks.runner import executor
from dcgan_features.benchmarks.runner.job import make_jobs
from dcgan_features.benchmarks.runner.plan import plan
from dcgan_features.benchmarks.runner.worker import attempt
from dcgan_features.data.picture_cache import cached_folder
from dcgan_features.features.exemplar.training import ExemplarRun
from dcgan_features.gan.conditional.training import ConditionalRun
from dcgan_features.gan.training.dcgan import Run
from tests.features.exemplar import tiny as exemplar
from tests.gan import tiny_conditional as conditional
from tests.gan.tiny import DATA, tiny_images, tiny_recipe

_EVERY = {"checkpoint_every": 1, "sample_every": 3, "snapshot_every": 160}
_MOST = 40  # kills of one run, so that one whose end comes late is not killed for ever


@dataclass(frozen=True)
class Task:
    """What is killed. run : does it, or goes on with it, in a folder. result : what came of it there."""

    name: str
    run: Callable[[Path], None]
    result: Callable[[Path], Any]


@dataclass
class Killed:
    """What came of a task: how often it was killed, runs that came to their end, and what was wrong with them."""

    name: str
    kills: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def tasks() -> list[Task]:
    """All that is killed."""
    settings = {"images": 16 * 60, "precision": "fp32", **_EVERY}
    kinds: dict[str, Callable[[Path], Any]] = {
        "GAN": lambda out: Run(tiny_recipe(**settings), tiny_images(), out, DATA).finish(),
        "GAN with EMA, rotation prediction and R1 penalty": lambda out: Run(
            tiny_recipe(averaging=0.9, rotation=1.0, gradient_penalty=1.0, **settings), tiny_images(), out, DATA
        ).finish(),
        "conditional GAN": lambda out: ConditionalRun(
            conditional.recipe(**settings), *conditional.bars(), out, conditional.ABOUT
        ).finish(),
        "Exemplar-CNN": lambda out: ExemplarRun(
            exemplar.tiny_recipe(samples=8 * 80, checkpoint_every=1), exemplar.tiny_images(), out, exemplar.DATA
        ).finish(),
    }
    made = [Task(name, run, _weights) for name, run in kinds.items()]
    return [
        *made,
        Task("folder of pictures", _decode, _decoded),
        Task("table with a search", _measure, _measured),
        Task("comparison", _compare, _compared),
        Task("probes of own pictures, kept", _probe, _probed),
    ]


def _weights(out: Path) -> Any:
    names = sorted(file for file in out.rglob("*.safetensors") if file.name != "checkpoint.safetensors")
    pictures = sorted(file for file in out.rglob("*.png"))
    return {str(file.relative_to(out)): file.read_bytes() for file in [*names, *pictures]}


def _pictures(root: Path, names: list[str]) -> Path:
    """A folder of pictures of these names, whole or not there."""
    if not root.is_dir():
        draw = np.random.default_rng(0)
        half = root.parent / f"{root.name}-{os.getpid()}"
        for name in names:
            (half / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw.integers(0, 256, (60, 50, 3), dtype=np.uint8)).save(half / name)
        half.rename(root)
    return root


def _decode(out: Path) -> None:
    import dcgan_features.data.picture_cache as cache

    cache._SAVE_SECONDS = 0.0
    cached_folder(_pictures(out.parent / "pictures", [f"{number}.png" for number in range(120)]), 16, cache=out)


def _decoded(out: Path) -> Any:
    return np.array(cached_folder(out.parent / "pictures", 16, cache=out).images).tobytes()


TABLE: dict[str, Any] = {
    "name": "tiny",
    "title": "A tiny table",
    "classifier": {"class": "L2SVMCV", "Cs": [0.1, 1.0]},
    "protocols": {"few": {"title": "few", "per_class": 5, "draws": 3, "folds": 2, "validation": 40}},
    "presets": {"quick": {"dataset": {"source": "stand-in", "n_train": 250, "n_test": 100}, "protocols": {"few": {}}}},
    "rows": [
        {"name": "pixels", "title": "Pixels", "extractor": {"class": "RawPixels"},
         "classifier": {"class": "L2SVM"}, "search": {"space": {"C": [0.01, 0.1, 1.0]}}},
        {"name": "means", "title": "Means", "extractor": {"class": "tests.benchmarks.spies:Means"}},
        {"name": "trained", "title": "Trained", "extractor": {"class": "DiscriminatorFeatures"},
         "weights": {"train": {"recipe": {"network": "svhn-32", "images": 32, "batch_size": 16, "precision": "fp32"}}}},
    ],
}  # fmt: skip


def _table(out: Path) -> Path:
    path = out / "tiny.yaml"
    if not path.exists():
        out.mkdir(parents=True, exist_ok=True)
        half = out / f"{os.getpid()}.part"
        half.write_text(yaml.safe_dump(TABLE))
        half.rename(path)
    return path


def _in_this_process() -> None:
    executor.launch = lambda job, resume: attempt(job, resume)


def _measure(out: Path) -> None:
    _in_this_process()
    path = _table(out)
    table = load_table(path)
    jobs = make_jobs(table, path, table.rows, "quick", None, "cpu", out / "results", out / "store")
    outcomes = executor.run_plans(
        [plan(job) for job in jobs], outline(table, "quick"), out / "results", True, "the same command"
    )
    failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status != "measured"}
    if failed:
        raise RuntimeError(str(failed))


def _measured(out: Path) -> Any:
    found = {}
    for name in (row["name"] for row in TABLE["rows"]):
        result = read_row(out / "results" / "tiny" / f"{name}.json")
        if result is None:
            return f"{name} is not measured"
        kept = predictions_of(out / "results", result)
        figures = [item.model_dump(exclude={"seconds", "trials"}) for item in result.protocols.values()]
        tried = [[trial.errors for trial in item.trials] for item in result.protocols.values()]
        found[name] = (figures, tried, kept.truth.tobytes(), [item.tobytes() for item in kept.by_protocol.values()])
    return found


def _compare(out: Path) -> None:
    _in_this_process()
    path, given = _table(out), ["tests.benchmarks.spies:Means", "means"]
    compared = run_comparison(given, path, results=out / "results", store=out / "store", device="cpu")
    if compared.failed:
        raise RuntimeError(str(compared.failed))
    write_comparison(compared)


def _compared(out: Path) -> Any:
    content = json.loads((out / "results" / "compare" / "tiny-comparison" / "comparison.json").read_text())
    figures = [
        {name: (found["values"], found["confusion_percent"]) for name, found in entry["protocols"].items()}
        for entry in content["extractors"]
    ]
    return figures, content["pairs"]


def _probe(out: Path) -> None:
    own = [f"{part}/{label}/{number}.png" for part in ("train", "test") for label in "abc" for number in range(12)]
    compare(
        "raw-pixels", "tests.benchmarks.spies:Means", data=_pictures(out.parent / "labelled", own), size=16,
        probe=("l2-svm", "logistic", "knn"), results=out / "results", store=out / "store", save=out / "kept",
        device="cpu",
    )  # fmt: skip


def _probed(out: Path) -> Any:
    report = json.loads(next((out / "results").rglob("comparison.json")).read_text())
    figures = [
        {name: (found["values"], found["confusion_percent"]) for name, found in entry["protocols"].items()}
        for entry in report["extractors"]
    ]
    kept = {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("probe.safetensors"))}
    return figures, report["pairs"], kept


def kill_all(folder: Path, kills: int, seed: int, only: Sequence[str] = (), processes: int = 1) -> list[Killed]:
    """Kill every task at random moments, `kills` times in all, and let each run come to its end after all.

    only : names of tasks; none is all. processes : that share the tasks.
    """
    torch.set_num_threads(1)  # before any child: what threads of ours hold cannot be forked
    names = [task.name for task in tasks() if not only or task.name in only]
    calls = [(name, folder / str(number), -(-kills // len(names)), seed) for number, name in enumerate(names)]
    if processes == 1:
        return [_kill_named(*call) for call in calls]
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        return pool.starmap(_kill_named, calls, chunksize=1)


def _kill_named(name: str, folder: Path, kills: int, seed: int) -> Killed:
    (task,) = [task for task in tasks() if task.name == name]
    return _kill(task, folder, kills, random.Random(f"{seed} {name}"))


def kill_table(killed: list[Killed]) -> str:
    """What came of it, as Markdown."""
    lines = [
        "# kill -9 at random moments",
        "",
        "The same: weights, snapshots and samples to the bit, figures, predictions and trials; and no half-written "
        "file is left.",
        "",
        "| killed | times | runs that came to their end | the same |",
        "|---|---:|---:|---:|",
        *(f"| {item.name} | {item.kills} | {item.runs} | {item.runs - len(item.wrong)} |" for item in killed),
    ]
    return "\n".join(lines) + "\n"


def _kill(task: Task, folder: Path, kills: int, draw: random.Random) -> Killed:
    killed = Killed(task.name)
    folder.mkdir(parents=True)
    begun = time.monotonic()
    code = _child(task, folder / "whole", None)
    whole, took = task.result(folder / "whole"), time.monotonic() - begun
    if code:
        killed.wrong.append(f"{task.name}: the run that nobody killed ended with code {code}")
        return killed
    while killed.kills < kills:
        out, own = folder / f"run-{killed.runs}", 0
        while True:
            last = killed.kills >= kills or own >= _MOST
            code = _child(task, out, None if last else draw.uniform(0.02, 0.7) * took)
            if code != -signal.SIGKILL:
                break
            killed.kills += 1
            own += 1
        killed.runs += 1
        wrong = f"it ended with code {code}" if code else _differences(task, out, whole)
        if wrong:
            killed.wrong.append(f"{task.name}, run {killed.runs} after {own} kills: {wrong}")
    return killed


def _differences(task: Task, out: Path, whole: Any) -> str:
    left = [str(path.relative_to(out)) for path in out.rglob("*") if path.suffix in (".tmp", ".part")]
    if left:
        return f"left behind: {', '.join(left[:5])}"
    return "" if task.result(out) == whole else "other bits or figures"


def _child(task: Task, out: Path, seconds: float | None) -> int:
    """Run the task in a process of its own, killed after so many seconds; its exit code, or minus its signal."""
    child = os.fork()
    if not child:
        code = 1
        try:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            task.run(out)
            code = 0
        finally:
            os._exit(code)
    if seconds is not None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
