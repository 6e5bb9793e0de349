"""The error tree. Every message says what, where and what to do next.

EdgekdError                  exit 1
├── UsageError               exit 2   a wrong argument
│   ├── RecipeError          exit 2   a wrong key or value in a recipe
│   └── MissingExtraError    exit 2   a part of edgekd that is not installed
├── DataError                exit 1   the photos or their labels
│   ├── DecodeError                   one photo's bytes
│   └── SplitError                    too few photos for the splits asked for
├── ModelError               exit 1   a teacher or student that cannot be used as asked
├── ExportError              exit 1   a conversion that would not give the file asked for
│   └── UnsupportedOpError            an op that the target format has no exact form for
├── ArtifactError            exit 1   a .tflite or .onnx that cannot be opened or trusted
│   └── ArtifactChangedError          its bytes are not those that were checked
├── RunError                 exit 1   a run directory that cannot be used
├── MemoryShortage           exit 1   too little memory for what was asked
├── StorageError             exit 1   a place that files are read from or written to and that does not answer
├── GateFailed               exit 3   a number under the bar it was given
└── DeviceError              exit 4   a device that failed; carries argv, status, stdout and stderr
    ├── DeviceNotFound                not attached or not reachable
    └── DeviceTimeout                 it did not answer in time
"""

from __future__ import annotations

from collections.abc import Sequence

from edgekd.text import printable


class EdgekdError(Exception):
    """Base of everything edgekd raises on purpose; ``exit_code`` is what the CLI ends with."""

    exit_code = 1


class UsageError(EdgekdError):
    """An argument that cannot be what was meant."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe with an unknown key or a value out of range."""


class MissingExtraError(UsageError):
    """A part of edgekd that was asked for and is not installed; the message has the line that installs it."""


class DataError(EdgekdError):
    """Photos or labels that cannot be used as they are."""


class DecodeError(DataError):
    """One photo whose bytes do not decode to pixels."""


class SplitError(DataError):
    """Too few photos, or groups of near duplicates, for the splits asked for."""


class ModelError(EdgekdError):
    """A teacher or student that cannot be used as asked."""


class ExportError(EdgekdError):
    """A conversion that would not give the file asked for."""


class UnsupportedOpError(ExportError):
    """An op that the target format has no exact form for."""


class ArtifactError(EdgekdError):
    """A .tflite or .onnx file that cannot be opened or trusted."""


class ArtifactChangedError(ArtifactError):
    """A file whose bytes are not those that were checked at export."""


class RunError(EdgekdError):
    """A run directory that cannot be used."""


class MemoryShortage(EdgekdError):
    """Too little memory on this machine; nothing is wrong with the data."""


class StorageError(EdgekdError):
    """A disk or an object store that failed, and went on failing when it was asked again."""


class GateFailed(EdgekdError):
    """A number under the bar that it was given."""

    exit_code = 3


class DeviceError(EdgekdError):
    """A command that failed on a device. What it says may be the device's own words, so they are made fit to print.

    Attributes: ``address`` of the device, the ``argv`` that ran there, its ``status`` (None if it
    never ended), ``stdout`` and ``stderr``.
    """

    exit_code = 4

    def __init__(
        self,
        message: str,
        *,
        address: str = "",
        argv: Sequence[str] = (),
        status: int | None = None,
        stdout: str = "",
        stderr: str = "",
    ) -> None:
        super().__init__(printable(message))
        self.address = address
        self.argv = tuple(argv)
        self.status = status
        self.stdout = stdout
        self.stderr = stderr


class DeviceNotFound(DeviceError):
    """A device that is not attached or not reachable."""


class DeviceTimeout(DeviceError):
    """A device that did not answer in the time given."""
