"""Tensors in the `.safetensors` format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open

from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.raw import check_file, printable, reason_of

if TYPE_CHECKING:
    from torch import Tensor


def read_tensors(path: Path | str, remedy: str = "restore it from a copy") -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a file by name, on the CPU, and the text that its header holds beside them.

    remedy : ends messages. Raises `InputError`, naming the file, for one that is absent or damaged.
    """
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, str] = dict(file.metadata() or {})
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (not a mapping)
    except (KeyboardInterrupt, SystemExit):
        raise
    except MemoryError:
        raise InputError(f"there is not enough memory for {printable(path)}; close other programs") from None
    except BaseException as error:  # a panic of the library's Rust code is no Exception
        raise InputError(
            f"{printable(path)} is not a safetensors file, or damaged ({reason_of(error)}); {remedy}"
        ) from None
