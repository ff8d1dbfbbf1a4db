"""Pictures that are nearly the same: found, shown to be judged, and left out of training."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dcgan_features import data
from dcgan_features.data.picture_cache import cache_folder
from dcgan_features.data.utils.drawing import as_picture, font
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import atomic_path, write_json
from dcgan_features.data.utils.formats import keep_array, kept_array
from dcgan_features.data.utils.hashing import array_digest
from dcgan_features.gan.folders.autoencoder_hash import HashSettings, first_of_each, hash_images
from dcgan_features.gan.folders.prepare import Prepared
from dcgan_features.gan.training.recipe import TrainRecipe

_VERSION = 2  # of what is kept in the cache
_KEPT, _REMOVED = "#0072b2", "#e69f00"  # frames: blue and orange, which the colour-blind tell apart
_FRAME, _GAP, _LINE, _LETTERS = 3, 6, 30, 20  # pixels
_LINE_IMAGES, _MOST_LINES, _MOST_OF_ONE = 20, 30, 9  # of the contact sheet: in a line, lines, shown of one bucket
_BLOCK = 4096  # images copied at a time


@dataclass(frozen=True)
class TrainingImages:
    """What is trained on.

    images : uint8 (n, height, width, channels). description, digest : as of `data.training_images`.
    removed : near-duplicates that were left out.
    """

    images: NDArray[np.uint8]
    description: str
    digest: str
    removed: int = 0


def hash_settings(recipe: TrainRecipe) -> HashSettings:
    """How near-duplicates are found, as the recipe says."""
    return HashSettings(**{field.name: getattr(recipe, f"hash_{field.name}") for field in fields(HashSettings)})


def find_images(prepared: Prepared, recipe: TrainRecipe, root: Path | None = None) -> TrainingImages:
    """The images of all sources, and without near-duplicates where the recipe says `near_duplicates: remove`.

    root : where official data sets lie. What is found and what is left are kept in the cache of pictures. Raises
    `InputError` as `data.training_images` does.
    """
    size = recipe.spec.image_size if recipe.resize else None
    images, description, digest = data.training_images(prepared.sources, root, size)
    if recipe.near_duplicates == "keep":
        return TrainingImages(images, description, digest)
    first = near_duplicates(images, digest, hash_settings(recipe))
    kept = np.flatnonzero(first == np.arange(len(first)))
    removed = len(images) - len(kept)
    if not removed:
        return TrainingImages(images, description, digest)
    images = _without(images, kept, _place("unique", digest, hash_settings(recipe)))
    return TrainingImages(images, f"{description}, less {removed:,} near-duplicates", array_digest(images), removed)


def near_duplicates(images: NDArray[np.uint8], digest: str, settings: HashSettings) -> NDArray[np.int64]:
    """For each image the index of the first image that it is a near-duplicate of, int64 (n,).

    images : uint8 (n, height, width, 3 or 1). digest : their SHA-256, under which the result is kept in the cache:
    a resumed run must leave out the same images, on whatever machine the autoencoder would now be trained.
    """
    place = _place("near-duplicates", digest, settings)
    found = kept_array(place, np.dtype(np.int64), (len(images),))
    if found is None:
        found = first_of_each(hash_images(images, settings))
        keep_array(place, [found], found.dtype, found.shape)
    return found


def _place(kind: str, digest: str, settings: HashSettings) -> Path:
    what = json.dumps([_VERSION, digest, asdict(settings)], sort_keys=True)
    return cache_folder() / f"{kind}-{hashlib.sha256(what.encode()).hexdigest()[:16]}.npy"


def _without(images: NDArray[np.uint8], kept: NDArray[np.int64], place: Path) -> NDArray[np.uint8]:
    """The rows `kept` of the images, as a memory-mapped file at `place`."""
    shape = (len(kept), *images.shape[1:])
    result = kept_array(place, images.dtype, shape)
    if result is None:
        blocks = (images[kept[start : start + _BLOCK]] for start in range(0, len(kept), _BLOCK))
        keep_array(place, blocks, images.dtype, shape)
        result = kept_array(place, images.dtype, shape)
    if result is None:
        raise InputError(f"the images written to {place} do not read back; check its disk")
    return result


def buckets(first: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Indices of the images of each hash that several share, the one to be kept first; the largest bucket first."""
    removed = np.flatnonzero(first != np.arange(len(first)))
    order = removed[np.argsort(first[removed], kind="stable")]
    starts = np.flatnonzero(np.diff(first[order], prepend=-1))
    groups = [np.concatenate([first[part[:1]], part]) for part in np.split(order, starts[1:]) if len(part)]
    return sorted(groups, key=len, reverse=True)


