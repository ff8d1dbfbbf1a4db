"""Trained networks on disk: weights as safetensors, and beside them a JSON that says where they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import atomic_path, sha256_file
from dcgan_features.data.utils.formats import read_tensors as read_safetensors
from dcgan_features.data.utils.formats import write_sealed
from dcgan_features.data.utils.raw import check_file
from dcgan_features.data.utils.versions import versions
from dcgan_features.gan.description import FORMAT, Description, read_description, weight_count
from dcgan_features.gan.networks import Discriminator, Generator
from dcgan_features.gan.spec import NetworkSpec

SHIPPED = Path(__file__).with_name("weights")  # found by name


@dataclass(frozen=True)
class LoadedNetworks:
    """Networks read from disk, on the CPU in float32 and evaluation mode.

    generator : None where it was not stored.
    metadata : what the JSON says, or where the arrays were found.
    """

    discriminator: Discriminator
    generator: Generator | None
    metadata: dict[str, Any]

    @property
    def spec(self) -> NetworkSpec:
        """The shape of the networks."""
        return self.discriminator.spec


def _files(path: Path | str) -> tuple[Path, Path]:
    """The safetensors and JSON files meant by a stem, or by either file."""
    stem = Path(path)
    if stem.suffix in (".safetensors", ".json"):
        stem = stem.with_suffix("")
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")


def find_weights(path: Path | str) -> Path:
    """Return the stem or file that is meant: `path` where there is one, else the shipped weights of that name.

    Raises `InputError` for neither, naming the nearest of those shipped where it can only be a name.
    """
    if any(file.is_file() for file in _files(path)):
        return Path(path)
    shipped = [file.stem for file in SHIPPED.glob("*.json")]
    if str(path) in shipped:
        return SHIPPED / str(path)
    if len(Path(path).parts) == 1 and not Path(path).suffix:
        raise unknown_name("weights", str(path), shipped, "this folder and among those shipped")
    raise InputError(f"{_files(path)[0]} does not exist; give the path of weights or a name of shipped ones")


def save_weights(
    path_stem: Path | str,
    discriminator: Discriminator,
    generator: Generator | None,
    metadata: dict[str, Any],
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write `<stem>.safetensors` and `<stem>.json`, each atomically; return the former's path.

    metadata : JSON-ready; the network's specification, versions and the weights' SHA-256 are added to it.
    dtype : in which kernels and matrices are stored; gains, shifts and statistics stay float32. The half-sized
        types keep a file small and are read back as float32.
    Raises `InputError` where the folder cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    parts: list[tuple[str, nn.Module]] = [("discriminator", discriminator)]
    if generator is not None:
        parts.append(("generator", generator))
    for part, module in parts:
        for name, tensor in module.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                tensors[f"{part}.{name}"] = tensor
    about = {"spec": discriminator.spec.to_dict(), "parts": [part for part, _ in parts], **metadata}
    return write_tensors(path_stem, tensors, about, dtype)


def write_tensors(path_stem: Path | str, tensors: dict[str, Tensor], about: dict[str, Any], dtype: torch.dtype) -> Path:
    """Write tensors of whatever network as `<stem>.safetensors`, and `<stem>.json`; return the former's path.

    about : JSON-ready; format, dtype, versions and the weights' SHA-256 are added to it.
    dtype : in which what has two axes or more is stored; all else is float32.
    """
    weights_path, json_path = _files(path_stem)
    stored = {
        name: tensor.detach().to("cpu", dtype if tensor.ndim > 1 else torch.float32).contiguous()
        for name, tensor in tensors.items()
    }
    with atomic_path(weights_path) as temporary:
        temporary.write_bytes(save(stored))  # not save_file, whose errors hide that the disk is full
        digest = sha256_file(temporary)
    kind = {"format": FORMAT, "dtype": str(dtype).removeprefix("torch.")}
    write_sealed(json_path, {**kind, **about, "versions": versions(), "sha256": digest})
    return weights_path


def load_weights(path: Path | str, expected_spec: NetworkSpec | None = None) -> LoadedNetworks:
    """Read what `save_weights` wrote; `path` is the stem or either file.

    expected_spec : refuse weights of any other network.
    Raises `InputError` when a file is missing or damaged, when the weights are not those the JSON describes, or
    when they belong to another network.
    """
    described: list[tuple[NetworkSpec, list[str]]] = []

    def check(about: Description, size: int) -> None:
        if about.spec is None or about.parts is None or "discriminator" not in about.parts:
            raise ValueError("it names no networks of a GAN")
        spec = about.spec.network()
        if expected_spec is not None and spec != expected_spec:
            raise InputError(
                f"{path} holds the network '{spec.name}', but '{expected_spec.name}' is needed; "
                "choose other weights or another network"
            )
        if weight_count(spec) > size:  # before any of it is given memory
            raise ValueError(f"its network '{spec.name}' has more weights than the file has bytes")
        described.append((spec, [*about.parts]))

    tensors, metadata, weights_path = read_tensors(path, check)
    spec, parts = described[0]
    discriminator = Discriminator(spec)
    generator = Generator(spec) if "generator" in parts else None
    modules: dict[str, nn.Module] = {"discriminator": discriminator}
    if generator is not None:
        modules["generator"] = generator
    fill(modules, tensors, weights_path)
    return LoadedNetworks(discriminator.eval(), generator.eval() if generator else None, metadata)


def read_tensors(
    path: Path | str, check: Callable[[Description, int], None]
) -> tuple[dict[str, Tensor], dict[str, Any], Path]:
    """What `write_tensors` wrote: tensors, what the JSON says, and the safetensors file; `path` is the stem or a file.

    check : looks into what the JSON says, and the size of the tensors' file in bytes, before the tensors are read; a
        ValueError of it means that the weights are something else.
    The tensors may be shared with other callers: copy what is to be changed.
    Raises `InputError` when a file is missing or damaged, or when the weights are not those the JSON describes.
    """
    weights_path, json_path = _files(path)
    for file in (weights_path, json_path):
        if not file.is_file():
            raise InputError(f"{file} does not exist; weights are a .safetensors and a .json file side by side")
    about, metadata = read_description(json_path)
    try:
        check(about, check_file(weights_path))
    except ValueError as error:
        raise InputError(f"{json_path} does not describe weights of this kind: {error}") from error
    found = weights_path.stat()
    stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
    return dict(_read_once(weights_path, json_path.name, about.sha256, stamp)), metadata, weights_path


# A network is asked for several times on end: to be checked, to be told from others, and to be used.
@lru_cache(maxsize=1)
def _read_once(path: Path, described_in: str, digest: str, stamp: tuple[int, ...]) -> dict[str, Tensor]:
    """The tensors of a file whose SHA-256 must be `digest`; `stamp` is another one once the file has changed."""
    if sha256_file(path) != digest:
        raise InputError(
            f"{path} is damaged or not the file that {described_in} describes (SHA-256 differs); "
            "restore both from a copy"
        )
    return read_safetensors(path)[0]


def fill(modules: dict[str, nn.Module], tensors: dict[str, Tensor], source: Path) -> None:
    """Copy tensors named `<part>.<name>` into modules named `<part>`, every one of them and nothing else.

    Raises `InputError` that names the first missing, superfluous or wrongly shaped tensor of `source`.
    """
    wanted = {
        f"{part}.{name}": tensor
        for part, module in modules.items()
        for name, tensor in module.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    odd = sorted(wanted.keys() ^ tensors.keys())
    if odd:
        state = "lacks" if odd[0] in wanted else "has, beyond the network's own,"
        raise InputError(f"{source} belongs to another network: it {state} the tensor '{odd[0]}'")
    with torch.no_grad():
        for name, target in wanted.items():
            if target.shape != tensors[name].shape:
                raise InputError(
                    f"{source} belongs to another network: the tensor '{name}' is {tuple(tensors[name].shape)} "
                    f"where {tuple(target.shape)} is needed"
                )
            target.copy_(tensors[name])
