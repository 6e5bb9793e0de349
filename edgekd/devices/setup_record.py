"""Which machines were set up from here: what ``edgekd devices`` lists beside those that announce themselves."""

from __future__ import annotations

import os
from pathlib import Path

from edgekd import storage
from edgekd.errors import EdgekdError


def record_path() -> Path:
    """The file, below $XDG_STATE_HOME."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "edgekd" / "devices.json"


def read(scheme: str) -> tuple[str, ...]:
    """The addresses of one scheme, sorted; none where there is no file or not one that edgekd wrote."""
    return tuple(address for address in _all() if address.startswith(f"{scheme}:"))


def add(address: str) -> None:
    """Remember an address."""
    if address not in _all():
        storage.write_json(record_path(), sorted({address, *_all()}))


def _all() -> list[str]:
    try:
        addresses = storage.read_json(record_path())
    except EdgekdError:
        return []
    return sorted({one for one in addresses if isinstance(one, str)}) if isinstance(addresses, list) else []
