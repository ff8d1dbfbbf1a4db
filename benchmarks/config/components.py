"""From a table's words to objects: the class that is meant, its settings checked, then instances of it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dcgan_features.benchmarks.config.external import External, find_external, is_external
from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.foreign import blame
from dcgan_features.data.utils.identity import PACKAGE

OFFERED = ("device", "progress")  # what every extractor is offered besides its settings


@dataclass(frozen=True)
class Chosen:
    """A component whose class is found; its constructor takes all of the component's settings.

    package : the one whose classes are meant. where : what the component is part of, which begins messages.
    """

    component: Component
    package: str
    where: str
    found: External

    @cached_property
    def parts(self) -> dict[str, Chosen]:
        """The settings that are components themselves, of the same package: mappings with the key 'class'."""
        return {
            name: find(Component.model_validate(value), self.package, f"{self.where}, {name}")
            for name, value in self.component.settings.items()
            if isinstance(value, dict) and "class" in value
        }

    @property
    def kind(self) -> type:
        """The class."""
        return self.found.kind

    @property
    def kinds(self) -> list[type]:
        """The class, and those of its parts."""
        return [self.kind, *(kind for part in self.parts.values() for kind in part.kinds)]

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """The constructor's named parameters."""
        named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        return {name: item for name, item in _signature(self.kind).items() if item.kind in named}

    @property
    def network_setting(self) -> str:
        """The constructor's parameter that takes a trained network, if any does; a class may call it otherwise."""
        return str(getattr(self.kind, "network_setting", "discriminator"))

    def setting(self, name: str) -> Any:
        """The value of a setting: the component's, or else the constructor's default."""
        return self.component.settings.get(name, self.parameters[name].default)

    def check_complete(self, offered: Container[str], remedy: str) -> None:
        """Raise `InputError` when the constructor needs a setting that the component has not and nobody offers."""
        for name, parameter in self.parameters.items():
            given = name in self.component.settings or name in self.found.implied or name in offered
            if parameter.default is inspect.Parameter.empty and not given:
                raise InputError(
                    f"{self.where}: {self.kind.__name__} needs the setting '{name}'; {remedy.format(name=name)}"
                )

    def build(self, offered: dict[str, Any]) -> Any:
        """An instance with the component's settings and, of what is `offered`, that which its constructor takes.

        Settings of the table win over offers. A trained network is offered as `discriminator`, whatever the class calls
        it. A setting that is a component itself is built with the same offers. Raises `InputError` for settings that
        are lacking, and for values that the constructor refuses.
        """
        parts = {name: part.build(offered) for name, part in self.parts.items()}
        accepted, network = self.parameters, self.network_setting
        if "discriminator" in offered:
            offered = {**offered, network: offered["discriminator"]}
        settings = {name: value for name, value in offered.items() if name in accepted}
        settings |= self.component.settings | parts
        remedy = "add it to the table"
        if network in accepted:
            remedy = "give 'weights' to the row"
        self.check_complete(settings, remedy)
        try:
            return self.found.make(settings, offered.get("device"))
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.where}: {self.component.name} cannot be made: {error}") from error
        except (Exception, SystemExit) as error:
            said = blame(error)
            if said is None or not is_external(self.component.name):
                raise
            raise InputError(f"{self.where}: {self.component.name} cannot be made: {said}") from error


def find(component: Component, package: str, where: str) -> Chosen:
    """The class that `component` names: one of `package`, or one from elsewhere, see `benchmarks.config.external`.

    Raises `InputError` for an unknown class, and for settings that its constructor does not take.
    """
    if is_external(component.name):
        found = find_external(component.name, where)
    else:
        module = importlib.import_module(f"{PACKAGE}.{package}")
        classes = {name: getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))}
        if component.name not in classes:
            raise unknown_name("class", component.name, [*classes, "package.module:Class"], where)
        found = External(classes[component.name])
    chosen = Chosen(component, package, where, found)
    accepted = [name for name in chosen.parameters if name not in found.implied]
    for name in component.settings:
        if name not in accepted and (name in found.implied or not _takes_any(found.kind)):
            raise unknown_name("setting", name, accepted, f"{where}, {component.name}")
    return chosen


def _takes_any(kind: type) -> bool:
    return any(item.kind is inspect.Parameter.VAR_KEYWORD for item in _signature(kind).values())


def _signature(kind: type) -> dict[str, inspect.Parameter]:
    try:
        return dict(inspect.signature(kind).parameters)
    except ValueError:  # written in C, as some classes are
        return {}
