"""`python -m benchmarks.speed`: this machine's ratios, for the solver, extraction, k-means and training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dcgan_features.data.utils.cli import duration, run
from dcgan_features.data.utils.errors import InputError

if TYPE_CHECKING:  # what imports PyTorch is imported where it is needed, so that --help is quick
    import torch

app = typer.Typer(add_completion=False, help="Measure this machine's ratios; each is compared within one run.")

Device = Annotated[str | None, typer.Option(help="cpu or cuda; by default a GPU if there is one.")]
Results = Annotated[
    Path,
    typer.Option(help="Folder of the results; speed/<command>.json, on a GPU <command>-gpu.json, is written there."),
]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _place(device: str | None) -> torch.device:
    from dcgan_features.data.utils.devices import device_option

    return device_option(device)


def _begin(
    name: str, seconds: float, results: Path, device: torch.device | None = None, again: str = "begins anew"
) -> Path:
    from dcgan_features.benchmarks.runner.executor import check_writable

    check_writable(results / "speed")
    _say(f"{name}: about {duration(seconds)} on two CPU cores; an interrupted measurement {again}")
    return results / "speed" / (f"{name}.json" if device is None or device.type == "cpu" else f"{name}-gpu.json")


def _finish(path: Path, measured: Any, **more: Any) -> None:
    from dcgan_features.benchmarks.records.environment import environment
    from dcgan_features.benchmarks.speed.machine import machine
    from dcgan_features.data.utils.formats import write_sealed

    write_sealed(path, {"measured": measured, **more, **environment(), "machine": machine()})
    print(f"written: {path}")


@app.command()
def extract(
    repeats: Annotated[int, typer.Option(min=1, help="Timings of extraction and of the product, in turn.")] = 9,
    device: Device = None,
    results: Results = Path("results"),
) -> None:
    """The paper's network over this machine's matrix product and a plain loop, in bf16 and fp32."""
    from dcgan_features.benchmarks.speed.extract import measure_extract, print_extract

    place = _place(device)
    path = _begin("extract", 8.0 * repeats, results, place)
    rows = measure_extract(repeats=repeats, device=str(place))
    print_extract(rows)
    _finish(path, rows)


@app.command()
def kmeans(
    data_root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10; without it the stand-in.")] = None,
    results: Results = Path("results"),
) -> None:
    """Learning and making k-means features over scikit-learn's and NumPy's time, and the matrix product."""
    from dcgan_features.benchmarks.speed.kmeans import measure_kmeans, print_kmeans
    from dcgan_features.data import load

    dataset = load("stand-in") if data_root is None else load("cifar10", data_root, download=False)
    path = _begin("kmeans", 120, results)
    measured = measure_kmeans(dataset.train_images, dataset.title, _say)
    print_kmeans(measured)
    _finish(path, measured)


@app.command()
def svm(device: Device = None, results: Results = Path("results")) -> None:
    """The L2-SVM over LIBLINEAR's, one fit and a path of C."""
    from dcgan_features.benchmarks.speed.svm import against_liblinear

    place = _place(device)
    path = _begin("svm" if place.type == "cpu" else "svm-liblinear", 600, results, place)
    _finish(path, _printed(against_liblinear(_say, place)))


@app.command()
def svm_rows(device: Device = None, results: Results = Path("results")) -> None:
    """The L2-SVM's time over the number of rows, up to the size of CIFAR-10 under the paper's network."""
    from dcgan_features.benchmarks.speed.svm import over_rows, verdict

    place = _place(device)
    path = _begin("svm-rows", 300, results, place)
    measured = _printed(over_rows(_say, place))
    if said := verdict(measured, place):
        print(said)
    _finish(path, measured)


@app.command()
def imports(
    repeats: Annotated[int, typer.Option(min=1, help="Imports of each probe, after a first.")] = 5,
    results: Results = Path("results"),
) -> None:
    """The time that importing a probe takes beyond PyTorch's own."""
    from dcgan_features.benchmarks.speed.imports import import_times

    path = _begin("imports", 7.0 * (repeats + 1), results)
    measured = import_times(repeats)
    for name, figures in measured.items():
        print(f"{name}: {figures['seconds_beyond']:.2f} s beyond PyTorch, {figures['over_torch']:.2f} of its time")
    _finish(path, measured)


