"""Near-duplicates made on purpose, as they arise on the web: shifted, compressed once more, brightened or darkened."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dcgan_features.gan.folders.autoencoder_hash import HashSettings, first_of_each, hash_images

KINDS = ("shift", "jpeg", "brightness")


def planted(images: NDArray[np.uint8], seed: int) -> tuple[NDArray[np.uint8], NDArray[np.str_]]:
    """A near-duplicate of each image, of a random kind.

    shift : by 1 or 2 pixels along either axis or both, edges repeated. jpeg : compressed at a quality of 50 to 80.
    brightness : multiplied by 0.97 to 1.03.
    """
    generator = np.random.default_rng(seed)
    kinds = generator.choice(KINDS, len(images))
    made = {"shift": _shift, "jpeg": _jpeg, "brightness": _brightness}
    return np.stack([made[kind](image, generator) for image, kind in zip(images, kinds, strict=True)]), kinds


def _shift(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    down, right = 0, 0
    while (down, right) == (0, 0):
        down, right = generator.integers(-2, 3, 2)
    height, width = image.shape[:2]
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
    return padded[2 + down : 2 + down + height, 2 + right : 2 + right + width]


def _jpeg(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=int(generator.integers(50, 81)))
    return np.asarray(Image.open(file))


def _brightness(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[np.uint8]:
    changed: NDArray[np.uint8] = np.rint(image * generator.uniform(0.97, 1.03)).clip(0, 255).astype(np.uint8)
    return changed


@dataclass(frozen=True)
class Found:
    """How well planted near-duplicates were found.

    precision : of all that would be left out, the share whose kept image shows the same original. A near-duplicate
    that was among the originals counts as an error. recall : share of the planted ones that would be left out, by
    kind and in all. removed : how many would be left out.
    """

    precision: float
    recall: dict[str, float]
    removed: int


def measure(images: NDArray[np.uint8], plants: int, settings: HashSettings, seed: int = 0) -> Found:
    """Plant near-duplicates of the first `plants` images, put them after all others, and look for them."""
    copies, kinds = planted(images[:plants], seed)
    first = first_of_each(hash_images(np.concatenate([images, copies]), settings))
    shows = np.concatenate([np.arange(len(images)), np.arange(plants)])
    removed = first != np.arange(len(first))
    right = removed & (shows[first] == shows)
    hit = right[len(images) :]
    recall = {kind: float(hit[kinds == kind].mean()) for kind in KINDS if (kinds == kind).any()}
    return Found(float(right.sum() / max(removed.sum(), 1)), {**recall, "all": float(hit.mean())}, int(removed.sum()))
