"""The parameters that the paper's authors released, as networks of this project.

Their code dumped each parameter list into a `.jl` pickle and one `.npy` file an array, numbered by position. Only
the arrays are read, never a pickle.
"""

from __future__ import annotations

import hashlib
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.formats import read_array
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.spec import SPECS, NetworkSpec
from dcgan_features.gan.weights_file import LoadedNetworks, save_weights

_FILE = re.compile(r"(?P<epoch>\d+)_(?P<part>discrim|gen)_params\.jl_(?P<position>\d+)\.npy")

Arrays = dict[int, NDArray[np.float32]]


def load_theano(folder: Path | str, network: str | None = None) -> LoadedNetworks:
    """Networks from a folder of the authors' arrays, or from a clone of their repository that holds such folders.

    network : name in `gan.SPECS`; None recognises it by the arrays' shapes.
    Where arrays are missing the discriminator has the leading layers that are complete, and no logit (its `spec`
    says how many layers; a warning is logged); the generator is None unless it is complete. Batch statistics are
    not among the arrays: call `reestimate_batch_statistics` before using the discriminator for inference.
    Kernels are reversed along both axes: Theano's convolution is a true one, torch's a correlation.

    Raises `InputError` when there are no such arrays, when they fit no network or not the named one, or when not
    even the first layer is there.
    """
    if network is not None and network not in SPECS:
        raise unknown_name("network", network, SPECS)
    candidates = [SPECS[network]] if network else list(SPECS.values())
    chosen = [
        (place, spec, arrays)
        for place, arrays in _find(Path(folder))
        for spec in candidates
        if _fits(spec, arrays.get("discrim", {}))
    ]
    if not chosen:
        raise InputError(f"the arrays in {folder} fit no network of: {', '.join(spec.name for spec in candidates)}")
    if len(chosen) > 1:
        found = ", ".join(f"{spec.name} in {place}" for place, spec, _ in chosen)
        raise InputError(f"{folder} holds several networks ({found}); name the folder of one")
    place, spec, arrays = chosen[0]
    discriminator = _discriminator(spec, arrays["discrim"], place)
    generator = _generator(spec, arrays.get("gen", {}), place)
    metadata = {
        "source": "the authors' released parameters",
        "folder": place.name,
        "network": spec.name,
        "layers": len(discriminator.convolutions),
        "complete": discriminator.logit is not None,
        "batch_statistics": "not estimated yet",
        "sha256_arrays": _digest(arrays),
    }
    return LoadedNetworks(discriminator.eval(), generator.eval() if generator else None, metadata)


def convert_theano(folder: Path | str, stem: Path | str, about: dict[str, Any], network: str | None = None) -> Path:
    """Write the discriminator of a folder of the authors' arrays as `<stem>.safetensors` and `.json`.

    Returns the former's path.

    about : JSON-ready, joins what the JSON says: licence, and `data` with the `description` of what it was trained on.
    The rest is as in `load_theano`. Stored in float32, so that no bit is lost; batch statistics are left out, as the
    arrays have none: `features.DiscriminatorFeatures` estimates them on the images that it is fitted to.
    """
    loaded = load_theano(folder, network)
    return save_weights(stem, loaded.discriminator, None, {**loaded.metadata, **about})


