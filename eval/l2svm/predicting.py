"""Decision values of a fitted linear classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from dcgan_features.eval.l2svm.primal import WeightSpace
from dcgan_features.eval.l2svm.validation import Features, check_device, check_features


def decide(estimator: Any, X: Features) -> npt.NDArray[Any]:
    """X w + b, (n, k), by `coef_` and `intercept_`; ValueError where X is not like what the estimator was fitted to."""
    device = check_device(estimator.device)
    features = check_features(estimator, X, reset=False, sparse=True)
    place = features.device if device is None else device
    if place.type == "cpu" and features.dtype in (torch.float32, torch.float64):
        values: npt.NDArray[Any] = features.numpy() @ estimator.coef_.T + estimator.intercept_
        return values
    dtype = torch.float64 if features.dtype == torch.float64 else torch.float32
    weights = np.concatenate([estimator.coef_.T, estimator.intercept_[None]])
    space = WeightSpace(features, True, dtype, place)
    wide: npt.NDArray[Any] = space.decision(torch.from_numpy(weights).to(place, dtype)).cpu().numpy()
    return wide
