"""How fast k-means features are learnt and made, against scikit-learn and NumPy and over the matrix-product rate.

Everything is timed in turn within one run, on as many threads as torch uses, and medians are compared.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor

from dcgan_features.benchmarks.speed.numpy_encoder import NumpyEncoder
from dcgan_features.benchmarks.speed.product_rate import ProductRate, seconds
from dcgan_features.features import KMeansFeatures
from dcgan_features.features.base import DTYPES, Images
from dcgan_features.features.kmeans.dictionary import euclidean_kmeans
from dcgan_features.features.kmeans.patches import Whitening, draw_patches, normalise_contrast

PATCH = 6
ENCODERS = ("threshold", "triangle")
EQUAL = 1.01  # quantisation errors that count as equal: within 1%
TRAINING_TARGET, RATE_TARGET = 5.0, 0.6
ENCODED = 50_000  # images that the time of learning and encoding together is stated for, from the rates measured
_BATCHES = (1024, 4096)  # scikit-learn's default, and what was fastest to equal error here
_MAX_EPOCHS = 6
_CPU = torch.device("cpu")
_PAUSE = 0.2  # seconds; threads of NumPy's and of torch's pools spin for a while after their work, in each other's way

Say = Callable[[str], None]


def _alone(work: Callable[[], Any], warm: Callable[[], Any]) -> float:
    """Seconds that `work` takes when the threads of what came before it sleep, and `warm` has woken its own."""
    time.sleep(_PAUSE)
    warm()
    return seconds(work, _CPU)


def _multiply() -> Tensor:
    """A product that wakes torch's threads."""
    matrix = torch.ones(1024, 1024)
    return matrix @ matrix


def quantisation_error(patches: Tensor, centroids: Tensor) -> float:
    """Mean squared distance of patches (n, d) to the nearest of the centroids (k, d), both float32."""
    half, total = centroids.square().sum(1) / 2, 0.0
    for block in torch.split(patches, 1024):
        nearest = (block @ centroids.T).sub_(half).amax(1)
        total += float((block.square().sum(1) - 2 * nearest).sum(dtype=torch.float64))
    return total / len(patches)


def white_patches(images: Images, count: int) -> Tensor:
    """`count` whitened patches of random places, float32 (count, 36 * channels)."""
    patches = normalise_contrast(draw_patches(images, PATCH, count, np.random.default_rng(0)))
    return Whitening.fit(patches)(patches)


def measure_training(patches: Tensor, n_units: int, repeats: int, say: Say) -> dict[str, Any]:
    """One batch-wise pass of `euclidean_kmeans` against `MiniBatchKMeans` run until its error is within 1% of ours.

    scikit-learn gets random starts, one of them (k-means++ takes longer than it saves), no final labels, and the
    faster of two batch sizes; its other settings are its own, since without its reassignment the error is larger.
    """

    def ours(dtype: str) -> Tensor:
        return euclidean_kmeans(patches, n_units, 1, torch.Generator().manual_seed(0), DTYPES[dtype]).atoms

    errors = {dtype: quantisation_error(patches, ours(dtype)) for dtype in DTYPES}
    array, found = patches.numpy(), []
    for batch in _BATCHES:
        for epochs in range(1, _MAX_EPOCHS + 1):
            theirs = MiniBatchKMeans(
                n_units, init="random", n_init=1, batch_size=batch, max_iter=epochs, tol=0.0,
                max_no_improvement=None, compute_labels=False, random_state=0,
            )  # fmt: skip
            took = _alone(partial(theirs.fit, array), lambda: array[:1000] @ array[:1000].T)
            error = quantisation_error(patches, torch.from_numpy(theirs.cluster_centers_))
            say(
                f"MiniBatchKMeans, batches of {batch:,}, {epochs} epochs: {took:.1f} s, error {error:.2f} "
                f"(ours {errors['bfloat16']:.2f})"
            )
            if error <= EQUAL * errors["bfloat16"]:
                break
        found.append((error > EQUAL * errors["bfloat16"], took, batch, epochs, error, theirs))
    unequal, _, batch, epochs, error, theirs = min(found, key=lambda one: one[:2])
    times: dict[str, list[float]] = {"bfloat16": [], "float32": [], "scikit-learn": []}
    for _ in range(repeats):
        for dtype in DTYPES:
            times[dtype].append(_alone(partial(ours, dtype), _multiply))
        times["scikit-learn"].append(_alone(partial(theirs.fit, array), lambda: array[:1000] @ array[:1000].T))
    medians = {name: statistics.median(values) for name, values in times.items()}
    flop = 2 * patches.numel() * n_units
    return {
        "patches": len(patches),
        "dimensions": patches.shape[1],
        "units": n_units,
        "seconds": medians,
        "quantisation_error": {**errors, "scikit-learn": error},
        "scikit_learn": {"batch_size": batch, "epochs": epochs, "within_1_percent": not unequal},
        "times_faster": {dtype: medians["scikit-learn"] / medians[dtype] for dtype in DTYPES},
        "gflops": {dtype: flop / medians[dtype] / 1e9 for dtype in DTYPES},
    }


