"""The base of a recipe's tables: frozen, without unknown keys, each key described by the docstring under it."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator


class Section(BaseModel):
    """A table of a recipe. ``FORMER`` has the names that its keys had before, which are still accepted.

    The docstring under a key is its description in the JSON schema, in ``edgekd recipe KEY`` and in the reference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    FORMER: ClassVar[dict[str, str]] = {}
    LATER: ClassVar[tuple[str, ...]] = ()
    ADDED_AS: ClassVar[dict[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _rename(cls, table: Any) -> Any:
        if not isinstance(table, dict) or not cls.FORMER.keys() & table.keys():
            return table
        renamed = dict(table)
        for former, name in cls.FORMER.items():
            if former not in renamed:
                continue
            if name in renamed:
                raise ValueError(f"{former} is the former name of {name}: keep {name} and leave {former} out")
            renamed[name] = renamed.pop(former)
            warnings.warn(f"{former} in a recipe is now called {name}", DeprecationWarning, stacklevel=2)
        return renamed
