"""The modules that make input tensors of photos, in one file for a device that has numpy and Pillow but no edgekd."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

# ``photo_input`` and all that it imports of edgekd.
MODULES = ("errors", "photo_formats", "photo_input", "photo_pixels", "text")


def device_archive() -> bytes:
    """A zip from which a Python with numpy and Pillow imports ``edgekd.photo_input``, and nothing else of edgekd."""
    root, stream = Path(__file__).parents[2], io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("edgekd/__init__.py", "")
        for name in MODULES:
            archive.writestr(f"edgekd/{name}.py", (root / f"{name}.py").read_bytes())
    return stream.getvalue()
