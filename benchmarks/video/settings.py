"""The study as settings: see `studies/moving-mnist.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from dcgan_features.benchmarks.config.schema import DEFAULT_PRESET
from dcgan_features.benchmarks.config.strict import Name, Strict
from dcgan_features.benchmarks.config.studies import read_study
from dcgan_features.data.utils.errors import InputError, unknown_name

SYSTEMS = ("dcgan", "l2", "frames")


class Probe(Strict):
    """The probe of motion. train, test : clips. speeds : of the way between the walls a frame."""

    place: ClassVar[str] = "the probe"
    train: Annotated[int, Field(ge=50)]
    test: Annotated[int, Field(ge=10)]
    speeds: tuple[float, ...] = (0.05, 0.1, 0.15)
    Cs: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)


class Preset(Strict):
    """source : of the clips, a name in `data.video.sources.MOVING`. test_clips : of the frame prediction.

    recipes : of `gan.video`, by system. `dcgan` predicts against a discriminator of clips; `l2`, its twin, has the same
    generator and sees the same clips; `frames` has a discriminator of single frames, and is there for its features.
    """

    place: ClassVar[str] = "a preset"
    source: Name
    test_clips: Annotated[int, Field(ge=10)]
    probe: Probe
    recipes: dict[str, dict[str, Any]]


class Published(Strict):
    """What others measured with 10 given and 10 predicted frames; see `Study`."""

    place: ClassVar[str] = "a published figure"
    title: str
    parameters: str
    squared_error: float
    ssim: float


class Study(Strict):
    """The whole study.

    titles : of systems. published, read_in, differs : figures of others, where they were read, what differs.
    """

    place: ClassVar[str] = "the study"
    name: Name
    title: str
    seed: int
    test_seed: int
    titles: dict[str, str]
    published: list[Published]
    read_in: str
    differs: str
    presets: dict[str, Preset]

    def preset(self, name: str | None) -> tuple[str, Preset]:
        """The preset of that name, or "default". Raises `InputError` for an unknown name."""
        chosen = name or DEFAULT_PRESET
        if chosen not in self.presets:
            raise unknown_name("preset", chosen, self.presets, f"the study {self.name}")
        return chosen, self.presets[chosen]


def load_study(source: str | Path) -> Study:
    """A shipped study by its name, or one of the user's in YAML. Raises `InputError` when it is not as it should be."""
    study = read_study(Study, source, family="moving-mnist")
    for name, preset in study.presets.items():
        if set(preset.recipes) != set(SYSTEMS):
            raise InputError(f"{source}, preset {name}: recipes are needed for {', '.join(SYSTEMS)}, and no others")
    return study
