"""A choice of a proposed recipe: a key, its value, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Choice:
    """A key of a recipe with its value, and why it has it."""

    table: str
    key: str
    value: Any
    reason: str

    @property
    def assignment(self) -> str:
        """The key and its value as a line of TOML."""
        import tomli_w

        if isinstance(self.value, list):
            # The library writes each item on a line of its own.
            items = [tomli_w.dumps({"item": item}).strip().removeprefix("item = ") for item in self.value]
            return f"{self.key} = [{', '.join(items)}]"
        return tomli_w.dumps({self.key: self.value}).strip()