@app.command()
def svm_large(
    rows: Annotated[int, typer.Option(min=100, help="Rows of the problem.")] = 50_000,
    dimensions: Annotated[int, typer.Option(min=16, help="Features of the problem.")] = 28_672,
    device: Device = None,
    results: Results = Path("results"),
) -> None:
    """The probes on many rows and features: one C, seven and 45, against other libraries on the same device."""
    from dcgan_features.benchmarks.speed.svm_large import large, verdicts

    place = _place(device)
    path = _begin("svm-large" if place.type == "cpu" else "svm", 240, results, place)
    measured = _printed(large(_say, place, rows, dimensions))
    for said in verdicts(measured) if place.type == "cuda" else ():
        print(said)
    _finish(path, measured)


@app.command()
def svm_file(
    folder: Annotated[Path, typer.Argument(help="Of the file, which is written there and stays.")],
    gigabytes: Annotated[float, typer.Option(min=0.001, help="Of the file; more than the machine's memory.")] = 30.0,
    dimensions: Annotated[int, typer.Option(min=16, help="Features of each row.")] = 28_672,
    results: Results = Path("results"),
) -> None:
    """The L2-SVM on features in a file larger than memory: passes, seconds, and the disk's own rate of reading."""
    from dcgan_features.benchmarks.speed.svm_file import fit_file, verdict

    path = _begin("svm-file", 60 * gigabytes, results, again="finds the file again")
    measured = _printed(fit_file(_say, folder, gigabytes, dimensions))
    print(verdict(measured))
    _finish(path, measured)


@app.command()
def campaign(
    problems: Annotated[int, typer.Option(min=1, help="How many random problems.")] = 500,
    first: Annotated[int, typer.Option(min=0, help="Seed of the first; the others follow.")] = 0,
    results: Results = Path("results"),
) -> None:
    """The L2-SVM on hard random problems against LIBLINEAR both ways and L-BFGS: which is right, and who says so."""
    from dcgan_features.benchmarks.speed.campaign import judge_all

    path = _begin("svm-campaign", 0.8 * problems, results)
    measured = judge_all(range(first, first + problems), _say)
    _printed({name: value for name, value in measured.items() if not isinstance(value, list)})
    _finish(path, measured)


@app.command()
def probe(
    part: Annotated[
        list[str] | None, typer.Option(help="digits, gaussian, folds, relu, real, logistic or grid; repeat for more.")
    ] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of CIFAR-10, for the part 'real'.")] = None,
    results: Results = Path("results"),
) -> None:
    """Races of the probes against scikit-learn's, at equal objective; an interrupted grid goes on where it was."""
    from dcgan_features.benchmarks.records.environment import commit
    from dcgan_features.benchmarks.speed.probe import PARTS, races, real_features
    from dcgan_features.data.utils.formats import read_sealed

    chosen = part or [name for name in PARTS if name != "real" or data_root is not None]
    if unknown := [name for name in chosen if name not in PARTS]:
        raise InputError(f"--part {unknown[0]} is none of {', '.join(PARTS)}")
    if "real" in chosen and data_root is None:
        raise InputError("--part real needs --data-root, the folder that holds cifar-10-batches-py")
    again = "of the grid goes on at the next shape" if chosen == ["grid"] else "begins anew"
    path = _begin("probe", sum(PARTS[name] for name in chosen), results, again=again)
    features = real_features(data_root) if data_root is not None and "real" in chosen else None
    kept = path.with_name("probe-grid-unfinished.tmp")
    measured = races(_say, features, chosen, kept)
    # Parts that are not measured now stay, and with them the commit that they were measured with.
    before = read_sealed(path) if path.exists() else {"measured": {}, "commit": None}
    commits = before.get("commits", dict.fromkeys(before["measured"], before["commit"]))
    commits |= dict.fromkeys(measured, commit())
    _finish(path, {**before["measured"], **measured}, commits=commits)
    kept.unlink(missing_ok=True)


def _printed(figures: dict[str, Any]) -> dict[str, Any]:
    for name, value in figures.items():
        print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    return figures


@app.command()
def train(
    repeats: Annotated[int, typer.Option(min=1, help="Timings of steps, plain loop and product, in turn.")] = 5,
    device: Device = None,
    results: Results = Path("results"),
) -> None:
    """A DCGAN's training step over the matrix product, against a plain loop, and what its time goes to."""
    from dcgan_features.benchmarks.speed.train import measure_train, print_train

    place = _place(device)
    path = _begin("train", 40 + 12.0 * repeats, results, place)
    rows = measure_train(place, _say, repeats=repeats)
    print_train(rows)
    _finish(path, rows)


if __name__ == "__main__":
    run(app)
