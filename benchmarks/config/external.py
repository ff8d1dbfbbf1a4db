"""What stands for a class in tables and commands: other people's classes, by module or file, and known models.

    package.module:Class    ./mine.py:Class    torchvision:resnet50    timm:resnet18    file:features.npz

`@layer` after a torch module or a model names the layer to read.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib
import importlib.util
import inspect
import io
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.data.utils.errors import InputError
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.foreign import place_of
from dcgan_features.data.utils.formats import parse_yaml
from dcgan_features.data.utils.raw import printable, reason_of
from dcgan_features.features import TimmFeatures, TorchModuleFeatures, TorchvisionFeatures
from dcgan_features.features.precomputed import StoredFeatures

_MODELS = {"torchvision": TorchvisionFeatures, "timm": TimmFeatures}
_FILE = "file"
_SEED = 0  # of the weights that a module draws when it is made


@dataclass(frozen=True)
class External:
    """kind : the class. implied : settings that the name holds. layer : of a torch module, to be read."""

    kind: type
    implied: dict[str, Any] = field(default_factory=dict)
    layer: str | None = None

    def make(self, settings: dict[str, Any], device: str | None) -> Any:
        """An instance; a torch module becomes an extractor, with its own `input_transform` where it has one."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            made = self.kind(**settings, **self.implied)
        if not isinstance(made, nn.Module):
            return made
        return TorchModuleFeatures(made, self.layer, getattr(made, "input_transform", None), device=device)


def read_specification(text: str) -> Component:
    """A specification, `NAME,setting=value,setting=value`, as a table would have it; values are read as YAML.

    Raises `InputError` for a setting without a value, a value that is not YAML, and one given twice.
    """
    name, *parts = re.split(r",(?=\s*[A-Za-z_]\w*\s*=)", text.strip())
    settings: dict[str, Any] = {}
    shown = printable(text)
    for part in parts:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key in settings:
            raise InputError(f"{shown}: the setting '{key}' is given twice; remove one of them")
        try:
            settings[key] = parse_yaml(value)
        except ValueError:
            raise InputError(f"{shown}: the value {value!r} of '{key}' cannot be read; write it as in YAML") from None
        if value == "":
            raise InputError(f"{shown}: '{key}' has no value; write {key}=...")
    return Component(name=name.strip(), settings=settings)


def is_external(name: str) -> bool:
    """Whether a name stands for something from elsewhere, not for one of this project's classes or rows."""
    return ":" in name


def find_external(name: str, where: str) -> External:
    """The class that `name` stands for, see above; `where` begins messages.

    Raises `InputError` when there is no such module, file or class, and for a layer of what has none.
    """
    scheme, _, rest = name.partition(":")
    if scheme == _FILE:
        return External(StoredFeatures, {"path": rest})
    if scheme in _MODELS:
        model, _, layer = rest.partition("@")
        return External(_MODELS[scheme], {"model": model, **({"layer": layer} if layer else {})})
    kind, is_class = external_object(name, where)
    attribute, _, layer = name.rpartition(":")[2].partition("@")
    if not is_class:
        raise InputError(f"{where}: {attribute} is not a class but a {type(kind).__name__}; name a class")
    if layer and not issubclass(kind, nn.Module):
        raise InputError(f"{where}: @{layer} names a layer, but {attribute} is not a torch.nn.Module; remove it")
    return External(kind, layer=layer or None)


def external_object(name: str, where: str) -> tuple[Any, bool]:
    """What `package.module:thing` or `path.py:thing` names, and whether it is a class, which `bring` takes too.

    Raises `InputError` as `bring` does.
    """
    place, _, rest = name.rpartition(":")
    attribute = rest.partition("@")[0]
    if not place or not attribute:
        raise InputError(f"{where}: '{name}' names no class; write package.module:Class or path/to/file.py:Class")
    module = _from_file(Path(place), where) if place.endswith(".py") else _from_path(place, where)
    found = _member(module, attribute, where)
    return found, inspect.isclass(found)


def _from_path(name: str, where: str) -> ModuleType:
    try:
        with _as_imported(name, where):
            return importlib.import_module(name)
    except InputError:
        raise
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name)
        remedy = "run from its folder or install it, or name its file: path/to/file.py:Class" if missing else "mend it"
        raise InputError(f"{where}: cannot import {name} ({_reason(error)}); {remedy}") from error


def _from_file(path: Path, where: str) -> ModuleType:
    full = home_path(path, "give the path in full").resolve()
    if not full.is_file():
        raise InputError(f"{where}: {path} does not exist; check the path")
    # Of its own for every file, so that one named data.py does not take the place of a package, and for every version
    # of it, so that a process that lives on takes what was edited.
    name = f"{full.stem}_{hashlib.sha256(str(full).encode() + full.read_bytes()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    found = importlib.util.spec_from_file_location(name, full)
    assert found is not None
    assert found.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(found)
    if str(full.parent) not in sys.path:
        sys.path.append(str(full.parent))  # for what it imports from beside it
    try:
        with _as_imported(str(path), where):
            found.loader.exec_module(module)
    except BaseException as error:
        sys.modules.pop(name, None)
        if isinstance(error, InputError) or not isinstance(error, Exception):
            raise
        raise InputError(f"{where}: cannot import {path} ({_reason(error)}); mend it") from error
    return module


@contextlib.contextmanager
def _as_imported(name: str, where: str) -> Iterator[None]:
    """While other people's code is imported: our command line is none of its business, nor is it to end the command.

    What it writes to stderr is passed on, unless it ends the program: then that is a usage of its own, or the like.
    """
    said, arguments = io.StringIO(), sys.argv
    sys.argv = [name]
    ended = False
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as error:
        ended = True
        raise InputError(
            f"{where}: importing {name} ends the program ({place_of(error) or 'sys.exit'}: {reason_of(error)}); put "
            "what is not to run on import below if __name__ == '__main__'"
        ) from error
    finally:
        sys.argv = arguments
        if not ended and said.getvalue():
            sys.stderr.write(said.getvalue())


def _reason(error: Exception) -> str:
    """The error in a few words, and in which line it arose."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}, line {error.lineno}"
    text = " ".join(str(error).split())
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = "" if isinstance(error, ModuleNotFoundError) else f", {Path(last.filename).name} line {last.lineno}"
    return f"{type(error).__name__}: {text}{place}"


def _member(module: ModuleType, attribute: str, where: str) -> Any:
    shown = getattr(module, "__file__", None) or module.__name__
    kind: Any = module
    for part in attribute.split("."):
        if not hasattr(kind, part):
            classes = [name for name, value in vars(module).items() if inspect.isclass(value)]
            close = difflib.get_close_matches(attribute, classes, n=1, cutoff=0.0)
            hint = f"did you mean '{close[0]}'?" if close else "it has none"
            raise InputError(f"{where}: {Path(shown).name} has no class {attribute}; {hint}")
        kind = getattr(kind, part)
    return kind
