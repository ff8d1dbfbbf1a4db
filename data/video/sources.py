"""From what a user types to clips: "moving-mnist", "moving-shapes", or a folder of clips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.download import chosen_root, is_there
from dcgan_features.data.mnist import mnist
from dcgan_features.data.synthetic.canvas import coverage, own_frame, to_uint8
from dcgan_features.data.synthetic.shapes import OUTLINES
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.formats import map_array
from dcgan_features.data.video.clips import ArrayClips, Clips, Indices
from dcgan_features.data.video.folder import clip_folder
from dcgan_features.data.video.moving import MovingPictures, bouncing

OFFICIAL = "mnist_test_seq.npy"  # (20, 10000, 64, 64) uint8, as the authors of Moving MNIST published it
_TRAIN, _TEST = 0, 1
_TURNS = 8


@dataclass(frozen=True, eq=False)
class MovingSet:
    """Pictures of which clips are made: of the training clips one part, of the test clips another.

    pictures, labels : by part, 0 for training and 1 for tests: uint8 (m, height, width) and int64 (m,).
    classes : what the labels mean.
    """

    name: str
    pictures: tuple[NDArray[np.uint8], NDArray[np.uint8]]
    labels: tuple[Indices, Indices]
    classes: tuple[str, ...]
    stand_in: bool

    def clips(self, part: str, count: int, seed: int, length: int, size: int) -> MovingPictures:
        """`count` bouncing clips of the part "train" or "test"; see `moving.bouncing`."""
        number = ("train", "test").index(part)
        mark = " (stand-in)" if self.stand_in else ""
        kind = "training" if part == "train" else "test"
        return bouncing(
            self.pictures[number],
            count,
            (seed, number),
            length=length,
            size=size,
            description=f"{self.name}{mark}, two of {len(self.pictures[number]):,} {kind} pictures a clip",
            stand_in=self.stand_in,
            labels=self.labels[number],
        )


def moving_mnist(root: Path | str | None = None) -> MovingSet:
    """The digits of Moving MNIST: training clips are of MNIST's training digits, test clips of its test digits."""
    digits = mnist(root)
    if digits.train_labels is None or digits.test_images is None or digits.test_labels is None:
        raise InputError(f"{digits.name} lacks labels or test images; put the official files into the data root")
    pictures = digits.train_images[..., 0], digits.test_images[..., 0]
    return MovingSet("moving-mnist", pictures, (digits.train_labels, digits.test_labels), digits.classes, False)


def moving_shapes(root: Path | str | None = None) -> MovingSet:
    """Synthetic: ten outlines of 14x14 pixels, each turned in eight ways for training and eight others for tests."""
    parts, classes = [], tuple(OUTLINES)
    for offset in (0.0, 0.5):
        angles = (np.arange(_TURNS) + offset) * (2 * np.pi / _TURNS)
        middle = np.full(_TURNS, 7.0)
        across, down = own_frame(middle, middle, angles, 14)
        drawn = [coverage(6.0 * outline(across / 6.0, down / 6.0)) for outline in OUTLINES.values()]
        parts.append(to_uint8(np.concatenate(drawn)))
    labels = np.repeat(np.arange(len(classes), dtype=np.int64), _TURNS)
    return MovingSet("moving-shapes", (parts[0], parts[1]), (labels, labels), classes, True)


# Sets of pictures that move, by the name that a user gives: data root to `MovingSet`.
MOVING: dict[str, Callable[[Path | str | None], MovingSet]] = {
    "moving-mnist": moving_mnist,
    "moving-shapes": moving_shapes,
}


def training_clips(
    source: str, root: Path | str | None, count: int, seed: int, length: int, size: int, channels: int
) -> Clips:
    """The training clips that `source` names, of `length` frames of size x size pixels.

    source : a name in `MOVING`, of which `count` clips are made with `seed`; else the path of a folder of clips.
    Raises `InputError` for an unknown name, and for whatever the source itself refuses.
    """
    if source in MOVING:
        if channels != 1:
            raise InputError(f"{source} is grey, the network takes {channels} channels; choose one that takes 1")
        return MOVING[source](root).clips("train", count, seed, length, size)
    path = home_path(source, "give the path in full")
    if path.is_dir():
        return clip_folder(path, length, size, grey=channels == 1)
    if len(path.parts) > 1 or path.exists():
        raise InputError(f"{source} is no folder of clips; check the path")
    raise unknown_name("source of clips", source, [*MOVING, "a folder"])


def official_test_clips(root: Path | str | None = None) -> ArrayClips | None:
    """Moving MNIST's published 10,000 test clips, where `mnist_test_seq.npy` lies in the data root; else None.

    Raises `InputError` for a damaged file, or one of another shape than uint8 (20, n, 64, 64).
    """
    file = chosen_root(root) / OFFICIAL
    if not is_there(file, "check --data-root"):
        return None
    array = map_array(file, f"put the official {OFFICIAL} there")
    if array.dtype != np.uint8 or array.ndim != 4 or (array.shape[0], *array.shape[2:]) != (20, 64, 64):
        raise InputError(
            f"{file} holds {array.dtype} of shape {array.shape} instead of uint8 (20, 10000, 64, 64); put the official "
            "file there, or remove it"
        )
    frames = array.transpose(1, 0, 2, 3)[..., None]
    return ArrayClips(frames, f"Moving MNIST's published test clips, {len(frames):,} of them")
