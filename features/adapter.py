"""Other people's models as extractors: any `torch.nn.Module` and any scikit-learn transformer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn

from features.base import (
    DTYPES,
    Extractor,
    Images,
    as_tensor,
    check_choice,
    check_images,
    check_positive,
    choose_device,
)


def scale_to_unit(images: Tensor) -> Tensor:
    """What modules get unless told otherwise: 0..1, float32 (n, channels, height, width), from 0..255 channels-last."""
    return images.permute(0, 3, 1, 2).float().div_(255.0)


class TorchModuleFeatures(Extractor):
    """The output of a module, or of one layer inside it, flattened: (n, features). Nothing is trained.

    module : any `torch.nn.Module` that takes a batch of images; it is copied and run in evaluation mode.
    layer : the dotted name, as in `module.named_modules()`, of the layer whose output is wanted; None is the module's.
    input_transform : from uint8 (n, height, width, channels) to the module's input; None is `scale_to_unit`.
    batch_size : images at a time. device : None is the GPU where there is one, else the CPU.
    dtype : "float32" or "bfloat16", of the features; the module computes in its own.
    """

    def __init__(
        self,
        module: nn.Module,
        layer: str | None = None,
        input_transform: Callable[[Tensor], Tensor] | None = None,
        batch_size: int = 128,
        device: str | torch.device | None = None,
        dtype: str = "float32",
    ) -> None:
        self.module = module
        self.layer = layer
        self.input_transform = input_transform
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype

    def fit(self, images: Images, y: object = None) -> Self:
        """Note the images' size and count the features; nothing is learned.

        Raises ValueError for an unknown layer, a layer that is not run, or an output that is not one tensor per batch.
        """
        check_choice("dtype", self.dtype, list(DTYPES))
        check_positive(batch_size=self.batch_size)
        images = check_images(images)
        if not isinstance(self.module, nn.Module):
            raise ValueError(f"module must be a torch.nn.Module, not {type(self.module).__name__}")
        names = dict(self.module.named_modules())
        if self.layer is not None and self.layer not in names:
            raise ValueError(f"the module has no layer {self.layer!r}; it has {', '.join(filter(None, names))}")
        self.device_ = choose_device(self.device)
        self.module_ = copy.deepcopy(self.module).eval().to(self.device_)
        with torch.inference_mode():
            return self._fitted(images, self._outputs(images[:1]).shape[1], self.dtype)

    def _block_size(self) -> int:
        return self.batch_size

    def _transform_block(self, images: Images) -> Tensor:
        return self._outputs(images).to(self.feature_dtype_).cpu()

    def _outputs(self, images: Images) -> Tensor:
        transform = self.input_transform or scale_to_unit
        inputs = transform(as_tensor(images).to(self.device_))
        if self.layer is None:
            output = self.module_(inputs)
        else:
            seen: list[Any] = []
            # A layer that is run several times, or in place later on, counts as its first output.
            hook = self.module_.get_submodule(self.layer).register_forward_hook(
                lambda _module, _inputs, result: seen.append(result.clone() if isinstance(result, Tensor) else result)
            )
            try:
                self.module_(inputs)
            finally:
                hook.remove()
            if not seen:
                raise ValueError(f"the module does not run its layer {self.layer!r}")
            output = seen[0]
        if not isinstance(output, Tensor) or output.ndim < 1 or len(output) != len(images):
            what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"the output must be one tensor with a row for each of {len(images)} images, not {what}")
        return output.reshape(len(images), -1)


class TransformerFeatures(Extractor):
    """A scikit-learn transformer on flattened pixels scaled to 0..1: float32 (n, features).

    transformer : has `fit(X)` and `transform(X)`, X float32 (n, height * width * channels); it is cloned, then fitted.
    batch_size : images at a time in `transform`.
    """

    def __init__(self, transformer: Any, batch_size: int = 4096) -> None:
        self.transformer = transformer
        self.batch_size = batch_size

    def fit(self, images: Images, y: object = None) -> Self:
        """Fit a clone of the transformer, without labels, on `images`, uint8 (n, height, width, channels)."""
        check_positive(batch_size=self.batch_size)
        images = check_images(images)
        self.transformer_ = clone(self.transformer).fit(self._flat(images))
        features = self._transform_array(images[:1]).shape[1]
        return self._fitted(images, features, "float32")

    def _block_size(self) -> int:
        return self.batch_size

    def _transform_block(self, images: Images) -> Tensor:
        return torch.from_numpy(self._transform_array(images))

    def _transform_array(self, images: Images) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        result = self.transformer_.transform(self._flat(images))
        dense = result.toarray() if hasattr(result, "toarray") else result
        array: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.ascontiguousarray(dense, dtype=np.float32)
        if array.ndim != 2 or len(array) != len(images):
            raise ValueError(f"the transformer made {array.shape} of {len(images)} images, not one row for each")
        return array

    @staticmethod
    def _flat(images: Images) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def as_extractor(model: Any) -> Any:
    """An extractor made of `model`; what is one already stays as it is.

    model : an `Extractor`; a `torch.nn.Module`; a transformer of scikit-learn's, which gets flattened pixels; or an
    object of the user's with `fit(images)` and `transform(images)` on uint8 (n, height, width, channels).
    Raises ValueError, saying what is missing, for anything else.
    """
    if isinstance(model, type):
        raise ValueError(f"{model.__name__} is a class; pass an instance of it, {model.__name__}(...)")
    if isinstance(model, Extractor):
        return model
    if isinstance(model, nn.Module):
        return TorchModuleFeatures(model)
    missing = [name for name in ("fit", "transform") if not callable(getattr(model, name, None))]
    if missing:
        raise ValueError(
            f"{type(model).__name__} cannot extract features: it has no method {' and no '.join(missing)}; "
            "an extractor is a torch.nn.Module or has fit(images) and transform(images)"
        )
    takes_arrays = type(model).__module__.split(".")[0] == "sklearn"
    return TransformerFeatures(model) if takes_arrays else model
