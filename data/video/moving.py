"""Pictures that move over a black square at constant speed and bounce off its walls, with all that decides them known.

The rule of Srivastava, Mansimov & Salakhutdinov, Unsupervised Learning of Video Representations using LSTMs (ICML
2015), section 3.1, and of the authors' released generator: a position is a point of the unit square, stretched over the
pixels that a picture's corner can be at; each frame adds the velocity; at a wall the position is the wall's and that
part of the velocity changes its sign; pixels are rounded down, and where pictures overlap the brighter pixel shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.hashing import array_digest, digest_of
from dcgan_features.data.utils.random_streams import uniform
from dcgan_features.data.video.clips import Frames, Indices

Points = NDArray[np.float64]
STEP = 0.1  # of the unit square a frame: 3.6 pixels for digits of 28 pixels in frames of 64
_MOVING, _STEADY = 30, 31  # purposes of random numbers
DIRECTIONS = 8  # of `steady_motion`, from right on clockwise as pictures are shown: rows count downwards


def trajectories(start: Points, velocity: Points, frames: int) -> Points:
    """Positions (n, objects, frames, 2), down and right, 0..1, frame by frame; the first is one step after `start`.

    start, velocity : (n, objects, 2), down and right; the velocity a frame.
    """
    position, velocity = start.copy(), velocity.copy()
    found = np.empty((*start.shape[:2], frames, 2))
    for frame in range(frames):
        position = position + velocity
        beyond = (position <= 0) | (position >= 1)
        position = np.clip(position, 0, 1)
        velocity = np.where(beyond, -velocity, velocity)
        found[:, :, frame] = position
    return found


@dataclass(frozen=True, eq=False)
class MovingPictures:
    """Clips of moving pictures, drawn when they are asked for: thousands of them take the memory of a table.

    pictures : uint8 (m, height, width), that move. which : int64 (n, objects), of which of them a clip is made.
    start, velocity : float64 (n, objects, 2), down and right, of the unit square and a frame; see `trajectories`.
    length : frames of a clip. size : height and width of a frame, in pixels. labels : int64 (m,), of the pictures;
    None where they have none. description, stand_in : see `Clips`.
    """

    pictures: NDArray[np.uint8]
    which: Indices
    start: Points
    velocity: Points
    length: int
    size: int
    description: str
    stand_in: bool = False
    labels: Indices | None = None

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(frames, height, width, 1) of each clip."""
        return self.length, self.size, self.size, 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the pictures and of all that decides their motion; computed once."""
        parts = array_digest(self.pictures, self.which, self.start, self.velocity)
        return digest_of([parts, self.length, self.size])

    def __len__(self) -> int:
        return len(self.which)

    def corners(self, indices: Indices) -> Indices:
        """Upper left corners in pixels, int64 (n, objects, frames, 2), down and right."""
        places = trajectories(self.start[indices], self.velocity[indices], self.length)
        room = self.size - np.array(self.pictures.shape[1:])
        corners: Indices = (places * room).astype(np.int64)
        return corners

    def take(self, indices: Indices) -> Frames:
        """The clips of these numbers: uint8 (n, frames, size, size, 1)."""
        corners, pictures = self.corners(indices), self.pictures[self.which[indices]]
        height, width = self.pictures.shape[1:]
        clips = np.zeros((len(corners), self.length, self.size, self.size), np.uint8)
        for clip, pictures_of_clip, paths in zip(clips, pictures, corners, strict=True):
            for picture, path in zip(pictures_of_clip, paths.tolist(), strict=True):
                for frame, (top, left) in zip(clip, path, strict=True):
                    part = frame[top : top + height, left : left + width]
                    np.maximum(part, picture, out=part)
        return clips[..., None]

    def shown(self) -> Indices:
        """The labels of the pictures of each clip, int64 (n, objects). Raises ValueError where they have none."""
        if self.labels is None:
            raise ValueError("the pictures have no labels")
        return self.labels[self.which]


def bouncing(
    pictures: NDArray[np.uint8],
    count: int,
    entropy: tuple[int, ...],
    *,
    length: int = 20,
    size: int = 64,
    objects: int = 2,
    step: float = STEP,
    description: str = "moving pictures",
    stand_in: bool = False,
    labels: Indices | None = None,
) -> MovingPictures:
    """`count` clips by the published rule: pictures, starting points and directions drawn evenly, speed `step`.

    entropy : of the random numbers. A clip depends on it and on its own number alone, not on `count`.
    Raises `InputError` for pictures that do not fit into a frame, or no clips.
    """
    _check(pictures, count, size)
    draws = uniform((count, objects, 4), _MOVING, *entropy)
    angle = 2 * np.pi * draws[..., 3]
    velocity = step * np.stack([np.sin(angle), np.cos(angle)], -1)
    which = (draws[..., 0] * len(pictures)).astype(np.int64)
    return MovingPictures(
        pictures, which, draws[..., 1:3], velocity, length, size, description, stand_in=stand_in, labels=labels
    )


@dataclass(frozen=True, eq=False)
class SteadyMotion:
    """Clips for a probe of motion, and what is to be told.

    clips : in each two different pictures of different labels that move alike, and meet no wall.
    directions : int64 (n,), 0..7, multiples of 45 degrees. speeds : int64 (n,), indices of the speeds asked for.
    """

    clips: MovingPictures
    directions: Indices
    speeds: Indices


def steady_motion(
    pictures: NDArray[np.uint8],
    labels: Indices,
    count: int,
    entropy: tuple[int, ...],
    *,
    length: int,
    size: int,
    speeds: tuple[float, ...] = (0.05, 0.1, 0.15),
    description: str = "moving pictures",
    stand_in: bool = False,
) -> SteadyMotion:
    """Clips in which both pictures move in one of eight directions at one of a few speeds, without a bounce.

    The places of the frame in the middle are drawn independently of direction and speed, evenly over the part of the
    square from which no motion of half a clip meets a wall: that frame alone says nothing of the motion.
    speeds : of the unit square a frame. length : frames, odd, so that there is a middle.
    Raises `InputError` as `bouncing` does, and where a clip is so long that the fastest motion always meets a wall.
    """
    _check(pictures, count, size)
    half, margin = length // 2, (length // 2) * max(speeds)
    if length % 2 == 0:
        raise InputError(f"clips of {length} frames have no frame in the middle; give an odd number of frames")
    if margin >= 0.5:
        raise InputError(f"in {length} frames a motion of {max(speeds)} a frame meets a wall; give fewer frames")
    draws = uniform((count, 2, 3), _STEADY, *entropy)
    common = uniform((count, 2), _STEADY, *entropy, 1)
    which = (draws[..., 0] * len(pictures)).astype(np.int64)
    for row in np.flatnonzero(labels[which[:, 0]] == labels[which[:, 1]]):  # the next picture of another label
        others = np.flatnonzero(labels != labels[which[row, 0]])
        which[row, 1] = others[which[row, 1] % len(others)]
    directions = (common[:, 0] * DIRECTIONS).astype(np.int64)
    chosen = (common[:, 1] * len(speeds)).astype(np.int64)
    angle = directions * (2 * np.pi / DIRECTIONS)
    velocity = np.array(speeds)[chosen][:, None] * np.stack([np.sin(angle), np.cos(angle)], -1)
    velocity = np.repeat(velocity[:, None], 2, 1)
    middle = margin + (1 - 2 * margin) * draws[..., 1:3]
    start = middle - (half + 1) * velocity  # the first frame is one step after the start
    clips = MovingPictures(pictures, which, start, velocity, length, size, description, stand_in, labels)
    return SteadyMotion(clips, directions, chosen)


def _check(pictures: NDArray[np.uint8], count: int, size: int) -> None:
    if pictures.ndim != 3 or pictures.dtype != np.uint8 or not pictures.size:
        raise InputError(f"moving pictures are uint8 (n, height, width), not {pictures.dtype} {pictures.shape}")
    if max(pictures.shape[1:]) >= size:
        height, width = pictures.shape[1:]
        raise InputError(f"pictures of {height}x{width} pixels cannot move in frames of {size}; give larger frames")
    if count < 1:
        raise InputError(f"{count} clips are none; give at least 1")
