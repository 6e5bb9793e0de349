"""Photo files that Pillow does not write: any PNG, and a colour profile that would show if it were applied."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

Chunk = tuple[bytes, bytes]
# Adam7: first row, first column, row step and column step of every pass. Source: PNG specification, 8.2.
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def encode_png(
    size: tuple[int, int], bits: int, colour: int, rows: bytes, *chunks: Chunk, interlaced: bool = False
) -> bytes:
    """A PNG of (width, height) from filtered rows; ``chunks`` come before the image data."""
    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, int(interlaced))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def pack_rows(samples: NDArray[np.generic], bits: int) -> bytes:
    """Rows of a PNG with filter 0, of samples [H, W] or [H, W, C] that are below 2 ** bits."""
    flat = samples.reshape(samples.shape[0], -1)
    if bits == 16:
        return b"".join(b"\0" + row.astype(">u2").tobytes() for row in flat)
    if bits == 8:
        return b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in flat)
    planes = (flat.astype(np.uint8)[..., np.newaxis] >> np.arange(bits - 1, -1, -1, dtype=np.uint8)) & 1
    return b"".join(b"\0" + row.tobytes() for row in np.packbits(planes.reshape(len(flat), -1), axis=1))


def interlace_rows(samples: NDArray[np.uint8]) -> bytes:
    """The rows of the seven passes of samples uint8 [H, W, C]; a pass without pixels is omitted."""
    passes = [samples[top::down, left::right] for top, left, down, right in _ADAM7]
    return b"".join(pack_rows(part, 8) for part in passes if part.size)


def bgr_profile() -> bytes:
    """An ICC profile whose red is sRGB's blue, so that a decoder that applies it is caught. Source: ICC.1:2001-04."""
    white, red, green, blue = (0.9642, 1.0, 0.8249), (0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (
        0.1431, 0.0606, 0.7141,
    )  # fmt: skip
    curve = b"curv" + bytes(4) + struct.pack(">IHH", 1, 0x0233, 0)
    text = b"edgekd swapped red and blue\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(white), b"rXYZ": _xyz(blue), b"gXYZ": _xyz(green), b"bXYZ": _xyz(red),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += padded
    size = offset + len(body)
    header = struct.pack(">IIBB", size, 0, 2, 0x10).ljust(12, b"\0") + b"mntrRGB XYZ "
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _s15(white)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _s15(values: tuple[float, ...]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + _s15(values)
