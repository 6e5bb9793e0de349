"""The modules that turn photos into input tensors, as one file for a device that has numpy and Pillow, and no edgekd."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import edgekd

# ``photo_pixels`` and all that it imports of edgekd.
MODULES = ("errors", "photo_formats", "photo_pixels", "text")


def device_archive() -> bytes:
    """A zip from which a Python with numpy and Pillow imports ``edgekd.photo_pixels``, and nothing else of edgekd."""
    root, stream = Path(edgekd.__file__).parent, io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("edgekd/__init__.py", "")
        for name in MODULES:
            archive.writestr(f"edgekd/{name}.py", (root / f"{name}.py").read_bytes())
    return stream.getvalue()