def contact_sheet(images: NDArray[np.uint8], groups: list[NDArray[np.int64]]) -> Image.Image:
    """One picture to judge the groups by: of each the image that is kept in blue, then those that would go in orange.

    Where there are too many groups, the largest and others evenly among the rest are shown.
    """
    size = images.shape[1]
    cell = size + 2 * _FRAME
    lines = _lines(groups)
    shown = sum(map(len, lines))
    removed = sum(len(group) - 1 for group in groups)
    text = f"{len(images):,} images; {removed:,} in {len(groups):,} groups would go (orange), one of each stays (blue)"
    text += f"; {shown:,} groups shown" if shown < len(groups) else ""
    width = _GAP + max(sum(_width(group) * cell + _GAP for group in line) for line in lines) if lines else 0
    width = max(width, round(font(_LETTERS).getlength(text)) + 2 * _GAP)
    canvas = Image.new("RGB", (width, _LINE + len(lines) * (cell + _GAP)), "white")
    draw = ImageDraw.Draw(canvas)
    draw.text((_GAP, _LINE // 2), text, "black", font(_LETTERS), anchor="lm")
    for number, line in enumerate(lines):
        left, top = _GAP, _LINE + number * (cell + _GAP)
        for group in line:
            for place, index in enumerate(group[: _width(group)]):
                draw.rectangle((left, top, left + cell - 1, top + cell - 1), _REMOVED if place else _KEPT)
                canvas.paste(as_picture(images[index]), (left + _FRAME, top + _FRAME))
                left += cell
            left += _GAP
    return canvas


def _width(group: NDArray[np.int64]) -> int:
    return min(len(group), _MOST_OF_ONE)


def _lines(groups: list[NDArray[np.int64]]) -> list[list[NDArray[np.int64]]]:
    """The groups that the sheet has room for, line by line."""
    fitting = len(groups)
    while True:
        chosen = sorted({round(place) for place in np.linspace(0, len(groups) - 1, fitting)})
        lines: list[list[NDArray[np.int64]]] = []
        room = 0
        for index in chosen:
            if _width(groups[index]) > room:
                lines.append([])
                room = _LINE_IMAGES
            lines[-1].append(groups[index])
            room -= _width(groups[index])
        if len(lines) <= _MOST_LINES:
            return lines
        fitting = min(fitting - 1, math.floor(fitting * _MOST_LINES / len(lines)))


def write_look(
    out: Path, images: NDArray[np.uint8], first: NDArray[np.int64], names: list[str], settings: HashSettings
) -> tuple[int, list[Path]]:
    """Write `near-duplicates.json`, which would go, and `near-duplicates.png`, a contact sheet of them.

    names : of the images. Returns how many would go, and the paths of the files.
    """
    groups = buckets(first)
    removed = sum(len(group) - 1 for group in groups)
    listed = [{"kept": names[group[0]], "would_go": [names[index] for index in group[1:]]} for group in groups]
    content = {"images": len(images), "would_go": removed, "settings": asdict(settings), "groups": listed}
    paths = [out / "near-duplicates.json", out / "near-duplicates.png"]
    write_json(paths[0], content)
    with atomic_path(paths[1]) as temporary:
        contact_sheet(images, groups).save(temporary, format="PNG")
    return removed, paths
