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
_TRAINS = re.compile(r"""extra == ['"]train['"]""")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; files can be run and measured without the ``optional`` ones."""

    what: str
    ok: bool
    detail: str
    optional: bool = False


def examine() -> list[Finding]:
    """Look at the packages that run and those that train, the quickstart's photos and the free disk space."""
    requirements = metadata.requires("edgekd") or ()
    findings = [
        *(_package(line) for line in requirements if "extra ==" not in line),
        *(_package(line, extra="train") for line in requirements if _TRAINS.search(line)),
    ]
    free = shutil.disk_usage(Path.cwd()).free
    findings.append(
        Finding("disk", free > _NEEDED_FREE_BYTES, f"{free / 2**30:.1f} GiB free here; views of photos need a few")
    )
    return [*(finding for finding in findings if finding), _photos()]


def _package(requirement: str, extra: str = "") -> Finding:
    name = re.split(r"[\s<>=!~;\[(]", requirement, maxsplit=1)[0]
    wanted = requirement.removeprefix(name).partition(";")[0].strip()
    try:
        return Finding(name, True, f"{metadata.version(name)} (wanted {wanted})")
    except metadata.PackageNotFoundError:
        install = f"pip install 'edgekd[{extra}]'" if extra else "pip install edgekd"
        detail = f"not installed (wanted {wanted}). Install it: {install}"
        return Finding(name, False, detail, optional=bool(extra))


def _photos() -> Finding:
    try:
        traffic_light_folders()
    except DataError:
        return Finding(
            "quickstart photos", False, "missing. Install them: pip install 'edgekd[quickstart]'", optional=True
        )
    return Finding("quickstart photos", True, "installed", optional=True)
