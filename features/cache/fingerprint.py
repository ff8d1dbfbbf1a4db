"""What an extractor's features depend on, written out so that two extractors compare by content, not by name."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sysconfig
import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from torch import nn

from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.hashing import digest_array
from dcgan_features.data.utils.identity import is_ours, name_of
from dcgan_features.features.base import Extractor

# Raise it with every change after which some extractor of this package gives other features under the same settings, a
# changed default included, unless the rows that use it change as well.
CODE_VERSION = 2
_OWN_PACKAGES = ("features", "gan")  # what they compute, `CODE_VERSION` stands for


def describe(value: Any) -> Any:
    """`value` as JSON-ready data that differs whenever the features made with it could.

    Arrays, tensors, weights and files stand as digests of their contents, functions and classes by name and code. An
    object may have a method `fingerprint()` that returns what to describe in its place; other objects are described by
    class and attributes. Raises ValueError for what cannot be described, such as a generator of random numbers.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, np.generic):
        return describe(value.item())
    if isinstance(value, torch.dtype | torch.device | np.dtype):
        return str(value)
    if isinstance(value, np.ndarray):
        return {"array": digest_array(value)}
    if isinstance(value, torch.Tensor):
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        return {"tensor": digest_array(flat.numpy()), "shape": list(value.shape), "dtype": str(value.dtype)}
    if isinstance(value, Path):
        return {"file": sha256_file(value)} if value.is_file() else {"path": str(value)}
    if isinstance(value, list | tuple):
        return [describe(item) for item in value]
    if isinstance(value, dict):
        return {"dict": sorted(([describe(key), describe(item)] for key, item in value.items()), key=repr)}
    if isinstance(value, set | frozenset):
        return {"set": sorted(map(describe, value), key=repr)}
    return _describe_code(value) if callable(value) and _is_code(value) else _describe_object(value)


def _is_code(value: Any) -> bool:
    return isinstance(
        value, type | types.FunctionType | types.MethodType | types.BuiltinFunctionType | functools.partial
    )


def _describe_code(value: Any) -> Any:
    if isinstance(value, functools.partial):
        return {"partial": [describe(value.func), describe(value.args), describe(value.keywords)]}
    if isinstance(value, types.MethodType):
        return {"method": [describe(value.__func__), describe(value.__self__)]}
    name = f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, type):
        return _describe_class(value)
    if isinstance(value, types.BuiltinFunctionType):
        return {"function": name}
    closure = [describe(cell.cell_contents) for cell in value.__closure__ or ()]
    return {
        "function": name,
        "code": _code(value.__code__),
        "closure": closure,
        "defaults": describe(value.__defaults__),
    }


def _describe_class(kind: type) -> Any:
    name = name_of(kind)
    if is_ours(kind) and name.split(".")[0] in _OWN_PACKAGES:
        return {"class": name, "version": CODE_VERSION}
    members = [getattr(member, "__func__", member) for ancestor in kind.__mro__ for member in vars(ancestor).values()]
    codes = [_code(member.__code__) for member in members if isinstance(member, types.FunctionType)]
    described = {"class": name, "code": hashlib.sha256("".join(codes).encode()).hexdigest()}
    source = source_digest(kind)
    return described if source is None else {**described, "class": kind.__qualname__, "source": source}


def source_digest(kind: type) -> str | None:
    """SHA-256 of the Python files that decide what a class of the user's does; None for one of no file, or installed.

    They are all files of the package that the class is in; or else its file, and those beside it that it imports. Each
    call reads them anew, since they may be edited while a process runs.
    """
    try:
        file = Path(inspect.getfile(kind)).resolve()
    except (OSError, TypeError):
        return None
    if any(file.is_relative_to(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "purelib", "platlib")):
        return None
    root, files = file.parent, [file]
    if (root / "__init__.py").exists():
        while (root.parent / "__init__.py").exists():
            root = root.parent
        files = list(root.rglob("*.py"))
    else:
        for known in files:  # grows meanwhile
            files += [found for found in _imported_beside(known) if found not in files]
    parts = sorted((str(path.relative_to(root)), sha256_file(path)) for path in files)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _imported_beside(file: Path) -> list[Path]:
    """The files in the folder of `file` that it imports; those of a package are all of them."""
    names = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    found = []
    for name in sorted(names):
        beside = file.parent / name
        found += [path for path in [beside.with_suffix(".py")] if path.is_file()]
        found += sorted(beside.rglob("*.py")) if beside.is_dir() else []
    return found


def _code(code: types.CodeType) -> str:
    constants = [_constant(item) for item in code.co_consts]
    return hashlib.sha256(code.co_code + repr((constants, code.co_names)).encode()).hexdigest()


def _constant(item: Any) -> str:
    if isinstance(item, types.CodeType):
        return _code(item)
    # A set is written in another order by every process.
    return repr(sorted(map(repr, item))) if isinstance(item, frozenset) else repr(item)


def _describe_object(value: Any) -> Any:
    described: dict[str, Any] = {"type": _describe_class(type(value))}
    if isinstance(value, Extractor):
        parameters = value.fingerprint() if hasattr(value, "fingerprint") else value.get_params(deep=False)
        ignored = {*value.speed_only, *(name for name, item in value.later.items() if parameters.get(name) == item)}
        described["parameters"] = {name: describe(item) for name, item in parameters.items() if name not in ignored}
    elif hasattr(value, "fingerprint"):
        described["fingerprint"] = describe(value.fingerprint())
    elif isinstance(value, nn.Module):
        described["state"] = {name: describe(tensor) for name, tensor in value.state_dict().items()}
        described["layers"] = {name: _describe_layer(layer) for name, layer in value.named_modules()}
    elif isinstance(value, BaseEstimator):
        described["parameters"] = {name: describe(item) for name, item in value.get_params(deep=False).items()}
    elif is_dataclass(value):
        described["fields"] = {field.name: describe(getattr(value, field.name)) for field in fields(value)}
    elif type(value).__module__.split(".")[0] not in ("numpy", "torch", "builtins") and hasattr(value, "__dict__"):
        described["attributes"] = {name: _describe_attribute(value, name) for name in vars(value)}
    else:
        raise ValueError(
            f"a {type(value).__qualname__} cannot be told apart from others by its contents; "
            "give the object that holds it a method fingerprint() that returns plain values"
        )
    return described


def _describe_attribute(owner: Any, name: str) -> Any:
    try:
        return describe(vars(owner)[name])
    except ValueError as error:
        raise ValueError(f"{type(owner).__name__}.{name}: {error}") from None


def _describe_layer(layer: nn.Module) -> Any:
    """A layer's class and settings, such as a stride; its weights are in the state of the whole."""
    settings = {
        name: describe(value)
        for name, value in vars(layer).items()
        if name != "training" and isinstance(value, bool | int | float | str | tuple)
    }
    return {"type": _describe_class(type(layer)), "settings": settings, "shown": layer.extra_repr()}
