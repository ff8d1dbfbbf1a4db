"""Does training in bfloat16 come to what training in float32 comes to?

Both are done with several seeds. A figure agrees when the means over the seeds lie no farther apart than the seeds of
the float32 runs do; a loss's curve when its distance, over all parts of the training, is no larger than that between
two of those seeds. Of single figures some lie farther apart by chance: few seeds may be close to each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dcgan_features import data
from dcgan_features.benchmarks.config.images import LabelledDataset, labelled
from dcgan_features.benchmarks.records.environment import describe_device, environment
from dcgan_features.benchmarks.reporting.markdown import markdown_table
from dcgan_features.benchmarks.reporting.table import STAND_IN
from dcgan_features.benchmarks.runner.executor import check_writable
from dcgan_features.data.utils.devices import device_option
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import write_json, write_text
from dcgan_features.eval import L2SVMCV
from dcgan_features.features import DiscriminatorFeatures
from dcgan_features.gan.spec import SPECS
from dcgan_features.gan.training.recipe import Recipe, make_recipe

PRECISIONS = {"fp32": "float32", "bf16": "bfloat16"}
PARTS = 10  # of the training, over each of which losses are averaged
PER_CLASS = 400  # labels of a class on which features are judged, or all that there are
CS = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
ACCURACY = "accuracy of the features, percent"
LOSSES = ("real", "fake", "generator")
Curves = Sequence[Sequence[float]]


def agreement(plain: Sequence[float], reduced: Sequence[float]) -> dict[str, Any]:
    """Figures of the float32 runs and of those in bfloat16, compared.

    Returns both means, their `distance`, the `spread` of the float32 runs (largest less smallest), and whether the
    distance is within it.
    """
    distance, spread = abs(float(np.mean(reduced) - np.mean(plain))), float(max(plain) - min(plain))
    means = {"fp32": float(np.mean(plain)), "bf16": float(np.mean(reduced))}
    return {**means, "distance": distance, "spread": spread, "agrees": distance <= spread}


def chance_apart(seeds: int) -> float:
    """How often `agreement` fails where precision makes no difference: of normal figures, by 100,000 random ones."""
    drawn = np.random.default_rng(0).normal(size=(100_000, 2, seeds))
    plain, reduced = drawn[:, 0], drawn[:, 1]
    return float(np.mean(abs(plain.mean(1) - reduced.mean(1)) > np.ptp(plain, axis=1)))


def curve_agreement(plain: Curves, reduced: Curves) -> dict[str, Any]:
    """As `agreement`, of whole curves (seeds, parts): the distance is the root mean square of that of the mean curves.

    The spread is the largest such distance between two float32 runs.
    """
    first, second = np.asarray(plain), np.asarray(reduced)
    distance = float(np.sqrt(np.mean((second.mean(0) - first.mean(0)) ** 2)))
    spread = max(float(np.sqrt(np.mean((one - other) ** 2))) for one, other in itertools.combinations(first, 2))
    means = {"fp32": float(first.mean()), "bf16": float(second.mean())}
    return {**means, "distance": distance, "spread": spread, "agrees": distance <= spread}


def compare(figures: dict[str, list[dict[str, float]]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The runs' figures, by precision and seed, compared: losses' curves and the accuracy; and each single figure."""
    of = {name: [[run[name] for run in figures[precision]] for precision in PRECISIONS] for name in figures["fp32"][0]}
    single = {name: agreement(*pair) for name, pair in of.items()}
    curves = {}
    for loss in LOSSES:
        parts = [name for name in of if name.startswith(f"loss {loss},")]
        by_seed = [[[run[name] for name in parts] for run in figures[precision]] for precision in PRECISIONS]
        curves[f"loss {loss}, as a curve"] = curve_agreement(*by_seed)
    return {**curves, ACCURACY: single[ACCURACY]}, single


