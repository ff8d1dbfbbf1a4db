"""Models of torchvision and timm as extractors. Their weights must lie on this machine: nothing is downloaded."""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dcgan_features.data.utils.checks import check_counts
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.identity import known_as
from dcgan_features.features.discriminator.pooling import pool_to_grid
from dcgan_features.features.wrappers import TorchModuleFeatures

DEFAULT, UNTRAINED = "default", "untrained"


@dataclass(frozen=True)
class Source:
    """A model as it will be read, before it is built.

    name : its weights, as their publisher names them, or "untrained". file : where they lie; None if untrained.
    size, mean, sd, interpolation : the model's own input, (mean, sd) for channels in 0..1.
    """

    name: str
    file: Path | None
    size: int
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    interpolation: str


@known_as("features.pretrained.PretrainedFeatures")
class PretrainedFeatures(TorchModuleFeatures):
    """What torchvision's and timm's models share; use one of the subclasses. Nothing is trained.

    model : the library's name of it. weights : "default", the library's best; the name of others; or "untrained".
    layer : dotted name of the layer to read; None is the input of the last, classifying layer.
    grid : maps (n, maps, height, width) larger than that are max-pooled to grid x grid, as the DCGAN paper does.
    size : images are resized, whole, to size x size pixels; None is the model's own size.
    seed : of untrained weights. The other parameters are those of `TorchModuleFeatures`.

    Images are scaled to 0..1, resized with the model's own interpolation, then normalised with its own mean and
    standard deviation; grey ones are repeated to three channels.
    """

    library = ""

    def __init__(
        self,
        model: str,
        weights: str = DEFAULT,
        layer: str | None = None,
        grid: int = 4,
        size: int | None = None,
        seed: int = 0,
        batch_size: int = 64,
        device: str | torch.device | None = None,
        dtype: str = "float32",
    ) -> None:
        self.model = model
        self.weights = weights
        self.layer = layer
        self.grid = grid
        self.size = size
        self.seed = seed
        self.batch_size = batch_size
        self.device = device
        self.dtype = dtype

    def locate(self) -> Source:
        """The weights and the form of the input, without loading anything.

        Raises ValueError for an unknown model or unknown weights, InputError when weights are not on this machine.
        """
        raise NotImplementedError

    def fingerprint(self) -> dict[str, Any]:
        """What decides the features, for the feature store: parameters, with the weights in the place of their name."""
        source = self.locate()
        parameters: dict[str, Any] = self.get_params(deep=False)
        return {**parameters, "weights": source.file or UNTRAINED, "size": self.size or source.size}

    def _prepare(self) -> tuple[nn.Module, Callable[[Tensor], Tensor]]:
        check_counts(grid=self.grid, **({} if self.size is None else {"size": self.size}))
        source = self.locate()
        size = self.size or source.size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module = self._build(source)
        return module, functools.partial(_model_input, source=source, size=size)

    def _build(self, source: Source) -> nn.Module:
        """The module, without its classifying layer where no layer is named."""
        raise NotImplementedError

    def _flat(self, output: Tensor) -> Tensor:
        if output.ndim == 4 and min(output.shape[2:]) > self.grid:
            output = pool_to_grid(output, self.grid)
        return super()._flat(output)


def _model_input(images: Tensor, source: Source, size: int) -> Tensor:
    pixels = images.permute(0, 3, 1, 2).float().div_(255.0).expand(-1, 3, -1, -1)
    if pixels.shape[2:] != (size, size):
        pixels = functional.interpolate(pixels, (size, size), mode=source.interpolation, antialias=True)
        pixels = pixels.clamp(0.0, 1.0)  # bicubic interpolation overshoots
    mean, sd = (torch.tensor(values, device=pixels.device)[:, None, None] for values in (source.mean, source.sd))
    return (pixels - mean) / sd


