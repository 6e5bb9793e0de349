"""make.py LIBRARY OUT: an Android x86_64 library, and the system libraries it names, for a process on x86_64 Linux.

Then: LD_PRELOAD=OUT/libc.so LD_LIBRARY_PATH=OUT java -Djava.library.path=OUT ...
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

PT_DYNAMIC = 2
# DT_VERSYM, DT_VERDEF, DT_VERDEFNUM, DT_VERNEED, DT_VERNEEDNUM: glibc has no symbol of version LIBC.
VERSIONS = {0x6FFFFFF0, *range(0x6FFFFFFC, 0x70000000)}
IGNORED = 0x6D000001
NEEDED = ("libm", "libdl", "liblog")


def without_versions(library: bytes) -> bytes:
    """The library with the entries that ask for versions of symbols made ones that no loader knows."""
    patched = bytearray(library)
    (headers,) = struct.unpack_from("<Q", library, 32)
    size, count = struct.unpack_from("<HH", library, 54)
    for header in range(headers, headers + size * count, size):
        kind, _, start, _, _, length = struct.unpack_from("<IIQQQQ", library, header)
        entries = range(start, start + length, 16) if kind == PT_DYNAMIC else ()
        for entry in entries:
            if struct.unpack_from("<Q", library, entry)[0] in VERSIONS:
                struct.pack_into("<Q", patched, entry, IGNORED)
    return bytes(patched)


def shared_object(out: Path, name: str, *arguments: str) -> None:
    """Compile ``out/name.so`` with itself as its name."""
    argv = ["gcc", "-O1", "-w", "-fno-builtin", "-shared", "-fPIC", f"-Wl,-soname,{name}.so", "-o", f"{name}.so"]
    subprocess.run([*argv, *arguments], cwd=out, check=True)


def main() -> None:
    """Make them all."""
    library, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    shared_object(out, "libc", str(Path(__file__).resolve().with_name("bionic.c")), "-ldl", "-lpthread")
    for name in NEEDED:
        # Each finds everything in the one before, and in glibc's mathematics.
        shared_object(out, name, "-x", "c", "/dev/null", "-x", "none", "-Wl,--no-as-needed", "./libc.so", "-lm")
    (out / library.name).write_bytes(without_versions(library.read_bytes()))


if __name__ == "__main__":
    main()