def measure_encoding(images: Images, n_units: int, n_images: int, repeats: int) -> list[dict[str, Any]]:
    """Encoding of `n_images` images in both precisions, by both encoders, against NumPy's, as one row each."""
    products = {dtype: ProductRate(dtype, _CPU) for dtype in DTYPES}
    candidates: dict[tuple[str, str], Any] = {}
    for encoder in ENCODERS:
        for dtype in DTYPES:
            extractor = KMeansFeatures(
                n_units, PATCH, max(10_000, 2 * n_units), 1, encoder=encoder, standardise=False, dtype=dtype,
                algorithm="gain-shape" if encoder == "threshold" else "euclidean", device=_CPU,
            ).fit(images)  # fmt: skip
            candidates[encoder, dtype] = extractor
        candidates[encoder, "numpy"] = NumpyEncoder(extractor)  # of the float32 dictionary
    batch = images[:n_images]
    times: dict[tuple[str, str], list[float]] = {key: [] for key in candidates}
    for _ in range(repeats + 1):  # the first time warms up
        time.sleep(_PAUSE)
        _multiply()
        for product in products.values():
            product.time()
        for key, candidate in candidates.items():
            times[key].append(_alone(partial(candidate.transform, batch), partial(candidate.transform, batch[:8])))
    per_image = {key: statistics.median(values[1:]) / n_images for key, values in times.items()}
    positions = (images.shape[1] - PATCH + 1) * (images.shape[2] - PATCH + 1)
    flop = 2 * positions * PATCH**2 * images.shape[3] * n_units
    rows = []
    for (encoder, dtype), extractor in candidates.items():
        if dtype != "numpy":
            own, gflops = per_image[encoder, dtype], flop / per_image[encoder, dtype] / 1e9
            rows.append(
                {
                    "encoder": encoder,
                    "dtype": dtype,
                    "units": n_units,
                    "seconds_per_image": own,
                    "numpy_seconds_per_image": per_image[encoder, "numpy"],
                    "times_faster": per_image[encoder, "numpy"] / own,
                    "difference": _difference(extractor, batch[:16]),
                    "gflops": gflops,
                    "product_gflops": products[dtype].gflops,
                    "ratio": gflops / products[dtype].gflops,
                }
            )
    return rows


def _difference(extractor: KMeansFeatures, images: Images) -> float:
    """Mean magnitude of what the features differ by from NumPy's with the same dictionary, over NumPy's mean."""
    reference = NumpyEncoder(extractor).transform(images)
    features = extractor.transform(images)
    return float(np.abs(features - reference).mean() / reference.mean())


