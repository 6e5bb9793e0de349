"""Every failure of a command as one line: what, where, what next."""

from __future__ import annotations

import errno
import os
import shutil
import traceback
from pathlib import Path

from edgekd.errors import EdgekdError
from edgekd.memory import free_memory
from edgekd.temporary import shared_folder
from edgekd.text import one_line

_FULL_BYTES = 1 << 20
_VARIABLE = "EDGEKD_TRACEBACK"
_NO_THREAD = "can't start new thread"
_LOOP = "Symlink loop from "
_ADVICE = {
    errno.ENOSPC: "Free some space there, or give another folder",
    errno.EDQUOT: "Free some space there, or give another folder",
    errno.EROFS: "Give a folder that can be written to",
    errno.EACCES: "Check its rights, or give another path",
    errno.EPERM: "Check its rights, or give another path",
    errno.ENOENT: "Check the path",
    errno.ENOTDIR: "Check the path: a part of it is a file",
    errno.EISDIR: "Give a file",
    errno.ENAMETOOLONG: "Give a shorter name",
    errno.EMFILE: "Allow more open files: ulimit -n 4096",
    errno.ENFILE: "Close other programs",
    errno.EIO: "Check the disk",
}


def show_tracebacks() -> bool:
    """Whether the user asked for Python's own tracebacks."""
    return bool(os.environ.get(_VARIABLE))


def describe_failure(error: Exception) -> tuple[str, int]:
    """The line to print for an error, and the exit code."""
    if isinstance(error, ModuleNotFoundError):
        from edgekd.extras import explain

        error = explain(error) or error
    code = error.exit_code if isinstance(error, EdgekdError) else 1
    return _describe(error) + _full_disk(), code


def _describe(error: Exception) -> str:
    if isinstance(error, EdgekdError):
        return str(error)
    if isinstance(error, OSError) and error.errno is not None:
        return _describe_os_error(error)
    if isinstance(error, RuntimeError) and str(error).startswith(_LOOP):
        # What pathlib raises before Python 3.13 in place of the system's own error.
        return f"{one_line(str(error).removeprefix(_LOOP))} is a link to itself. Check the path"
    if isinstance(error, RuntimeError) and str(error).startswith(_NO_THREAD):
        return f"no more threads can be started{_free_memory()}. Close other programs, or raise ulimit -u and ulimit -v"
    if _is_memory_shortage(error):
        return (
            f"not enough memory{_free_memory()}. Close other programs, or use a smaller input size, batch or number of "
            "views"
        )
    if isinstance(error, UnicodeError):
        return f"a text cannot be read or written as UTF-8: {one_line(error)}{_place(error)}. Save it as UTF-8"
    name = type(error).__name__
    return (
        f"unexpected {name}: {one_line(error)}{_place(error)}. This is an error in edgekd: report it with the output "
        f"of the same command after: export {_VARIABLE}=1"
    )


def _is_memory_shortage(error: Exception) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    # What Python says of a library that failed without an error of its own, as extensions do that get no memory.
    return isinstance(error, SystemError) and "without exception set" in str(error)


def _describe_os_error(error: OSError) -> str:
    """An error of the operating system, with the path and what helps."""
    paths = " and ".join(str(path) for path in (error.filename, error.filename2) if path is not None)
    reason = error.strerror or type(error).__name__
    advice = _ADVICE.get(error.errno or 0, "Check this machine")
    return f"{f'{paths}: ' if paths else ''}{reason}{'' if paths else _place(error)}. {advice}"


def _full_disk() -> str:
    """A full folder for temporary files is the cause behind many another message."""
    folder = shared_folder()
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    if free > _FULL_BYTES:
        return ""
    return f". {folder}, the folder for temporary files, is full: free some space in it, or set TMPDIR to another one"


def _free_memory() -> str:
    memory = free_memory()
    return "" if memory is None else f" ({memory[0] / 2**30:.1f} GiB of {memory[1] / 2**30:.1f} are free)"


def _place(error: Exception) -> str:
    """The file and line of edgekd that an error came through."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if f"{os.sep}edgekd{os.sep}" in frame.filename
    ]
    return f" (at {Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
