"""How much memory is free or allowed, and archives that unpack to more than that or than any honest one does."""

from __future__ import annotations

import zipfile
from pathlib import Path

from edgekd.errors import MemoryShortage

_ALWAYS_ADMITTED_BYTES = 64 << 20


def free_memory() -> tuple[int, int] | None:
    """Bytes that are free and bytes in all; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    kib = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
    return kib.get("MemAvailable", 0) << 10, kib.get("MemTotal", 0) << 10


def require_address_space(least_bytes: int, what: str) -> None:
    """Raise MemoryShortage where this process may not have as much address space as ``what`` needs.

    Native libraries do not report that they are out of it: TensorFlow aborts the process, OpenBLAS asks for ever.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit != resource.RLIM_INFINITY and limit < least_bytes:
        raise MemoryShortage(
            f"{what} needs {least_bytes >> 20:,} MiB of address space, and this process may have {limit >> 20:,} MiB "
            f"(ulimit -v). Raise the limit: ulimit -v {least_bytes >> 10}"
        )


def find_bomb(archive: zipfile.ZipFile, most_growth: int) -> zipfile.ZipInfo | None:
    """The first member that unpacks to more than ``most_growth`` times its size and 64 MiB; None without one."""
    return next(
        (
            member
            for member in archive.infolist()
            if member.file_size > _ALWAYS_ADMITTED_BYTES + most_growth * member.compress_size
        ),
        None,
    )
