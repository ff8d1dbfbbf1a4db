"""Which maps a group of units sees: learned by similarity, at random, or all of them.

Coates & Ng, "Selecting Receptive Fields in Deep Networks" (NIPS 2011), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CORRELATION_LIMIT = 1 - 1e-4  # of a pair: what is nearly one map twice is not whitened beyond this
_TINY = 1e-12  # below it a variance is that of a constant
_COLUMNS = 512  # maps compared with all at a time
_SAMPLES = 8192  # at a time: powers of all responses would be the largest in memory


def square_correlation(responses: Tensor) -> Tensor:
    """Correlation of the squares of every two maps, each pair whitened first: float32 (maps, maps), 1 on the diagonal.

    For maps j and k, brought to mean 0 and variance 1, (y_j, y_k) = ZCA of (x_j, x_k), and S[j, k] = corr(y_j², y_k²):
    how far two maps that are already uncorrelated still vary together in energy. Whitening a pair needs no more than
    its moments up to order four, which are products of matrices. A constant map has similarity 0 with all others.

    responses : (maps, samples), any float type.
    """
    mean, scale = _mean_and_scale(responses)
    maps, count = responses.shape
    correlation, m22, m31 = (torch.zeros(maps, maps, device=responses.device) for _ in range(3))
    fourth = torch.zeros(maps, device=responses.device)
    for block in torch.split(responses, _SAMPLES, dim=1):
        standard = (block.float() - mean) * scale
        square = standard.square()
        correlation.addmm_(standard, standard.T, alpha=1 / count)
        m22.addmm_(square, square.T, alpha=1 / count)
        m31.addmm_(square * standard, standard.T, alpha=1 / count)
        fourth += square.square().sum(1) / count
    similarity = torch.empty_like(correlation)
    for start in range(0, maps, _COLUMNS):
        part = slice(start, start + _COLUMNS)
        similarity[:, part] = _whitened_pairs(
            correlation=correlation[:, part],
            m22=m22[:, part],
            m31=m31[:, part],
            m13=m31[part].T,
            m40=fourth[:, None],
            m04=fourth[None, part],
        )
    constant = scale[:, 0] == 0
    similarity[constant] = 0
    similarity[:, constant] = 0
    return similarity.fill_diagonal_(1)


def _mean_and_scale(responses: Tensor) -> tuple[Tensor, Tensor]:
    """Each map's mean and one over its deviation, float32 (maps, 1); the latter is 0 for a map that does not vary."""
    maps = len(responses)
    mean, variance = (torch.zeros(maps, 1, device=responses.device) for _ in range(2))
    for block in torch.split(responses, _SAMPLES, dim=1):
        mean += block.sum(1, keepdim=True, dtype=torch.float32) / responses.shape[1]
    for block in torch.split(responses, _SAMPLES, dim=1):
        variance += (block.float() - mean).square_().sum(1, keepdim=True) / responses.shape[1]
    return mean, torch.where(variance > _TINY, torch.rsqrt(variance), 0)


def _whitened_pairs(correlation: Tensor, m22: Tensor, m31: Tensor, m13: Tensor, m40: Tensor, m04: Tensor) -> Tensor:
    """corr(y_j², y_k²) from the moments m_ab = E[x_j^a x_k^b] of variables of variance 1."""
    rho = correlation.clamp(-_CORRELATION_LIMIT, _CORRELATION_LIMIT)
    # The inverse square root of [[1, rho], [rho, 1]] is [[p, q], [q, p]]: y_j = p x_j + q x_k, y_k = q x_j + p x_k.
    wide, narrow = torch.rsqrt(1 + rho), torch.rsqrt(1 - rho)
    p, q = (wide + narrow) / 2, (wide - narrow) / 2
    pp, pq, qq = p * p, p * q, q * q
    mean_j = mean_k = pp + 2 * pq * correlation + qq  # E[y²]: 1, but where rho was limited
    # y_j² = pp x_j² + 2 pq x_j x_k + qq x_k², and y_k² the same with pp and qq exchanged.
    both = pp * qq * (m40 + m04) + (pp * pp + qq * qq + 4 * pq * pq) * m22 + 2 * pq * (pp + qq) * (m31 + m13)
    square_j = pp * pp * m40 + qq * qq * m04 + 6 * pp * qq * m22 + 4 * pq * (pp * m31 + qq * m13)
    square_k = qq * qq * m40 + pp * pp * m04 + 6 * pp * qq * m22 + 4 * pq * (qq * m31 + pp * m13)
    variance_j, variance_k = square_j - mean_j * mean_j, square_k - mean_k * mean_k
    scale = (variance_j.clamp_min(_TINY) * variance_k.clamp_min(_TINY)).sqrt()
    result: Tensor = (both - mean_j * mean_k) / scale
    return result


def learned_groups(similarity: Tensor, n_groups: int, group_size: int, generator: torch.Generator) -> Tensor:
    """Around each of `n_groups` maps drawn at random, the `group_size` maps most similar to it.

    similarity : (maps, maps), at least `n_groups` and `group_size` maps. generator : on the CPU.
    Returns int64 (n_groups, group_size), ascending within a group. A map may be in several groups or in none.
    """
    seeds = torch.randperm(len(similarity), generator=generator)[:n_groups]
    return similarity[seeds.to(similarity.device)].topk(group_size, dim=1).indices.sort(dim=1).values


def random_groups(maps: int, n_groups: int, group_size: int, generator: torch.Generator) -> Tensor:
    """`group_size` different maps drawn at random for each group: int64 (n_groups, group_size), ascending."""
    drawn = [torch.randperm(maps, generator=generator)[:group_size] for _ in range(n_groups)]
    return torch.stack(drawn).sort(dim=1).values
