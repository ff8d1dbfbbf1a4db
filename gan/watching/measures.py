"""What can be told of a GAN without labels: functions of maps, weights, images and features, and of nothing else."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from dcgan_features.data.utils.effective_rank import effective_rank

_CELLS = 4  # along each side: the grid on which the features of this project are pooled
_STILL = 1e-4  # of the largest variance in its layer that a map varies by, which then tells no image from another


def feature_rank(maps: Tensor) -> float:
    """The effective rank (RankMe) of a layer's features: its maps (n, maps, height, width), max-pooled to 4 x 4 cells.

    From 1 to the smaller of n and the features' number. See `data.utils.effective_rank`.
    """
    cells = min(_CELLS, maps.shape[-1])
    return effective_rank(functional.adaptive_max_pool2d(maps.float(), cells).flatten(1))


def dead_maps(maps: Tensor) -> float:
    """The share of a layer's maps (n, maps, height, width) that do nothing, from 0 to 1.

    A map is dead where no image makes it positive anywhere, so that its rectifier never opens, or where its variance
    over images and positions is below 1/10,000 of the largest in its layer.
    """
    flat = maps.float().transpose(0, 1).flatten(1)
    variance = flat.var(1, correction=0)
    dead = (flat.amax(1) <= 0) | (variance <= _STILL * variance.max())
    return float(dead.float().mean())


def oscillation(maps: Tensor) -> tuple[float, float]:
    """How much of a layer's output is one oscillating pattern: two shares of power, from 0 to 1.

    maps : (n, maps, height, width). A layer whose maps are a single pixel has none.
    Returns, averaged over the maps, the power of each map's strongest spatial frequency other than zero in a share of
    all its power at frequencies other than zero, (1) taken over the responses to single images, whose power spectra
    are averaged first, and (2) of the mean response to all images alone: near 0 where each image makes its own
    pattern, and near 1 where the filter makes one oscillating pattern whatever it is shown.
    """
    if maps.shape[-1] * maps.shape[-2] == 1:
        return 0.0, 0.0
    single = _power(maps.float()).mean(0)  # (maps, frequencies)
    mean = _power(maps.float().mean(0))
    total = single.sum(1).clamp(min=torch.finfo(torch.float32).tiny)
    return float((single.amax(1) / total).mean()), float((mean.amax(1) / total).clamp(max=1).mean())


def _power(maps: Tensor) -> Tensor:
    """Power by spatial frequency, without the frequency zero: (..., height, width) to (..., frequencies).

    A real map has the same power at a frequency and at its negative: both are one oscillation, and are added.
    """
    height, width = maps.shape[-2:]
    power = torch.fft.rfft2(maps).abs().square()
    columns = torch.arange(width // 2 + 1, device=maps.device)
    alone = (columns == 0) | (2 * columns == width)  # of these columns the negative frequencies are there as well
    rows = torch.arange(height, device=maps.device)
    kept = torch.where(alone, (2 * rows <= height)[:, None], torch.ones(height, 1, dtype=torch.bool).to(maps.device))
    paired = ~alone | ((rows > 0) & (2 * rows != height))[:, None]
    power = (power * (1 + paired.float())).flatten(-2)[..., kept.flatten()]
    without_zero: Tensor = power[..., 1:]
    return without_zero


def singular_values(weight: Tensor) -> Tensor:
    """All singular values of a weight (maps, ...) as a matrix of maps by all else, largest first, float64."""
    matrix = weight.detach().flatten(1).double()
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    values: Tensor = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().flip(0)
    return values


def stable_rank(values: Tensor) -> float:
    """The squared Frobenius norm over the squared spectral norm, of singular values, largest first; at least 1.

    Rudelson & Vershynin, Sampling from large matrices, J. ACM 2007. It falls where the spectrum collapses: where all
    but few singular values become small beside the largest, which Liu et al., Spectral Regularization for Combating
    Mode Collapse in GANs, ICCV 2019 (arXiv 1908.10999) found to go with mode collapse.
    """
    largest = float(values[0])
    return float(values.square().sum()) / largest**2 if largest > 0 else 1.0


def nearest_other(points: Tensor) -> float:
    """The mean Euclidean distance of points (n, d) to the nearest other one; n at least 2."""
    distances = torch.cdist(points.double(), points.double())
    distances.fill_diagonal_(math.inf)
    return float(distances.amin(1).mean())


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """The Frechet distance between the normal distributions with the means and covariances of two sets of points.

    first, second : (n, d), n at least 2 each.
    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NeurIPS 2017, equation 6 (squared there too).
    """
    first, second = first.double(), second.double()
    covariances = [torch.cov(points.T).reshape(points.shape[1], -1) for points in (first, second)]
    values, vectors = torch.linalg.eigh(covariances[0])
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ covariances[1] @ root).clamp(min=0).sqrt().sum()
    traces = covariances[0].trace() + covariances[1].trace()
    apart = (first.mean(0) - second.mean(0)).square().sum()
    return max(float(apart + traces - 2 * cross), 0.0)


def checkerboard(images: Tensor) -> float:
    """The share of an image's power, frequency zero apart, at which every second pixel differs: from 0 to 1.

    images : (n, channels, height, width), of even height and width. It is the power at the frequencies (1/2, 0),
    (0, 1/2) and (1/2, 1/2) of a pixel, which transposed convolutions of stride 2 leave behind (Odena et al.,
    Deconvolution and checkerboard artifacts, Distill 2016), over all images and channels.
    """
    height, width = images.shape[-2:]
    power = torch.fft.fft2(images.float()).abs().square().mean((0, 1))
    board = power[height // 2, 0] + power[0, width // 2] + power[height // 2, width // 2]
    total = power.sum() - power[0, 0]
    return float(board / total) if float(total) > 0 else 0.0


def separation(real: Tensor, fake: Tensor) -> float:
    """The probability that a real image has the higher logit than a fake one (ties count half), from 0 to 1."""
    above = (real[:, None] > fake[None, :]).double().mean()
    equal = (real[:, None] == fake[None, :]).double().mean()
    return float(above + equal / 2)


def norm(tensors: list[Tensor]) -> float:
    """The Euclidean norm of all of the tensors together; 0 of none."""
    return math.sqrt(sum(float(tensor.detach().double().square().sum()) for tensor in tensors))
