"""What the generator of frames minimises beside the adversarial loss: means over pixels of predicted and true ones."""

from __future__ import annotations

from torch import Tensor


def gradient_difference_loss(predicted: Tensor, truth: Tensor) -> Tensor:
    """How far the absolute differences of neighbouring pixels are apart, down and across; the sum of the two means.

    Mathieu, Couprie & LeCun (2016), section 3.3, equation 6, with an exponent of 1. Frames (n, frames, height, width).
    """
    down = (truth.diff(dim=2).abs() - predicted.diff(dim=2).abs()).abs().mean()
    across = (truth.diff(dim=3).abs() - predicted.diff(dim=3).abs()).abs().mean()
    return down + across
