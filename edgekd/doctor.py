"""What edgekd needs of a machine, and whether it is there; asks the installed metadata and imports nothing."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.errors import DataError

_NEEDED_FREE_BYTES = 2 << 30


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; ``optional`` ones leave the main job possible."""

    what: str
    ok: bool
    detail: str
    optional: bool = False


def examine() -> list[Finding]:
    """Look at every required package, the quickstart's photos and the free disk space."""
    findings = [
        _package(requirement) for requirement in metadata.requires("edgekd") or () if "extra ==" not in requirement
    ]
    free = shutil.disk_usage(Path.cwd()).free
    findings.append(
        Finding("disk", free > _NEEDED_FREE_BYTES, f"{free / 2**30:.1f} GiB free here; views of photos need a few")
    )
    return [*(finding for finding in findings if finding), _photos()]


def _package(requirement: str) -> Finding:
    name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
    wanted = requirement.removeprefix(name).partition(";")[0].strip()
    try:
        return Finding(name, True, f"{metadata.version(name)} (wanted {wanted})")
    except metadata.PackageNotFoundError:
        return Finding(name, False, f"not installed (wanted {wanted}). Install it: pip install edgekd")


def _photos() -> Finding:
    try:
        traffic_light_folders()
    except DataError:
        return Finding(
            "quickstart photos", False, "missing. Install them: pip install 'edgekd[quickstart]'", optional=True
        )
    return Finding("quickstart photos", True, "installed", optional=True)
