"""Paths and arithmetic in latent space: all functions take and give points z, and know nothing of pictures.

Source: Radford, Metz & Chintala (2016), sections 6.1 and 6.3.2 and figures 4, 7 and 8. The step counts, and how far a
turn is carried, are reconstructions: the paper does not give them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import uniform
from dcgan_features.gan.latent.sampler import AROUND

SPREAD = 0.25  # half the width of the noise around a result, figure 7
NEARLY_PARALLEL = 1e-4  # sine of an angle below which a turn and a straight line are the same


def interpolate(start: Tensor, end: Tensor, parts: Sequence[float], latent: str) -> Tensor:
    """Points on the way from `start` to `end`, each (latent_size,), at the given parts of it (0: start, 1: end).

    latent : "uniform": a straight line, on which every coordinate stays in -1..1. "normal": directions turn at even
        speed and lengths change evenly. In many dimensions nearly all of N(0, 1) lies in a thin shell; the middle of a
        straight line would lie well inside it, where the generator was never trained.
    Returns (parts, latent_size).
    """
    place = torch.tensor(parts, dtype=start.dtype)[:, None]
    straight = (1 - place) * start + place * end
    if latent != "normal":
        return straight
    first, second = start.norm(), end.norm()
    cosine = (start @ end / (first * second)).clamp(-1.0, 1.0)
    angle = torch.acos(cosine)
    if not torch.sin(angle) > NEARLY_PARALLEL:  # also where a length is 0
        return straight
    turned = torch.sin((1 - place) * angle) * start / first + torch.sin(place * angle) * end / second
    result: Tensor = turned / torch.sin(angle) * ((1 - place) * first + place * second)
    return result


def closed_walk(points: Tensor, steps: int, latent: str) -> Tensor:
    """From each of `points` (n, latent_size) to the next, and from the last back to the first.

    Returns (n, steps, latent_size); each part begins with its point and ends before the next one's.
    """
    parts = [step / steps for step in range(steps)]
    ends = points.roll(-1, 0)
    return torch.stack([interpolate(start, end, parts, latent) for start, end in zip(points, ends, strict=True)])


def combine(plus: Tensor, minus: Tensor, also: Tensor) -> Tensor:
    """Y = mean(plus) - mean(minus) + mean(also), (latent_size,); each is (exemplars, latent_size), in the paper 3."""
    return plus.mean(0) - minus.mean(0) + also.mean(0)


def around(centre: Tensor, seed: int, count: int = 8, spread: float = SPREAD) -> Tensor:
    """`centre` (latent_size,) and `count` points at U(-spread, spread) from it in every coordinate.

    Returns (count + 1, latent_size) with the centre in the middle, as in the paper's 3 x 3 pictures.
    """
    noise = torch.from_numpy(uniform((count, len(centre)), seed, AROUND)).to(centre.dtype)
    others = centre + spread * (2.0 * noise - 1.0)
    return torch.cat([others[: count // 2], centre[None], others[count // 2 :]])


def combine_pixels(plus: NDArray[np.uint8], minus: NDArray[np.uint8], also: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The paper's control: the arithmetic of `combine` on images (n, height, width, channels), clamped to 0..255."""
    mean = plus.mean(0) - minus.mean(0) + also.mean(0)
    result: NDArray[np.uint8] = np.clip(np.rint(mean), 0, 255).astype(np.uint8)
    return result


def turn_vector(left: Tensor, right: Tensor) -> Tensor:
    """From the mean of some samples to that of others that face the other way, (latent_size,); 4 each in the paper."""
    return right.mean(0) - left.mean(0)


def along(points: Tensor, direction: Tensor, amounts: Sequence[float]) -> Tensor:
    """`points` (n, latent_size), each moved by every amount of `direction`: (n, amounts, latent_size)."""
    return points[:, None] + torch.tensor(amounts, dtype=points.dtype)[:, None] * direction


def evenly(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from first to last at even distances. Raises `InputError` for fewer than two."""
    if count < 2:
        raise InputError(f"{count} steps are too few; give at least 2")
    return [first + (last - first) * step / (count - 1) for step in range(count)]
