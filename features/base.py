"""What all extractors share: checks of the images, work in blocks, and the form of the output."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.gpu import with_smaller_blocks
from dcgan_features.data.utils.identity import known_as

REFLECTIONS = ["max", "mean"]  # ways to join the features of an image and of its mirror image
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}

Images = NDArray[np.uint8]
Features = NDArray[np.float32]


def check_images(images: Any) -> Images:
    """The images as a NumPy array, or a ValueError that says what is wrong with them.

    images : uint8, (n, height, width, channels), 0..255, n >= 1; a memory-mapped array stays one.
    """
    array = np.asarray(images)
    if array.ndim != 4:
        raise ValueError(f"images must have the shape (n, height, width, channels), not {array.shape}")
    if array.dtype != np.uint8:
        raise ValueError(f"images must be uint8, 0..255, not {array.dtype}: scaling belongs to the extractor")
    if array.size == 0:
        raise ValueError(f"there are no images: the array's shape is {array.shape}")
    return array


def as_tensor(images: Images) -> Tensor:
    """A uint8 tensor of the images, copied where the array cannot be shared (read-only or strided)."""
    return torch.from_numpy(np.require(images, requirements=("C", "W")))


def join_reflection(features: Tensor, mirrored: Tensor, reflection: str) -> Tensor:
    """The larger of the two or their mean, value by value. reflection : one of `REFLECTIONS`."""
    return torch.maximum(features, mirrored) if reflection == "max" else (features + mirrored) / 2


@known_as("features.base.Extractor")
class Extractor(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A scikit-learn transformer from images to feature vectors that learns without labels.

    A subclass has `fit`, which ends by calling `_fitted`, and `_transform_block`. `transform` gives a NumPy float32
    array, which any estimator of scikit-learn takes; `transform_tensor` gives a tensor of the type that the extractor
    computes in, bfloat16 or float32, which the feature store keeps and `eval.L2SVM` takes.

    Attributes
    ----------
    image_shape_ : (height, width, channels) of the images fitted on.
    n_features_out_ : int, length of a feature vector.
    feature_dtype_ : torch.dtype of what `transform_tensor` gives.
    """

    # Parameters that change how fast the features are made, not what they are.
    speed_only: ClassVar[tuple[str, ...]] = ("batch_size", "device")
    # Parameters that there were not always, with their defaults, at which features kept by older stores are still good.
    later: ClassVar[dict[str, Any]] = {}

    image_shape_: tuple[int, int, int]
    n_features_out_: int
    feature_dtype_: torch.dtype

    def fit(self, images: Images, y: object = None) -> Self:
        """Learn from images, uint8 (n, height, width, channels). `y` is ignored: it is there for pipelines."""
        raise NotImplementedError

    def transform(self, images: Images) -> Features:
        """Return the features of the images, float32 (n, n_features_out_).

        images : uint8 (n, height, width, channels), of the size fitted on. After `set_output` a data frame is returned.
        Raises ValueError for other images, and InputError when a feature is not finite.
        """
        check_is_fitted(self, "n_features_out_")
        output = np.empty((len(check_images(images)), self.n_features_out_), np.float32)
        start = 0
        for block in self.transform_blocks(images):
            output[start : start + len(block)] = block.float().numpy()
            start += len(block)
        return output

    def transform_tensor(self, images: Images, on_device: bool = False) -> Tensor:
        """Return the same features as a tensor of the type `feature_dtype_`, half as large where that is bfloat16.

        on_device : leave it where it is made: if on a GPU, for a solver there; else on the CPU.
        """
        check_is_fitted(self, "n_features_out_")
        output = torch.empty(0)
        start = 0
        for block in self.transform_blocks(images, on_device=on_device):
            if start == 0:
                output = torch.empty(len(images), block.shape[1], dtype=block.dtype, device=block.device)
            output[start : start + len(block)] = block
            start += len(block)
        return output

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Return the names of the columns for `set_output`: the class's in lower case and the column's number."""
        check_is_fitted(self, "n_features_out_")
        prefix = type(self).__name__.lower()
        return np.array([f"{prefix}{column}" for column in range(self.n_features_out_)], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # images have four dimensions
        return tags

    def transform_blocks(
        self, images: Images, starts: range | None = None, on_device: bool = False
    ) -> Iterator[Tensor]:
        """What `transform_tensor` gives, some rows at a time, in order: tensors (rows, n_features_out_) on the CPU.

        starts : of those in `block_starts`, the blocks to make; None is all. Where the device's memory does not suffice
            for a block, it is made in smaller parts, and so are those that follow.
        on_device : leave the blocks on the device that made them.
        """
        check_is_fitted(self, "n_features_out_")
        images = check_images(images)
        if images.shape[1:] != self.image_shape_:
            raise ValueError(f"the extractor was fitted on images of {self.image_shape_}, not {images.shape[1:]}")
        most = self._block_size()  # images at a time
        before: _Block | None = None
        for start in self.block_starts(images) if starts is None else starts:
            own = images[start : start + self._block_size()]
            with torch.inference_mode():
                size = min(most, len(own))
                block, used = with_smaller_blocks(partial(self._in_parts, own), size)
                if used < size:
                    most = used
                made: _Block | None = _Block(block, start, on_device)
            if block.is_cuda:  # makes the next block while this one is looked at and used
                before, made = made, before
            if made is not None:
                yield self._ready(made)
        if before is not None:
            yield self._ready(before)

    def _ready(self, block: _Block) -> Tensor:
        features, finite = block.wait()
        if not finite:
            raise InputError(
                f"{type(self).__name__} gives features that are not finite, first among images "
                f"{block.start} to {block.start + len(features) - 1}; check the weights it was given"
            )
        return features

    def _in_parts(self, images: Images, size: int) -> Tensor:
        parts = [self._transform_block(images[start : start + size]) for start in range(0, len(images), size)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def block_starts(self, images: Images) -> range:
        """The first row of each block. The bits of a feature may depend on which images it is computed with."""
        return range(0, len(images), self._block_size())

    def _block_size(self) -> int:
        return 256

    def _transform_block(self, images: Images) -> Tensor:
        """Features of a few images, on whatever device makes them."""
        raise NotImplementedError

    def _fit_inner(self, extractor: Any, images: Images, device: str | torch.device | None) -> Self:
        """Of what wraps another extractor: `extractor_`, a copy of it fitted on `images`, whose features are these.

        images : of the wrapper's size. device : None leaves the extractor's own. Raises ValueError for what is none.
        """
        if not isinstance(extractor, Extractor):
            raise ValueError(f"extractor must be an extractor of images, not {type(extractor).__name__}")
        own = clone(extractor)
        if device is not None and "device" in own.get_params():
            own.set_params(device=device)
        self.extractor_: Extractor = own.fit(images)
        self._fitted(images, own.n_features_out_, "float32")
        self.feature_dtype_ = own.feature_dtype_
        return self

    def _fitted(self, images: Images, n_features: int, dtype: str) -> Self:
        self.image_shape_ = images.shape[1:]
        self.n_features_out_ = n_features
        self.feature_dtype_ = DTYPES[dtype]
        return self


class _Block:
    """Features of some images on their way from the device that makes them.

    features : (rows, features). start : the first image's number. on_device : whether they stay on the device.
    """

    def __init__(self, features: Tensor, start: int, on_device: bool) -> None:
        self.start = start
        self._features, self._extremes = features, torch.stack(torch.aminmax(features))  # NaN if a feature is
        self._done: torch.cuda.Event | None = None
        if features.is_cuda and not on_device:
            # Memory that the GPU writes to by itself; the caching allocator keeps it for the block after the next.
            host = torch.empty(features.shape, dtype=features.dtype, pin_memory=True)
            self._features = host.copy_(features, non_blocking=True)
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._done.record()

    def wait(self) -> tuple[Tensor, bool]:
        """The features, and whether all of them are finite."""
        if self._done is not None:
            self._done.synchronize()
        return self._features, bool(self._extremes.isfinite().all())
