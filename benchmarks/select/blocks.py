"""From raw moments and maxima to the Gram matrices of a candidate's blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dcgan_features.benchmarks.select.study import Block
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.discriminator.second_order import SecondOrderFeatures, normalised_moments

_ROWS = 500

Rows = NDArray[np.int64]


class Sources:
    """The sources' raw features of the same images, rows in the same order.

    extractors : by name. features : (n, d) each, memory-mapped.
    """

    def __init__(self, extractors: Mapping[str, SecondOrderFeatures], features: Mapping[str, Tensor]) -> None:
        self.extractors, self.features = dict(extractors), dict(features)

    def block(self, block: Block, rows: Rows) -> Tensor:
        """The block's features of these rows, float32 (len(rows), width)."""
        make = self._maxima if block.layer is None else self._moments
        return torch.cat([make(block, rows[start : start + _ROWS]) for start in range(0, len(rows), _ROWS)])

    def _maxima(self, block: Block, rows: Rows) -> Tensor:
        first = self.extractors[block.sources[0]]
        if not first.first_order:
            raise InputError(f"source {block.sources[0]} has no maxima; give its extractor 'first_order: true'")
        start = sum(width for width, _, _ in self._shapes(block.sources[0]).values())
        return torch.stack(self._columns(block, rows, start, None)).amax(0)

    def _moments(self, block: Block, rows: Rows) -> Tensor:
        name, shapes = block.sources[0], self._shapes(block.sources[0])
        if block.layer not in shapes:
            raise InputError(f"source {name} has the layers {', '.join(map(str, shapes))}, not {block.layer}")
        width, rank, cells = shapes[block.layer]
        kept = block.rank or rank
        if kept > rank:
            raise InputError(f"source {name} has {rank} directions of layer {block.layer}, not {kept}")
        layers = list(shapes)
        start = sum(shapes[layer][0] for layer in layers[: layers.index(block.layer)])
        parts = torch.stack(self._columns(block, rows, start, start + width))
        upper = parts.mean(0).view(len(rows), cells**2, -1)
        if block.whole:  # cells are of one size, or nearly so
            upper = upper.mean(1, keepdim=True)
        row, column = torch.triu_indices(rank, rank)
        inside = column < kept
        matrices = torch.zeros(*upper.shape[:2], kept, kept)
        matrices[:, :, row[inside], column[inside]] = upper[:, :, inside]
        matrices[:, :, column[inside], row[inside]] = upper[:, :, inside]
        return normalised_moments(matrices, block.normalisation)

    def _columns(self, block: Block, rows: Rows, start: int, stop: int | None) -> list[Tensor]:
        """These columns of each of the block's sources, float32 (len(rows), columns)."""
        chosen = torch.from_numpy(rows)
        return [self.features[name][:, start:stop][chosen].float() for name in block.sources]

    def _shapes(self, name: str) -> dict[int, tuple[int, int, int]]:
        """Columns, rank and cells of each layer's moments, in the source's order."""
        extractor = self.extractors[name]
        layers = list(extractor.layers or [])
        ranks, cells = (
            [value] * len(layers) if isinstance(value, int) else list(value)
            for value in (extractor.rank, extractor.cells)
        )
        return {
            layer: (own**2 * rank * (rank + 1) // 2, rank, own)
            for layer, rank, own in zip(layers, ranks, cells, strict=True)
        }


def gram(sources: Sources, block: Block, pool: Rows) -> Tensor:
    """Products of the features of all rows with those of the rows `pool`, less the latter's mean: so less is rounded.

    pool : ascending. Returns float32 (n, len(pool)).
    """
    rows = next(iter(sources.features.values())).shape[0]
    features = sources.block(block, np.arange(rows))
    known = features[torch.from_numpy(pool)]
    mean = known.mean(0)
    return (features - mean) @ (known - mean).T


def of_draw(products: Tensor, pool: Rows, labelled: Rows, others: Rows) -> Tensor:
    """A draw's part of `gram`'s products: those of its rows, the labelled first, with its labelled ones.

    labelled : all in `pool`. Features are centred on their mean, and the trace of their own products is their number.
    Returns float32 (len(labelled) + len(others), len(labelled)).
    """
    columns = torch.from_numpy(np.searchsorted(pool, labelled))
    chosen = products[torch.from_numpy(np.concatenate([labelled, others]))][:, columns].double()
    own = chosen[: len(labelled)]
    chosen = chosen - chosen.mean(1, keepdim=True) - own.mean(0) + own.mean()
    return (chosen * (len(labelled) / float(chosen[: len(labelled)].diagonal().sum()))).float()


def block_key(block: Block) -> Any:
    """What tells a block's Gram matrix from others': all but its weight."""
    return tuple(sorted(block.model_dump(exclude={"weight"}).items(), key=lambda item: item[0])).__repr__()