@known_as("features.pretrained.TorchvisionFeatures")
class TorchvisionFeatures(PretrainedFeatures):
    """A classification model of torchvision; parameters as in `PretrainedFeatures`.

    weights : also the name of an entry of the model's weights, such as "IMAGENET1K_V1".
    """

    library = "torchvision"

    def locate(self) -> Source:
        """As `PretrainedFeatures.locate`; trained weights lie where `torch.hub` keeps what it downloads."""
        from torchvision import models

        names = models.list_models(module=models)
        if self.model not in names:
            raise ValueError(str(unknown_name("torchvision model", self.model, names)))
        entries = models.get_model_weights(self.model)
        named = {entry.name: entry for entry in entries}
        if self.weights not in (DEFAULT, UNTRAINED, *named):
            valid = [DEFAULT, UNTRAINED, *named]
            raise ValueError(str(unknown_name("weights", self.weights, valid, f"torchvision's {self.model}")))
        entry = named.get(self.weights, entries.DEFAULT)
        form = entry.transforms()
        file = None
        if self.weights != UNTRAINED:
            file = Path(torch.hub.get_dir()) / "checkpoints" / entry.url.rpartition("/")[2]
            _check_there(file, f"torchvision's {self.model}", f"download {entry.url} there")
            _check_digest(file)
        name = f"{type(entry).__name__}.{entry.name}" if file else UNTRAINED
        return Source(name, file, form.crop_size[0], tuple(form.mean), tuple(form.std), form.interpolation.value)

    def _build(self, source: Source) -> nn.Module:
        from torchvision import models

        if source.file is None:
            module: nn.Module = models.get_model(self.model, weights=None)
        else:
            with _no_pickled_code():
                module = models.get_model(self.model, weights=models.get_weight(source.name))
        if self.layer is None:
            layers = [name for name, layer in module.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)]
            module.set_submodule(layers[-1], nn.Identity())
        return module


@known_as("features.pretrained.TimmFeatures")
class TimmFeatures(PretrainedFeatures):
    """A model of timm, which must be installed; parameters as in `PretrainedFeatures`.

    model : may name its weights after a full stop, "resnet18.a1_in1k", as timm does.
    """

    library = "timm"

    def locate(self) -> Source:
        """As `PretrainedFeatures.locate`; trained weights are a safetensors file in Hugging Face's cache."""
        timm = _timm()
        name, _, tag = self.model.partition(".")
        if not timm.is_model(name):
            raise ValueError(str(unknown_name("timm model", name, timm.list_models())))
        if self.weights not in (DEFAULT, UNTRAINED):
            raise ValueError(str(unknown_name("weights", self.weights, [DEFAULT, UNTRAINED], f"timm's {self.model}")))
        tags = {full.partition(".")[2] for full in timm.list_pretrained(f"{name}.*") if "." in full}
        if tag and tag not in tags:
            raise ValueError(str(unknown_name("weights", tag, tags, f"timm's {name}")))
        form = timm.get_pretrained_cfg(self.model)
        file = None
        if self.weights != UNTRAINED:
            file = _in_hub_cache(self.model, form)
        if form is None:  # a model that was never trained
            return Source(UNTRAINED, file, 224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic")
        interpolation = form.interpolation if form.interpolation in ("bilinear", "bicubic") else "bicubic"
        named = f"{name}.{form.tag}" if file else UNTRAINED
        return Source(named, file, form.input_size[1], tuple(form.mean), tuple(form.std), interpolation)

    def _build(self, source: Source) -> nn.Module:
        timm = _timm()
        settings: dict[str, Any] = {} if self.layer is not None else {"num_classes": 0}
        if source.file is not None:
            settings.update(pretrained=True, pretrained_cfg_overlay={"file": str(source.file)})
        module: nn.Module = timm.create_model(self.model, **settings)
        return module


def _timm() -> Any:
    try:
        import timm
    except ImportError:
        raise InputError("timm is not installed; run 'pip install timm', or use a torchvision model") from None
    return timm


def _in_hub_cache(model: str, form: Any) -> Path:
    """The safetensors file of a timm model's weights; InputError where it is not on this machine."""
    from huggingface_hub import constants, try_to_load_from_cache

    if form is None or not form.has_weights:
        raise InputError(f"timm has no trained weights of {model}; give it weights={UNTRAINED}")
    if not form.hf_hub_id:
        raise InputError(f"timm's {model} has its weights elsewhere than Hugging Face's hub; choose another model")
    filename = "model.safetensors"
    found = try_to_load_from_cache(form.hf_hub_id, filename)
    cache = Path(constants.HF_HUB_CACHE) / f"models--{form.hf_hub_id.replace('/', '--')}"
    file = Path(found) if isinstance(found, str) else cache
    _check_there(file, f"timm's {model}", f"on a machine with a network run 'hf download {form.hf_hub_id} {filename}'")
    return file


def _check_there(file: Path, whose: str, remedy: str) -> None:
    if not file.is_file():
        raise InputError(
            f"the weights of {whose} are not on this machine ({file}) and nothing is downloaded here; {remedy}, "
            f"or give it weights={UNTRAINED}"
        )


def _check_digest(file: Path) -> None:
    """torch.hub's file names end in the first digits of the official SHA-256."""
    stated = re.search(r"-([0-9a-f]{8,})\.pth$", file.name)
    if stated is None or not sha256_file(file).startswith(stated[1]):
        raise InputError(f"{file} is not the official file, by its SHA-256; delete it and download it again")


@contextlib.contextmanager
def _no_pickled_code() -> Iterator[None]:
    """Have `torch.load` take tensors only, whatever its caller asked for."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
