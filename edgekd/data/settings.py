"""What of a user's settings goes into the keys of what is made from them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel


def facts_of(settings: BaseModel) -> dict[str, Any]:
    """The settings as a JSON-able value, for a digest.

    A setting named in its class's ``LATER`` is left out while it has its default, and one that was renamed (``FORMER``)
    keeps its former name: what was computed before the setting was added or renamed is not computed again. ``ADDED_AS``
    has the default that a setting was added with, where that is another now.
    """
    kind = type(settings)
    table = settings.model_dump(mode="json")
    for name, field in kind.model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            table[name] = facts_of(value)
        unset = getattr(kind, "ADDED_AS", {}).get(name, field.get_default(call_default_factory=True))
        if name in getattr(kind, "LATER", ()) and value == unset:
            del table[name]
    for former, name in getattr(kind, "FORMER", {}).items():
        if name in table:
            table[former] = table.pop(name)
    return table