def measure_kmeans(
    images: Images,
    title: str,
    say: Say,
    n_patches: int = 200_000,
    units: tuple[int, ...] = (1600, 4800),
    n_images: int = 128,
    repeats: int = 5,
) -> dict[str, Any]:
    """Training and encoding with each number of `units`, on as many threads as torch uses.

    images : uint8 (n, height, width, channels). title : what they are, for the record.
    """
    white = white_patches(images, n_patches)
    training = [measure_training(white, count, max(3, repeats // 2), say) for count in units]
    encoding = []
    for count in units:
        say(f"encoding with {count:,} units")
        encoding += measure_encoding(images[:1000], count, n_images, repeats)
    return {
        "data": title,
        "threads": torch.get_num_threads(),
        "training": training,
        "encoding": encoding,
        "together": [_together(learnt, encoding) for learnt in training],
    }


def _together(learnt: dict[str, Any], encoding: list[dict[str, Any]]) -> dict[str, Any]:
    """Learning, and encoding `ENCODED` images by the threshold in bfloat16, with as many units."""
    encoded = next(row for row in encoding if row["units"] == learnt["units"])  # threshold, bfloat16
    own = learnt["seconds"]["bfloat16"] + ENCODED * encoded["seconds_per_image"]
    theirs = learnt["seconds"]["scikit-learn"] + ENCODED * encoded["numpy_seconds_per_image"]
    return {
        "units": learnt["units"],
        "images_encoded": ENCODED,
        "seconds": own,
        "others_seconds": theirs,
        "times_faster": theirs / own,
    }


def print_kmeans(measured: dict[str, Any], console: Console | None = None) -> None:
    """Print what `measure_kmeans` returned, with the verdict on both targets."""
    console = console or Console()
    first = measured["training"][0]
    table = Table(title=f"k-means of {first['patches']:,} patches, {measured['data']}")
    headings: tuple[str, ...] = ("by", "units", "seconds", "error", "times faster", "GFLOP/s")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "by" else "right")
    for training in measured["training"]:
        for name, took in training["seconds"].items():
            faster, gflops = training["times_faster"].get(name), training["gflops"].get(name)
            table.add_row(
                name,
                f"{training['units']:,}",
                f"{took:.2f}",
                f"{training['quantisation_error'][name]:.2f}",
                f"{faster:.1f}" if faster else "",
                f"{gflops:.0f}" if gflops else "",
            )
    console.print(table)
    headings = ("encoder", "precision", "units", "ms/image", "NumPy ms", "times faster", "difference", "ratio")
    table = Table(title=f"Encoding on {measured['threads']} threads; ratio is over the matrix product")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in headings[:2] else "right")
    for row in measured["encoding"]:
        own, numpy = 1e3 * row["seconds_per_image"], 1e3 * row["numpy_seconds_per_image"]
        table.add_row(
            row["encoder"], row["dtype"], f"{row['units']:,}", f"{own:.2f}", f"{numpy:.2f}",
            f"{row['times_faster']:.1f}", f"{row['difference']:.1e}", f"{row['ratio']:.2f}",
        )  # fmt: skip
    console.print(table)
    for training, together in zip(measured["training"], measured["together"], strict=True):
        faster, equal = training["times_faster"]["bfloat16"], training["scikit_learn"]["within_1_percent"]
        console.print(
            f"Target, {training['units']:,} units: learning at least {TRAINING_TARGET:g} times faster than "
            f"MiniBatchKMeans at equal error; {_verdict(faster >= TRAINING_TARGET)} "
            f"({faster:.1f}{'' if equal else ', its error still larger'}); with the encoding of {ENCODED:,} images by "
            f"the threshold, {_verdict(together['times_faster'] >= TRAINING_TARGET)} ({together['times_faster']:.1f})."
        )
    for encoder in ENCODERS:
        ratio = min(row["ratio"] for row in measured["encoding"] if row["encoder"] == encoder)
        console.print(
            f"Target, {encoder}: encoding at {RATE_TARGET:g} or more of the matrix product; "
            f"{_verdict(ratio >= RATE_TARGET)} (the least is {ratio:.2f})."
        )


def _verdict(met: bool) -> str:
    return "met" if met else "missed"
