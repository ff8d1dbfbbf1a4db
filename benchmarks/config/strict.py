"""Mappings of YAML as checked objects: what tables are made of."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator

from dcgan_features.data.utils.errors import unknown_name

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$", max_length=100)]
Percent = Annotated[float, Field(ge=0, le=100)]
Count = Annotated[int, Field(ge=1)]


class Strict(BaseModel):
    """A mapping of YAML that refuses keys it does not know, naming the nearest one that it does."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    place: ClassVar[str] = "the table"

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, dict):
            for key in value:
                if key not in cls.model_fields:
                    source = f"{info.context['path']}, " if info.context else ""
                    raise unknown_name("key", str(key), cls.model_fields, f"{source}{cls.place}")
        return value
