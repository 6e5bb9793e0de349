"""The machines that were set up from here: ``edgekd devices`` lists them with those that announce themselves."""

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
    """The addresses of one scheme, sorted; empty where the file is missing or edgekd did not write it."""
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
    return sorted({address for address in addresses if isinstance(address, str)}) if isinstance(addresses, list) else []
