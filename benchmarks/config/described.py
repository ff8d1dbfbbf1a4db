"""What a row's extractor is, in numbers: read off its class and settings, so that no table has to say it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dcgan_features.benchmarks.config.components import find
from dcgan_features.benchmarks.config.schema import Component
from dcgan_features.data.utils.errors import InputError
from dcgan_features.features.exemplar.networks import parse
from dcgan_features.gan.spec import SPECS

Settings = Mapping[str, Any]


def full_settings(extractor: Settings) -> dict[str, Any]:
    """An extractor's settings with its class's defaults; only those given where the class cannot be found.

    extractor : `{"name": ..., "settings": {...}}`, as a result's settings hold it.
    """
    given = dict(extractor.get("settings", {}))
    try:
        chosen = find(Component(name=extractor["name"], settings=given), "features", "a result")
    except (InputError, KeyError):
        return given
    settings = {name: item.default for name, item in chosen.parameters.items() if item.default is not item.empty}
    settings.update(given)
    for part in chosen.parts.values():  # an extractor on another one's maps: what it does not say itself
        inner = full_settings(part.component.model_dump())
        settings = {**inner, **settings}
    return settings


def units_of(measurement: Settings) -> int | None:
    """The feature maps or units of the widest layer; None where the extractor has no such number.

    measurement : as a result's settings hold it, with `extractor` and, for trained networks, `weights`.
    """
    settings, weights = full_settings(measurement["extractor"]), measurement.get("weights") or {}
    recipe = (weights.get("train") or {}).get("recipe", {})
    network = weights.get("network") or recipe.get("network") or settings.get("network")
    if isinstance(network, str):
        if weights.get("kind", "discriminator") != "discriminator":
            convolutions, last = parse(network)
            return max(*(maps for maps, _ in convolutions), last)
        return max(layer.maps for layer in SPECS[network].discriminator) if network in SPECS else None
    for name in ("n_units", "n_components", "n_latent"):
        if name in settings:
            value = settings[name]
            return int(value if isinstance(value, int) else value[-1])
    return None


def views_of(measurement: Settings) -> int:
    """How many versions of a test image its features are made of: with flips 2, times 5 with moves, times the sizes."""
    settings = full_settings(measurement["extractor"])
    flipped = settings.get("reflection") or settings.get("flip")
    sizes = settings.get("resize")
    moved = 5 if settings.get("shift") else len(settings.get("shifts") or [None])
    return (2 if flipped else 1) * moved * (len(sizes) if isinstance(sizes, list | tuple) else 1)


def is_seeded(measurement: Settings) -> bool:
    """Whether something random made the extractor: trained or drawn weights, or a seed among its settings."""
    return bool(measurement.get("weights")) or "seed" in full_settings(measurement["extractor"])
