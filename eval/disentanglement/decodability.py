"""How well a linear model reads each factor off a code: the whole of it, where the other scores look at dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.preprocessing import StandardScaler

from dcgan_features.eval.disentanglement.targets import Codes, Values, as_targets, check_codes, r_squared

_PENALTIES = (0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0)


def linear_decodability(
    codes: Codes, values: Values, test_codes: Codes, test_values: Values, kinds: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Of each factor, on the test images, float64 (factors,), by ridge regression on standardised codes.

    R² of an ordered factor and of a cyclic one's point on the circle. Of a categorical one the accuracy, scaled so that
    the most frequent value is 0 and all right is 1, as R² has it. The penalty is chosen within the first two arguments.
    Raises ValueError for arrays that do not fit each other.
    """
    check_codes(codes, values, kinds)
    check_codes(test_codes, test_values, kinds)
    scaler = StandardScaler().fit(codes)
    codes, test_codes = scaler.transform(codes), scaler.transform(test_codes)
    found = np.empty(len(kinds))
    for factor, kind in enumerate(kinds):
        column, test_column = values[:, factor], test_values[:, factor]
        if kind == "categorical":
            predicted: Any = RidgeClassifierCV(alphas=_PENALTIES).fit(codes, column).predict(test_codes)
            chance = (test_column == np.bincount(column).argmax()).mean()
            found[factor] = ((predicted == test_column).mean() - chance) / (1 - chance)
        else:
            count = int(max(column.max(), test_column.max())) + 1
            target, test_target = (as_targets(part, kind, count) for part in (column, test_column))
            predicted = RidgeCV(alphas=_PENALTIES).fit(codes, target).predict(test_codes)
            found[factor] = r_squared(test_target, predicted.reshape(test_target.shape))
    return found
