"""Which images of a corpus are nearly a test image: all pairs are compared, and the nearest looked at more closely."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, pad

from dcgan_features.data.dataset import Images

NEAREST = 5  # images of the corpus that are looked at more closely for every test image
_SIDE, _DIRECTIONS = 16, 256  # cells along each side, and principal directions, of what all pairs are compared by
_MOVE = 2  # pixels by which a pair may be moved against each other
_BLUR, _GROUND = 3, 9  # pixels: detail is what is left between these two averages
_ROWS, _PAIRS = 1000, 50

Report = Callable[[int], None]


@dataclass(frozen=True)
class Nearest:
    """The images of a corpus that are most like each test image, the most alike first.

    likeness : float32 (n_test, k), at most 1. image : int64 (n_test, k), indices into the corpus.
    mirrored : bool (n_test, k), whether the test image was flipped left to right.
    """

    likeness: npt.NDArray[np.float32]
    image: npt.NDArray[np.int64]
    mirrored: npt.NDArray[np.bool_]


def nearest(
    test: Images,
    corpus: Images,
    k: int = NEAREST,
    mirror: bool = True,
    least: float = -1.0,
    report: Report = lambda count: None,
) -> Nearest:
    """The `k` images of a corpus that are nearest to each test image, and how alike the two are.

    All pairs are compared by their correlation over 16 x 16 cells, whitened with the corpus' principal directions: so
    a horizon or a plain sky, which thousands of images share, counts little. Of the k nearest, likeness is the mean of
    that correlation and of the one of their details (what lies between averages over 3 and over 9 pixels), the
    largest over moves of up to two pixels.

    test, corpus : uint8 (n, height, width, channels), of the same number of channels. mirror : compare the flipped
    test images too. least : details of pairs that cannot reach this likeness are not compared, and count as -1.
    report : called with how many test images more were compared.
    """
    kept = min(k, len(corpus))
    whiten, known = _whitening(corpus)
    turns = [False, True] if mirror else [False]
    likeness = np.full((len(test), kept), -1, np.float32)
    image, mirrored = np.zeros((len(test), kept), np.int64), np.zeros((len(test), kept), bool)
    for start in range(0, len(test), _ROWS):
        own = test[start : start + _ROWS]
        found = [(whiten(own[:, :, ::-1] if turned else own) @ known.T).topk(kept) for turned in turns]
        best = torch.cat([item.values for item in found], 1).topk(kept)
        places = torch.cat([item.indices for item in found], 1).gather(1, best.indices).numpy()
        flipped = best.indices.numpy() >= kept
        for rank in range(kept):
            shown = np.where(flipped[:, rank, None, None, None], own[:, :, ::-1], own)
            cells = best.values[:, rank].numpy()
            detail = np.full(len(own), -1, np.float32)
            close = np.flatnonzero((cells + 1) / 2 >= least)
            if len(close):
                detail[close] = detail_correlation(shown[close], np.array(corpus[places[close, rank]]))
            likeness[start : start + len(own), rank] = (cells + detail) / 2
        image[start : start + len(own)], mirrored[start : start + len(own)] = places, flipped
        report(len(own))
    order = np.argsort(-likeness, 1, kind="stable")
    return Nearest(*(np.take_along_axis(item, order, 1) for item in (likeness, image, mirrored)))


def _whitening(corpus: Images) -> tuple[Callable[[Images], Tensor], Tensor]:
    """Maps images to unit vectors in the corpus' whitened principal directions; and the corpus so mapped."""
    cells = _cells(corpus)
    mean = cells.mean(0)
    variances, directions = torch.linalg.eigh(torch.cov((cells - mean).T, correction=0))
    count = min(_DIRECTIONS, len(variances) - 1)
    # The first direction left out says what counts as noise.
    scale = (variances[-count:] + variances[-count - 1].clamp_min(1e-9)).rsqrt()
    project = directions[:, -count:] * scale

    def whiten(images: Images) -> Tensor:
        return _unit((_cells(images) - mean) @ project)

    return whiten, _unit((cells - mean) @ project)


def _cells(images: Images) -> Tensor:
    """Averages over 16 x 16 cells, (n, 256 * channels), less the image's mean, of length 1: without contrast."""
    made = torch.empty(len(images), _SIDE * _SIDE * images.shape[3])
    for start in range(0, len(images), _ROWS):
        block = adaptive_avg_pool2d(_as_tensor(images[start : start + _ROWS]), _SIDE).flatten(1)
        made[start : start + _ROWS] = _unit(block - block.mean(1, keepdim=True))
    return made


def detail_correlation(first: Images, second: Images) -> npt.NDArray[np.float32]:
    """The correlation of the details of pairs of images, (n,), the largest over moves of up to two pixels.

    first, second : uint8 (n, height, width, channels).
    """
    own, other = _detail(first), _detail(second)
    height, width = own.shape[2:]
    inner = _centred(other[:, :, _MOVE : height - _MOVE, _MOVE : width - _MOVE])[:, :, None]  # (n, values, 1)
    best = torch.empty(len(own))
    for start in range(0, len(own), _PAIRS):
        moved = own[start : start + _PAIRS].unfold(2, height - 2 * _MOVE, 1).unfold(3, width - 2 * _MOVE, 1)
        windows = moved.permute(0, 2, 3, 1, 4, 5).flatten(1, 2).flatten(2)  # (n, moves, values)
        spread = windows.square().sum(2) - windows.sum(2).square() / windows.shape[2]
        found = (windows @ inner[start : start + _PAIRS])[:, :, 0] / spread.clamp_min(1e-6).sqrt()
        best[start : start + _PAIRS] = found.amax(1)
    result: npt.NDArray[np.float32] = best.numpy()
    return result


def _detail(images: Images) -> Tensor:
    def average(block: Tensor, size: int) -> Tensor:
        return avg_pool2d(pad(block, (size // 2,) * 4, mode="reflect"), size, 1)

    fine = average(_as_tensor(images), _BLUR)
    return fine - average(fine, _GROUND)


def _centred(block: Tensor) -> Tensor:
    flat = block.flatten(1)
    return _unit(flat - flat.mean(1, keepdim=True))


def _unit(rows: Tensor) -> Tensor:
    unit: Tensor = rows / rows.norm(dim=1, keepdim=True).clamp_min(1e-3)
    return unit


def _as_tensor(images: Images) -> Tensor:
    """Pixels as float32 (n, channels, height, width)."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