def _find(folder: Path) -> list[tuple[Path, dict[str, Arrays]]]:
    """Every folder of arrays at or below `folder`: by part, by position, of the latest epoch there."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is not a folder; name one that holds the authors' arrays (*_discrim_params.jl_01.npy)"
        )
    found = []
    for place in (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("models/*/"))):
        matches = [(match, file) for file in place.glob("*.npy") if (match := _FILE.fullmatch(file.name))]
        if not matches:
            continue
        latest = max(int(match["epoch"]) for match, _ in matches)
        parts: dict[str, Arrays] = {}
        for match, file in matches:
            if int(match["epoch"]) == latest:
                parts.setdefault(match["part"], {})[int(match["position"])] = _read(file)
        found.append((place, parts))
    if not found:
        raise InputError(f"{folder} holds none of the authors' arrays (files like 200_discrim_params.jl_01.npy)")
    return found


def _read(file: Path) -> NDArray[np.float32]:
    array = read_array(file, "fetch it again")
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise InputError(f"{file} does not hold finite floating-point numbers; fetch it again")
    return np.asarray(array, np.float32)


def _digest(arrays: dict[str, Arrays]) -> str:
    digest = hashlib.sha256()
    for part, positions in sorted(arrays.items()):
        for position, array in sorted(positions.items()):
            digest.update(f"{part} {position} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _discriminator_names(spec: NetworkSpec) -> list[list[str]]:
    """Tensor names of each layer in the order of the authors' list; the last entry is the logit's."""
    layers = [["convolutions.0.weight"]]
    for index in range(1, len(spec.discriminator)):
        normalisation = f"normalisations.{index}"
        layers.append([f"convolutions.{index}.weight", f"{normalisation}.weight", f"{normalisation}.bias"])
    return [*layers, ["logit.weight"]]


def _generator_names(spec: NetworkSpec) -> list[str]:
    names = ["projection.weight", "projection_normalisation.weight", "projection_normalisation.bias"]
    for index in range(len(spec.generator)):
        normalisation = f"normalisations.{index}"
        names += [f"convolutions.{index}.weight", f"{normalisation}.weight", f"{normalisation}.bias"]
    return names[:-2]


def _converted(array: NDArray[np.float32]) -> torch.Tensor:
    """A parameter in torch's convention: kernels reversed, matrices transposed."""
    if array.ndim == 4:
        array = array[:, :, ::-1, ::-1]
    elif array.ndim == 2:
        array = array.T
    return torch.from_numpy(array.copy())


def _fits(spec: NetworkSpec, arrays: Arrays) -> bool:
    shapes = {name: tensor.shape for name, tensor in Discriminator(spec).state_dict().items()}
    names = [name for layer in _discriminator_names(spec) for name in layer]
    return (
        bool(arrays)
        and spec.discriminator_normalisation == "batch"
        and all(
            position <= len(names) and _converted(array).shape == shapes[names[position - 1]]
            for position, array in arrays.items()
        )
    )


def _discriminator(spec: NetworkSpec, arrays: Arrays, place: Path) -> Discriminator:
    tensors: dict[str, Any] = {}
    position, complete = 0, 0
    layers = _discriminator_names(spec)
    for names in layers:
        positions = range(position + 1, position + 1 + len(names))
        if not all(number in arrays for number in positions):
            break
        tensors |= {name: _converted(arrays[number]) for name, number in zip(names, positions, strict=True)}
        position += len(names)
        complete += 1
    if complete == 0:
        raise InputError(f"{place} lacks the array of the discriminator's first layer (…_discrim_params.jl_01.npy)")
    if complete < len(layers):
        logging.getLogger(__name__).warning(
            "%s: only the first %d of the %d layers of %s are complete", place, complete, len(layers) - 1, spec.name
        )
        spec = spec.truncated(complete)
    discriminator = Discriminator(spec)
    _fill(discriminator, tensors)
    return discriminator


def _generator(spec: NetworkSpec, arrays: Arrays, place: Path) -> Generator | None:
    names = _generator_names(spec)
    if any(position + 1 not in arrays for position in range(len(names))):
        return None
    generator = Generator(spec)
    shapes = {name: tensor.shape for name, tensor in generator.state_dict().items()}
    tensors = {name: _converted(arrays[index + 1]) for index, name in enumerate(names)}
    for name, tensor in tensors.items():
        if tensor.shape != shapes[name]:
            raise InputError(f"{place}: the generator's {name} is {tuple(tensor.shape)}, not {tuple(shapes[name])}")
    _fill(generator, tensors)
    return generator


def _fill(network: Discriminator | Generator, tensors: dict[str, torch.Tensor]) -> None:
    """Copy every parameter; the batch statistics keep their initial 0 and 1."""
    assert {name for name, _ in network.named_parameters()} == tensors.keys()
    network.load_state_dict(tensors, strict=False)
