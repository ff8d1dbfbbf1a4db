"""How many dimensions features really use, told without labels."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dcgan_features.data.utils.random_streams import raw_words

ROWS = 2048
_EPSILON = 1e-7


def effective_rank(features: Tensor) -> float:
    """RankMe of features (n, d): exp of the entropy of their singular values, from 1 to min(n, d).

    Garrido et al., RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised Representations by Their
    Rank, ICML 2023, equation 1. It grows with the number of rows, so compare only what was measured on as many: here
    `ROWS`, drawn by a fixed seed, of more. Features are taken as they are, without their mean removed.
    """
    count = len(features)
    if count > ROWS:
        chosen = np.sort(np.argsort(raw_words(count, 0), kind="stable")[:ROWS])
        features = features[torch.from_numpy(chosen)]
    rows = features.double()  # the small singular values count, and squaring halves their digits
    gram = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    total = float(values.sum())
    if total == 0:
        return 1.0
    shares = values / total + _EPSILON
    return math.exp(-float((shares * shares.log()).sum()))
