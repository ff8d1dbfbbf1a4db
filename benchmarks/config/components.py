"""From a table's words to objects: the class that is meant, its settings checked, then an instance."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Container
from typing import Any

from dcgan_features.benchmarks.config.external import Brought, bring, is_brought
from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.identity import PACKAGE

OFFERED = ("device", "progress")  # what every extractor is offered besides its settings


def find_class(component: Component, package: str, where: str) -> type:
    """The class that `component` names: one of `package`, or one from elsewhere, see `benchmarks.config.external`.

    Raises `InputError` for an unknown class, and for settings that its constructor does not take.
    """
    return _find(component, package, where).kind


def _find(component: Component, package: str, where: str) -> Brought:
    if is_brought(component.name):
        found = bring(component.name, where)
    else:
        module = importlib.import_module(f"{PACKAGE}.{package}")
        classes = {name: getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
        if component.name not in classes:
            raise unknown_name("class", component.name, [*classes, "package.module:Class"], where)
        found = Brought(classes[component.name])
    accepted = [name for name in parameters(found.kind) if name not in found.implied]
    for name in component.settings:
        if name not in accepted and (name in found.implied or not _takes_any(found.kind)):
            raise unknown_name("setting", name, accepted, f"{where}, {component.name}")
    return found


def parameters(kind: type) -> dict[str, inspect.Parameter]:
    """The constructor's named parameters."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: item for name, item in _signature(kind).items() if item.kind in named}


def _takes_any(kind: type) -> bool:
    return any(item.kind is inspect.Parameter.VAR_KEYWORD for item in _signature(kind).values())


def _signature(kind: type) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(kind).parameters)
    except ValueError:  # written in C, as some classes are
        return {}


def network_setting(kind: type) -> str:
    """The constructor's parameter that takes a trained network, if any does; a class may call it otherwise."""
    return str(getattr(kind, "network_setting", "discriminator"))


def check_complete(component: Component, package: str, where: str, offered: Container[str], remedy: str) -> None:
    """Raise `InputError` when the constructor needs a setting that the component has not and nobody offers."""
    found = _find(component, package, where)
    for name, parameter in parameters(found.kind).items():
        given = name in component.settings or name in found.implied or name in offered
        if parameter.default is inspect.Parameter.empty and not given:
            raise InputError(f"{where}: {found.kind.__name__} needs the setting '{name}'; {remedy.format(name=name)}")


def build(component: Component, package: str, where: str, offered: dict[str, Any]) -> Any:
    """An instance with the component's settings and, of what is `offered`, that which its constructor takes.

    Settings of the table win over offers. A trained network is offered as `discriminator`, whatever the class calls it.
    A setting that is a mapping with the key 'class' is a component itself, of the same package, with the same offers.
    Raises `InputError` for settings that are unknown or lacking.
    """
    nested = {
        name: build(Component.model_validate(value), package, f"{where}, {name}", offered)
        for name, value in component.settings.items()
        if isinstance(value, dict) and "class" in value
    }
    component = Component(name=component.name, settings={**component.settings, **nested})
    found = _find(component, package, where)
    accepted, network = parameters(found.kind), network_setting(found.kind)
    if "discriminator" in offered:
        offered = {**offered, network: offered["discriminator"]}
    settings = {**{name: value for name, value in offered.items() if name in accepted}, **component.settings}
    remedy = "add it to the table"
    if network in accepted:
        remedy = "give 'weights' to the row"
    check_complete(component, package, where, settings, remedy)
    try:
        return found.make(settings, offered.get("device"))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {component.name} cannot be made: {error}") from error
