"""The FactorVAE score: whether the dimension that varies least tells which factor was held fixed.

Source: Kim & Mnih (2018), "Disentangling by factorising", section 4: 800 votes; each divides the variances of the codes
of images that share one factor's value by those of all codes, and casts the dimension of the smallest one. A majority
vote by dimension is the classifier. As in Locatello et al. (2019), dimensions that hardly vary are left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dcgan_features.eval.disentanglement.targets import Codes, Values, check_codes

_DEAD = 0.05  # variance, as a part of the largest one's, below which a dimension is left out


def factor_vae_score(
    codes: Codes, values: Values, rng: np.random.Generator, votes: int = 800, images: int = 64
) -> float:
    """The accuracy, 0..1, of the majority vote on as many further votes as it was made of; chance is 1 over factors.

    images : of each vote, drawn with replacement from those that share the value. Raises ValueError for arrays that
    do not fit each other, or numbers below 1 vote and 2 images.
    """
    check_codes(codes, values)
    if votes < 1 or images < 2:
        raise ValueError(f"votes={votes} and images={images} must be at least 1 and 2")
    variances = codes.astype(np.float64).var(0)
    alive = np.flatnonzero(variances > _DEAD * variances.max())
    if len(alive) == 0:
        return 1 / values.shape[1]
    scaled = codes[:, alive].astype(np.float64) / np.sqrt(variances[alive])
    members = [{int(value): np.flatnonzero(column == value) for value in np.unique(column)} for column in values.T]
    first, second = (_ballot(scaled, members, rng, votes, images) for _ in range(2))
    table = np.zeros((len(alive), values.shape[1]), np.int64)
    np.add.at(table, first, 1)
    return float((table.argmax(1)[second[0]] == second[1]).mean())


def _ballot(
    scaled: npt.NDArray[np.float64],
    members: list[dict[int, npt.NDArray[np.int64]]],
    rng: np.random.Generator,
    votes: int,
    images: int,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The dimension that each vote casts, and the factor that was held fixed, (votes,) each."""
    factors = rng.integers(0, len(members), votes)
    cast = np.empty(votes, np.int64)
    for vote, factor in enumerate(factors):
        rows = members[factor][int(rng.choice(list(members[factor])))]
        cast[vote] = scaled[rng.choice(rows, images)].var(0).argmin()
    return cast, factors
