"""What the JSON beside weights says, as a checked model: it decides what the tensors mean."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.formats import opened, read_json
from dcgan_features.data.utils.settings import first_mistake
from dcgan_features.gan.spec import SPECS, Convolution, NetworkSpec

FORMAT = 2  # 1 was the same without a seal
_UNSEALED = 1
_COPY = "restore it from a copy"

Positive = Annotated[int, Field(ge=1, le=100_000, strict=True)]
Number = Annotated[int, Field(ge=0, strict=True)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Layer(_Part):
    maps: Positive
    kernel: Positive
    stride: Annotated[int, Field(ge=1, le=64, strict=True)]


class Spec(_Part):
    """`NetworkSpec` as JSON has it."""

    name: str
    image_size: Positive
    channels: Positive
    latent_size: Positive
    latent: Literal["uniform", "normal"]
    discriminator: list[_Layer]
    generator_start: tuple[Positive, Positive, Positive]
    generator: list[_Layer]
    logit: Annotated[bool, Field(strict=True)] = True
    discriminator_normalisation: Literal["batch", "spectral", "none"] = "batch"
    generator_normalisation: Literal["batch", "none"] = "batch"
    generator_upsampling: Literal["transposed", "resize"] = "transposed"

    def network(self) -> NetworkSpec:
        """The specification. Raises ValueError where it is not that of the known network of its name."""
        fields = self.model_dump()
        for part in ("discriminator", "generator"):
            fields[part] = tuple(Convolution(**layer) for layer in fields[part])
        spec = NetworkSpec(**fields)
        known = _known(spec.name)
        if known is not None and spec != known:
            raise ValueError(f"its 'spec' is not that of the network '{spec.name}'")
        return spec


class _Trained(BaseModel):
    """What the network learnt from, without labels."""

    model_config = ConfigDict(extra="allow", frozen=True)
    description: str
    digest: str | None = None
    images: Number | None = None


class Description(BaseModel):
    """What is said of every kind of weights; beyond that, whatever its kind adds.

    sha256 : of the tensors' file. spec, parts : of a DCGAN. kind, network : of all others.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    format: Literal[1, 2]
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    sha256: Digest
    versions: dict[str, str] = {}
    spec: Spec | None = None
    parts: list[Literal["discriminator", "generator"]] | None = None
    kind: str | None = None
    network: str | None = None
    recipe: dict[str, Any] = {}
    data: _Trained | None = None
    images_seen: Number | None = None
    batches: Number | None = None
    samples_seen: Number | None = None


def read_description(path: Path) -> tuple[Description, dict[str, Any]]:
    """The model, and the same as plain data. Raises `InputError`, naming the file, for what is damaged or changed."""
    content = read_json(path, _COPY)
    if not isinstance(content, dict) or "format" not in content:
        raise InputError(f"{path} does not describe weights of this kind: it has no 'format'")
    if content["format"] not in (_UNSEALED, FORMAT) or isinstance(content["format"], bool):
        raise InputError(f"{path} is of format {content['format']}, this version reads format {FORMAT}")
    sealed = content["format"] == FORMAT
    if not sealed and "seal" in content:
        raise InputError(f"{path} was changed since it was written: its format has no seal; {_COPY}")
    content = opened(content, path, required=sealed)
    try:
        return Description.model_validate(content), content
    except ValidationError as error:
        raise InputError(f"{path} does not describe weights of this kind ({first_mistake(error)}); {_COPY}") from None


def images_seen(path: Path) -> int:
    """How many images the weights beside a JSON, or of a safetensors file, have seen in training; errors as above."""
    seen = read_description(path.with_suffix(".json"))[0].images_seen
    if seen is None:
        raise InputError(f"{path} does not say how many images it has seen; give the weights of a training run")
    return seen


def _known(name: str) -> NetworkSpec | None:
    part = re.fullmatch(r"(.+)-first-(\d{1,3})", name)
    if part is not None and part[1] in SPECS:
        return SPECS[part[1]].truncated(int(part[2]))
    return SPECS.get(name)


def weight_count(spec: NetworkSpec) -> int:
    """About how many weights the convolutions of a discriminator have: a bound from below."""
    count, before = 0, spec.channels
    for layer in spec.discriminator:
        count, before = count + before * layer.maps * layer.kernel**2, layer.maps
    return count
