"""The logistic losses of decision values f (n, k), the curvature that they have, and the dual's entropy."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional


class Loss(Protocol):
    """A convex loss of each row. index (n,) is the place of a row's class; m (n, 1) its weight, >= 0."""

    columns: int
    m: Tensor
    groups: int  # columns that are problems of their own, or 1 where all are one problem

    def value(self, f: Tensor) -> Tensor:
        """The sum over the rows, (groups,) float64."""

    def probabilities(self, f: Tensor) -> Tensor:
        """(n, k)."""

    def slopes(self, p: Tensor) -> Tensor:
        """The derivatives by f, (n, k)."""

    def curved(self, p: Tensor, change: Tensor, rows: slice | Tensor) -> Tensor:
        """The second derivative of some rows applied to a change of their decision values, (rows, k)."""

    def entropy(self, p: Tensor) -> Tensor:
        """What the dual objective holds of probabilities, (groups,) float64."""


class Multinomial:
    """-log softmax(f)_y, all classes one problem."""

    groups = 1

    def __init__(self, index: Tensor, columns: int, m: Tensor) -> None:
        self.index, self.columns, self.m = index, columns, m

    def value(self, f: Tensor) -> Tensor:
        """The sum over the rows, (1,) float64."""
        return (self.m[:, 0] * functional.cross_entropy(f, self.index, reduction="none")).sum(dtype=torch.float64)[None]

    def probabilities(self, f: Tensor) -> Tensor:
        """(n, k), each row's sum 1."""
        p: Tensor = f.softmax(1)
        return p

    def slopes(self, p: Tensor) -> Tensor:
        """The derivatives by f, (n, k)."""
        slopes = p.clone()
        slopes[torch.arange(len(p), device=p.device), self.index] -= 1
        return slopes.mul_(self.m)

    def curved(self, p: Tensor, change: Tensor, rows: slice | Tensor) -> Tensor:
        """The second derivative of some rows applied to a change of their decision values, (rows, k)."""
        part = p[rows]
        weighted = part * change
        bent: Tensor = (weighted - part * weighted.sum(1, keepdim=True)) * self.m[rows]
        return bent

    def entropy(self, p: Tensor) -> Tensor:
        """The sum over the rows of -sum p log p, (1,) float64."""
        sums: Tensor = (self.m * torch.special.entr(p)).sum(dtype=torch.float64)[None]
        return sums


class OneVsRest:
    """log(1 + exp(-t f)), each class a problem of its own. Two classes have one column."""

    def __init__(self, index: Tensor, columns: int, m: Tensor) -> None:
        self.columns = self.groups = columns
        wanted = torch.arange(columns, device=index.device) + (1 if columns == 1 else 0)
        self.positive = index[:, None] == wanted
        self.m = m

    def value(self, f: Tensor) -> Tensor:
        """The sums over the rows, (k,) float64."""
        return (self.m * functional.softplus(torch.where(self.positive, -f, f))).sum(0, dtype=torch.float64)

    def probabilities(self, f: Tensor) -> Tensor:
        """Of each class against the rest, (n, k)."""
        p: Tensor = f.sigmoid()
        return p

    def slopes(self, p: Tensor) -> Tensor:
        """The derivatives by f, (n, k)."""
        return (p - self.positive.to(p.dtype)) * self.m

    def curved(self, p: Tensor, change: Tensor, rows: slice | Tensor) -> Tensor:
        """The second derivative of some rows applied to a change of their decision values, (rows, k)."""
        part = p[rows]
        bent: Tensor = part * (1 - part) * change * self.m[rows]
        return bent

    def entropy(self, p: Tensor) -> Tensor:
        """The sums over the rows of -p log p - (1 - p) log(1 - p), (k,) float64."""
        sums: Tensor = (self.m * (torch.special.entr(p) + torch.special.entr(1 - p))).sum(0, dtype=torch.float64)
        return sums
