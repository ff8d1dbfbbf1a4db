"""From a table's words to objects: the class that is meant, its settings checked, then an instance."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from benchmarks.table import Component
from data.errors import InputError, unknown_name


def find_class(component: Component, package: str, where: str) -> type:
    """The class that `component` names: one of `package`, or any "package.module:Class".

    Raises `InputError` for an unknown class, and for settings that its constructor does not take.
    """
    if ":" in component.name:
        kind = _foreign(component.name, where)
    else:
        module = importlib.import_module(package)
        classes = {name: getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
        if component.name not in classes:
            raise unknown_name("class", component.name, [*classes, "package.module:Class"], where)
        kind = classes[component.name]
    accepted = parameters(kind)
    for name in component.settings:
        if name not in accepted and not _takes_any(kind):
            raise unknown_name("setting", name, accepted, f"{where}, {component.name}")
    return kind


def _foreign(name: str, where: str) -> type:
    module_name, _, attribute = name.partition(":")
    try:
        kind: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            kind = getattr(kind, part)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"{where}: cannot import {module_name} ({error}); run from its folder or install it"
        ) from error
    except AttributeError:
        raise InputError(f"{where}: the module {module_name} has no class {attribute}; check the spelling") from None
    if not inspect.isclass(kind):
        raise InputError(f"{where}: {name} is not a class; name one")
    return kind


def parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The constructor's named parameters."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: item for name, item in inspect.signature(kind).parameters.items() if item.kind in named}


def _takes_any(kind: type) -> bool:
    return any(item.kind is inspect.Parameter.VAR_KEYWORD for item in inspect.signature(kind).parameters.values())


def build(component: Component, package: str, where: str, offered: dict[str, Any]) -> Any:
    """An instance with the component's settings and, of what is `offered`, that which its constructor takes.

    Settings of the table win over offers. Raises `InputError` for settings that are unknown or lacking.
    """
    kind = find_class(component, package, where)
    accepted = parameters(kind)
    settings = {**{name: value for name, value in offered.items() if name in accepted}, **component.settings}
    for name, parameter in accepted.items():
        if parameter.default is inspect.Parameter.empty and name not in settings:
            remedy = "give 'weights' to the row" if name == "discriminator" else "add it to the table"
            raise InputError(f"{where}: {component.name} needs the setting '{name}'; {remedy}")
    try:
        return kind(**settings)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {component.name} cannot be made: {error}") from error
