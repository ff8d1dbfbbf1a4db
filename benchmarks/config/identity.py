"""What the identity of a result is made of, so that a changed setting, class, data set or network makes it stale."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

from dcgan_features.data.utils.files import sha256_file
from dcgan_features.data.utils.identity import is_ours, name_of
from dcgan_features.features.cache.fingerprint import CODE_VERSION, source_digest


def identifying(
    part: BaseModel, later: Collection[str], exclude: Collection[str], mode: str = "python"
) -> dict[str, Any]:
    """A part as data, of which the identity of results is made: without `exclude`, and without what came later.

    later : keys that there were not always; at their defaults they leave the identity of older results as it was.
    """
    unchanged = {name for name in later if getattr(part, name) == type(part).model_fields[name].default}
    return part.model_dump(mode=mode, exclude={*exclude, *unchanged})


def code_of(kind: type) -> Any:
    """What tells a class from others that would give other results, as JSON-ready data.

    This project's extractors have a version of their arithmetic. Its classifiers solve a stated problem, however they
    do it, so that their name is enough; those whose result depends on the way there, by gradients or a search, have a
    `code_version`, which is left out while it is 1: results from before there was one are of the first. Of other
    people's classes the files count.
    """
    name = name_of(kind)
    package = name.split(".")[0] if is_ours(kind) else None
    if package == "eval":
        version = getattr(kind, "code_version", 1)
        return name if version == 1 else [name, version]
    if package == "features":
        return [name, CODE_VERSION]
    source = source_digest(kind)
    return [name, _file_digest(kind)] if source is None else [kind.__qualname__, source]


def _file_digest(kind: type) -> str | None:
    try:
        return sha256_file(inspect.getfile(kind))
    except (OSError, TypeError):  # built in, or made on the fly
        return None
