"""Other people's models as extractors: any `torch.nn.Module` and any scikit-learn transformer."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import clone
from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from dcgan_features.data.utils.checks import check_choice, check_counts
from dcgan_features.data.utils.devices import choose_device
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.base import DTYPES, Extractor, Images, check_images

_FEW = 20  # names that a message lists


def scale_to_unit(images: Tensor) -> Tensor:
    """What modules get unless told otherwise: 0..1, float32 (n, channels, height, width), from 0..255 channels-last."""
    return images.permute(0, 3, 1, 2).float().div_(255.0)


@known_as("features.adapter.TorchModuleFeatures")
class TorchModuleFeatures(Extractor):
    """The output of a module, or of one layer inside it, flattened: (n, features). Nothing is trained.

    Weights that a module computes anew at every call (weight and spectral normalisation, of either of PyTorch's
    kinds) are computed once, when it is fitted.

    Parameters
    ----------
    module : torch.nn.Module
        Any `torch.nn.Module` that takes a batch of images; it is copied and run in evaluation mode.
    layer : str or None, default None
        The dotted name, as in `module.named_modules()`, of the layer whose output is wanted; None is the module's.
    input_transform : callable or None, default None
        From uint8 (n, height, width, channels) to the module's input; None is `scale_to_unit`.
    batch_size : int, default 128
        Images at a time.
    device : str, torch.device or None, default None
        None is the GPU where there is one, else the CPU.
    dtype : str, default "float32"
        "float32" or "bfloat16", of the features; the module computes in its own type, to which its input is converted:
        float32, float64, bfloat16 or float16. Complex numbers are refused.

    Attributes
    ----------
    module_ : torch.nn.Module
        The copy, on its device, in evaluation mode.
    input_dtype_ : torch.dtype
        In which it computes.

    Examples
    --------
    >>> import numpy as np
    >>> from dcgan_features.features import TorchModuleFeatures
    >>> images = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    >>> from torch import nn
    >>> module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Flatten())
    >>> TorchModuleFeatures(module, layer="0").fit_transform(images).shape  # 5 maps of 6 x 6
    (4, 180)
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
        check_counts(batch_size=self.batch_size)
        images = check_images(images)
        self.device_ = choose_device(self.device)
        module, self.input_transform_ = self._prepare()
        if self.layer is not None:
            _check_layer(module, self.layer)
        self.module_ = _with_fixed_weights(module.eval()).to(self.device_)
        self.input_dtype_ = _dtype_of(module)
        with torch.inference_mode():
            return self._fitted(images, self._outputs(images[:1]).shape[1], self.dtype)

    def _prepare(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        """A module of this estimator's own, and what makes its input of uint8 images."""
        if not isinstance(self.module, nn.Module):
            raise ValueError(f"module must be a torch.nn.Module, not {type(self.module).__name__}")
        return _copied(self.module), self.input_transform or scale_to_unit

    def _flat(self, output: Tensor) -> Tensor:
        return output.reshape(len(output), -1)

    def _block_size(self) -> int:
        return self.batch_size

    def _transform_block(self, images: Images) -> Tensor:
        return self._outputs(images).to(self.feature_dtype_).cpu()

    def _outputs(self, images: Images) -> Tensor:
        # A copy: an `input_transform`, or the module, may work in place.
        inputs = self.input_transform_(torch.from_numpy(np.array(images, order="C")).to(self.device_))
        if isinstance(inputs, Tensor) and inputs.is_floating_point():
            inputs = inputs.to(self.input_dtype_)
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
        if output.is_complex():
            raise ValueError("the output is complex; features are real numbers: take its magnitude, or its two parts")
        return self._flat(output)


def _dtype_of(module: nn.Module) -> torch.dtype:
    """The type that a module computes in: that of its first real parameter, else float32."""
    types = [parameter.dtype for parameter in module.parameters()]
    if any(dtype.is_complex for dtype in types):
        raise ValueError("the module has complex parameters; features are real numbers, so give one with real ones")
    return next((dtype for dtype in types if dtype.is_floating_point), torch.float32)


def _copied(module: nn.Module) -> nn.Module:
    """A copy of a module, whose weights may have been computed from others in a call that remembers how."""
    computed = [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    return copy.deepcopy(module, {id(value): value.detach().clone() for value in computed if not value.is_leaf})


@torch.no_grad()
def _with_fixed_weights(module: nn.Module) -> nn.Module:
    """The module, in evaluation mode, with normalised weights as they are in place of the rule that makes them."""
    for part in module.modules():
        for hook in list(part._forward_pre_hooks.values()):
            if isinstance(hook, WeightNorm):
                remove_weight_norm(part, hook.name)
            elif isinstance(hook, SpectralNorm):
                remove_spectral_norm(part, hook.name)
        if parametrize.is_parametrized(part):
            # Not `remove_parametrizations`: it changes the class, which a copy shares with the user's module.
            weights = {name: getattr(part, name) for name in part.parametrizations}  # type: ignore[union-attr]
            kind = parametrize.type_before_parametrizations(part)
            del part.parametrizations
            part.__class__ = kind
            part._load_state_dict_pre_hooks.clear()  # of the rule; one cannot be pickled
            for name, weight in weights.items():
                part.register_parameter(name, nn.Parameter(weight, requires_grad=False))
    return module


def _check_layer(module: nn.Module, layer: str) -> None:
    names = [name for name, _ in module.named_modules() if name]
    if layer not in names:
        close = difflib.get_close_matches(layer, names, n=1, cutoff=0.0)
        some = f"it has {', '.join(names)}" if len(names) <= _FEW else f"did you mean {close[0]!r}?"
        raise ValueError(f"the module has no layer {layer!r}; {some}")


@known_as("features.adapter.TransformerFeatures")
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
        check_counts(batch_size=self.batch_size)
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
        dense = _plain(result.toarray() if hasattr(result, "toarray") else result, "the transformer")
        array: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.ascontiguousarray(dense, dtype=np.float32)
        if array.ndim != 2 or len(array) != len(images):
            raise ValueError(f"the transformer made {array.shape} of {len(images)} images, not one row for each")
        return array

    @staticmethod
    def _flat(images: Images) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return images.reshape(len(images), -1).astype(np.float32) / np.float32(255)


def _plain(made: Any, maker: str) -> Any:
    """What was made, unless something of it would be lost: ValueError for masked arrays and imaginary parts."""
    if np.ma.isMaskedArray(made):
        raise ValueError(f"{maker} made a masked array, whose mask no feature can hold; fill it first")
    if np.iscomplexobj(made):
        raise ValueError(f"{maker} made complex numbers, whose imaginary part no feature can hold; return real numbers")
    return made


def as_rows(made: Any, n: int, maker: Any) -> Tensor:
    """What other people's `transform` made of n images, as a tensor (n, features) on the CPU, bfloat16 or float32.

    made : an array, a sparse matrix or a tensor. Raises ValueError for anything else than (n, features), n >= 1.
    """
    name = f"{type(maker).__name__}.transform"
    if hasattr(made, "toarray"):
        made = made.toarray()
    if not isinstance(made, Tensor):
        array = np.asarray(_plain(made, name))
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name} made {array.dtype} of shape {array.shape}; it must return numbers (n, features)")
        made = torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))
    if made.is_complex():
        raise ValueError(f"{name} made {made.dtype}, whose imaginary part no feature can hold; return real numbers")
    if made.ndim != 2 or len(made) != n or made.shape[1] == 0:
        raise ValueError(
            f"{name} made an array of shape {tuple(made.shape)} of {n} images; it must be ({n}, features), "
            "one row an image"
        )
    rows: Tensor = made.detach().cpu()
    return rows if rows.dtype == torch.bfloat16 else rows.to(torch.float32)


def as_extractor(model: Any) -> Any:
    """An extractor made of `model`; what is one already stays as it is.

    model : an `Extractor`; a `torch.nn.Module`; a transformer of scikit-learn's, which gets flattened pixels; or an
    object of the user's with `transform(images)`, and `fit(images)` where it learns, on uint8 (n, height, width,
    channels); the feature store takes one without `fit` as fitted. Raises ValueError for anything else.
    """
    if isinstance(model, type):
        raise ValueError(f"{model.__name__} is a class; pass an instance of it, {model.__name__}(...)")
    if isinstance(model, Extractor):
        return model
    if isinstance(model, nn.Module):
        return TorchModuleFeatures(model)
    if not callable(getattr(model, "transform", None)):
        raise ValueError(
            f"{type(model).__name__} cannot extract features: it has no method transform; "
            "an extractor is a torch.nn.Module or has transform(images), and fit(images) where it learns"
        )
    takes_arrays = type(model).__module__.split(".")[0] == "sklearn"
    return TransformerFeatures(model) if takes_arrays else model
