"""Making a generator forget an object: the maps that draw it are found from a few boxes, and dropped.

Source: Radford, Metz & Chintala (2016), section 6.3.1: 52 boxes around windows on 150 samples; logistic regression on
the activations of the second-highest convolution's maps, inside a box or not; all maps of positive weight dropped
everywhere, 200 of them. That this is the layer of 16 x 16 maps follows from that number (inference). As many negatives
as positives, the division by standard deviations and the penalty (scikit-learn's default) are reconstructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.random_streams import raw_words
from dcgan_features.gan.latent.sampler import NEGATIVES, Images, LatentSampler
from dcgan_features.gan.networks import unscale_images

Box = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class ForgottenObject:
    """How strongly each map of a layer speaks for the object.

    layer : hidden layer of the generator. weights : float64 (maps,), of the regression on maps divided by their
    standard deviations. positions : how many were inside boxes. accuracy : of the regression on its own data, 0..1.
    """

    layer: int
    weights: NDArray[np.float64]
    positions: int
    accuracy: float

    def maps(self, most: int | None = None) -> list[int]:
        """The maps of positive weight, the largest first, and no more than `most` of them."""
        order = np.argsort(-self.weights, kind="stable")
        return [int(index) for index in order if self.weights[index] > 0][:most]


def default_layer(sampler: LatentSampler) -> int:
    """The second-highest hidden layer, or the only one."""
    return max(sampler.layers - 2, 0)


def fit_object(
    sampler: LatentSampler, z: Tensor, boxes: Sequence[Box], layer: int | None = None, seed: int = 0
) -> ForgottenObject:
    """Find the maps that draw what is in the boxes.

    z : (n, latent_size). boxes : (sample, left, top, right, bottom), sample being a position in `z`, the rest pixels of
        the image counted from its upper left corner, right and bottom not included.
    layer : hidden layer of the generator; None is the second-highest. seed : decides which positions outside the boxes
        of the same images are the negatives; there are as many as positives, or all.
    Raises `InputError` for a bad box, no box at all, or boxes that leave nothing outside.
    """
    layer = default_layer(sampler) if layer is None else layer
    boxed = sorted({_checked(box, len(z), sampler.spec.image_size)[0] for box in boxes})
    if not boxed:
        raise InputError("there is no box; draw at least one, as (sample, left, top, right, bottom)")
    maps = sampler.hidden(z[boxed], layer)
    inside = np.zeros((len(boxed), *maps.shape[2:]), dtype=bool)
    for sample, *edges in boxes:
        left, top, right, bottom = edges
        rows = _covered(top, bottom, sampler.spec.image_size, maps.shape[2])
        columns = _covered(left, right, sampler.spec.image_size, maps.shape[3])
        inside[boxed.index(sample), rows, columns] = True
    vectors = maps.permute(0, 2, 3, 1).numpy()
    positive, negative = vectors[inside], vectors[~inside]
    if len(negative) == 0:
        raise InputError("the boxes leave nothing of their images outside; draw smaller ones")
    chosen = np.argsort(raw_words(len(negative), seed, NEGATIVES))[: len(positive)]
    data = StandardScaler().fit_transform(np.concatenate([positive, negative[chosen]]).astype(np.float64))
    truth = np.repeat([1, 0], [len(positive), len(chosen)])
    regression = LogisticRegression(max_iter=2000).fit(data, truth)
    return ForgottenObject(layer, regression.coef_[0], len(positive), float(regression.score(data, truth)))


def images_without(sampler: LatentSampler, z: Tensor, maps: Sequence[int], layer: int | None = None) -> Images:
    """The images of `z` with the given maps of a layer set to zero everywhere: uint8 (n, height, width, channels).

    layer : None is the second-highest hidden layer. Raises `InputError` for a map that the layer lacks.
    """
    layer = default_layer(sampler) if layer is None else layer
    sampler.check_layer(layer)
    dropped = torch.tensor(list(maps), dtype=torch.long, device=sampler.device)

    def work(block: Tensor) -> Tensor:
        hidden = sampler.generator.hidden(block, layer)
        if len(maps) and not 0 <= min(maps) <= max(maps) < hidden.shape[1]:
            raise InputError(f"layer {layer} has the maps 0 to {hidden.shape[1] - 1}, not {sorted(maps)}")
        return unscale_images(sampler.generator.image(hidden.index_fill(1, dropped, 0.0), layer))

    return sampler.in_blocks(z, work).numpy()


def _checked(box: Box, samples: int, size: int) -> Box:
    """The box, if it is one."""
    if len(box) != 5:
        raise InputError(f"the box {list(box)} is not (sample, left, top, right, bottom)")
    sample, left, top, right, bottom = box
    if not 0 <= sample < samples:
        raise InputError(f"the box {list(box)} is on sample {sample}, but there are the samples 0 to {samples - 1}")
    if not (0 <= left < right <= size and 0 <= top < bottom <= size):
        raise InputError(
            f"the box {list(box)} does not lie in an image of {size} x {size} pixels; "
            "give left < right and top < bottom, from 0 to the size"
        )
    return box


def _covered(first: int, last: int, pixels: int, cells: int) -> slice:
    """The cells of a map whose centres lie between two pixel edges, at least the one nearest to the middle."""
    centres = (np.arange(cells) + 0.5) * pixels / cells
    within = np.flatnonzero((centres >= first) & (centres < last))
    if len(within) == 0:
        nearest = int(np.argmin(np.abs(centres - (first + last) / 2)))
        return slice(nearest, nearest + 1)
    return slice(int(within[0]), int(within[-1]) + 1)
