"""What a comparison may be told besides its images, extractors and probes: in YAML, or as NAME=VALUE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_origin

from pydantic import Field, ValidationError, field_validator

from dcgan_features.benchmarks.config.strict import Count, Strict
from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.data.utils.settings import first_mistake

_FILES = (".yaml", ".yml")


class Settings(Strict):
    """Settings of a comparison.

    fit : how pictures are brought to a size. C, k : fixed, or several to choose from inside the labels. logistic_C : C
    of `logistic`, where it is to have others than the L2-SVM. rate : of the probe `sgd`. standardise : features get
    mean 0 and standard deviation 1 first. label_noise : shares of training labels; each probe is measured once more
    with so many made wrong. test_limit : at most so many test images where training images are limited, a quarter as
    many by default, or "all". labelled : so many training images keep their labels; extractors learn from all. seed :
    of splits, hold-outs and wrong labels. reference : those that the others are compared with. protocol, curve : of a
    table's own protocols, only these, and accuracy by number of labels too.
    """

    place: ClassVar[str] = "the settings"
    fit: Literal["crop", "pad", "stretch"] = "crop"
    C: list[float] = Field(default_factory=list)
    logistic_C: list[float] = Field(default_factory=list)
    k: list[float] = Field(default_factory=list)
    rate: float | None = None
    standardise: bool = False
    label_noise: list[float] = Field(default_factory=list)
    test_limit: Count | Literal["all"] | None = None
    labelled: Count | None = None
    seed: int = Field(default=0, ge=0)
    reference: list[str] = Field(default_factory=list)
    protocol: list[str] = Field(default_factory=list)
    curve: bool = False

    @field_validator("C", "logistic_C", "k", "label_noise", "reference", "protocol", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else [value]

    @classmethod
    def checked(cls, content: Any, where: str) -> Self:
        """The settings in a mapping. Raises `InputError`, saying that it was found in `where`."""
        try:
            return cls.model_validate(content, context={"path": where})
        except ValidationError as error:
            raise InputError(f"{where}: {first_mistake(error, 'the settings')}") from None


def read_settings(given: Sequence[str]) -> Settings:
    """The settings of `--set`: each a YAML file, NAME=VALUE, or NAME alone for what is true; later ones count.

    Several values of C, logistic_C, k and label_noise are separated by commas; reference and protocol may be given
    repeatedly.
    Raises `InputError` for an unknown name, naming the nearest, and for a value that cannot be.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals and Path(text).suffix.lower() in _FILES:
            content = read_yaml(home_path(text, "give the path in full"), "file of settings")
            found |= Settings.checked(content, text).model_dump(exclude_unset=True)
            continue
        if name not in Settings.model_fields:
            raise unknown_name("setting", name, Settings.model_fields, "--set")
        kind = Settings.model_fields[name].annotation
        if not equals and kind is not bool:
            raise InputError(f"--set {name} has no value; write {name}=VALUE, or give a YAML file of settings")
        if kind == list[str]:
            found[name] = [*found.get(name, []), value]
        elif get_origin(kind) is list:
            found[name] = [word.strip() for word in value.split(",") if word.strip()]
        else:
            found[name] = value if equals else True
    return Settings.checked(found, "--set")
