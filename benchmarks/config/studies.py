"""Studies in YAML: the shipped ones by their names, and those of users by their files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from dcgan_features.data.utils.errors import InputError, unknown_name
from dcgan_features.data.utils.files import home_path
from dcgan_features.data.utils.formats import read_yaml
from dcgan_features.data.utils.settings import first_mistake

STUDIES = Path(__file__).parents[1] / "studies"
_SUFFIXES = (".yaml", ".yml")

Model = TypeVar("Model", bound=BaseModel)


def study_file(
    source: str | Path, prefix: str = "", kind: str = "study", *, family: str = "", others: Sequence[str] = ()
) -> Path:
    """The file of a study: `source` itself where it has a suffix, else the shipped one of that name.

    prefix : with which the names of shipped files begin, left out of `source`. kind : what to call it in words.
    family : with which the names begin that are offered in the place of an unknown one. others : offered too.
    Raises `InputError` for a name that is not shipped, naming the nearest.
    """
    if Path(source).suffix.lower() in _SUFFIXES:
        return home_path(source, "give the path in full")
    path = STUDIES / f"{prefix}{source}.yaml"
    if not path.exists():
        known = sorted(file.stem.removeprefix(prefix) for file in STUDIES.glob(f"{prefix}{family}*.yaml"))
        raise unknown_name(kind, str(source), [*others, *known, "a YAML file"])
    return path


def checked_study(model: type[Model], content: Any, path: Path, kind: str = "study") -> Model:
    """The study that the content of a file says. Raises `InputError` for the first thing that it cannot say."""
    try:
        return model.model_validate(content, context={"path": path})
    except ValidationError as error:
        raise InputError(f"{path}: {first_mistake(error, f'the {kind}')}") from None


def read_study(
    model: type[Model], source: str | Path, prefix: str = "", kind: str = "study", family: str = ""
) -> Model:
    """The study of that name or file, checked; parameters and errors as of `study_file` and `checked_study`."""
    path = study_file(source, prefix, kind, family=family)
    return checked_study(model, read_yaml(path, kind), path, kind)