def losses(folder: Path, steps: int) -> dict[str, float]:
    """A run's losses from its logs, averaged over each of `PARTS` parts of its minibatches, by name and part."""
    from tensorboard.backend.event_processing.event_accumulator import (  # type: ignore[import-untyped]
        EventAccumulator,  # takes a second to import
    )

    log = EventAccumulator(str(folder / "logs"), {"scalars": 0}).Reload()
    means = {}
    for name in LOSSES:
        events = log.Scalars(f"loss/{name}")
        part = [min((event.step - 1) * PARTS // steps, PARTS - 1) for event in events]
        for number in sorted(set(part)):
            values = [event.value for event, own in zip(events, part, strict=True) if own == number]
            means[f"loss {name}, part {number + 1} of {PARTS}"] = float(np.mean(values))
    return means


def accuracy(weights: Path, dtype: str, dataset: LabelledDataset, device: torch.device) -> float:
    """Percent of test images that an L2-SVM on the network's features gets right, trained on `PER_CLASS` a class."""
    per_class = min(PER_CLASS, int(np.bincount(dataset.train_labels).min()))
    (draw,) = data.class_balanced_draws(dataset.train_labels, per_class, 1, 0)
    extractor = DiscriminatorFeatures(weights, dtype=dtype, device=device).fit(dataset.train_images)
    rows = extractor.transform_tensor(dataset.train_images[draw])
    fitted = L2SVMCV(CS, device=str(device)).fit(rows, dataset.train_labels[draw])
    predicted = fitted.predict(extractor.transform_tensor(dataset.test_images))
    return float(np.mean(predicted == dataset.test_labels) * 100)


def measure(recipe: Recipe, seeds: int, dataset: LabelledDataset, folder: Path, device: torch.device) -> dict[str, Any]:
    """Train with either precision and each seed, in folders of their own, and compare; runs that are there go on."""
    from dcgan_features.gan.training.dcgan import Run  # with TensorBoard

    figures: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
    about = {"description": dataset.title, "digest": dataset.digest, "images": len(dataset.train_images)}
    for seed in range(seeds):
        for precision, dtype in PRECISIONS.items():
            own = recipe.model_copy(update={"precision": precision, "seed": seed})
            out = folder / f"{own.network}-{precision}-{seed}"
            print(f"{own.network}, {precision}, seed {seed}", flush=True)
            weights = Run(own, dataset.train_images, out, about, device).finish()
            found = losses(out, own.steps)
            figures[precision].append({**found, ACCURACY: accuracy(weights, dtype, dataset, device)})
    whole, single = compare(figures)
    return {
        "network": recipe.network,
        "data": dataset.title,
        "images_seen": recipe.images,
        "seeds": seeds,
        "device": describe_device(device),
        "runs": figures,
        "compared": whole,
        "single": single,
    }


def lines_of(measured: dict[str, Any], stand_in: bool) -> list[str]:
    """The page, in Markdown."""
    compared, single = measured["compared"], measured["single"]
    agree, within = (sum(found["agrees"] for found in figures.values()) for figures in (compared, single))
    apart = chance_apart(measured["seeds"]) * len(single)
    how = f"{measured['network']}, {measured['images_seen']:,} images of {measured['data']} seen"
    heading = ["float32", "bfloat16", "apart", "seeds apart", "agrees"]
    return [
        f"# Training in bfloat16 and in float32{f' ({STAND_IN})' if stand_in else ''}",
        "",
        f"{how}, {measured['seeds']} seeds each, on {measured['device']}. Of {len(compared)} figures {agree} agree: "
        "the means over the seeds, of curves by their root mean square over the training, lie no farther apart than "
        "two seeds in float32.",
        "",
        *markdown_table(["figure", *heading], _rows(compared)),
        "",
        f"Of the {len(single)} single figures below {within} agree. Where precision makes no difference, "
        f"{apart:.0f} of as many lie farther apart than {measured['seeds']} seeds do, by chance.",
        "",
        *markdown_table(["figure", *heading], _rows(single)),
    ]


def _rows(compared: dict[str, Any]) -> list[list[str]]:
    keys = ("fp32", "bf16", "distance", "spread")
    return [
        [name, *(f"{found[key]:.4f}" for key in keys), "yes" if found["agrees"] else "no"]
        for name, found in compared.items()
    ]


def run_precision(
    network: str, images: int, seeds: int, data_root: Path | None, device: str | None, store: Path, results: Path
) -> None:
    """Train, compare and write; parameters are those of the command."""
    if network not in SPECS:
        raise unknown_name("network", network, SPECS, "--network")
    place = device_option(device)
    dataset = labelled(data.load("stand-in") if data_root is None else data.load("cifar10", data_root, download=False))
    recipe = make_recipe({"network": network, "images": images, "sample_every": None})
    recipe = recipe.model_copy(update={"log_every": max(2, min(20, recipe.steps // (5 * PARTS)))})
    if recipe.steps < 2 * PARTS:
        raise InputError(
            f"--images {images} are fewer than {2 * PARTS} minibatches; give {2 * PARTS * recipe.batch_size}"
        )
    check_writable(results)
    measured = measure(recipe, seeds, dataset, store, place)
    write_json(results / "precision.json", {**measured, **environment()})
    lines = lines_of(measured, dataset.stand_in)
    write_text(results / "precision.md", "\n".join(lines) + "\n")
    print("\n".join(lines[2:]))
    print(f"written: {results / 'precision.json'} and .md")
