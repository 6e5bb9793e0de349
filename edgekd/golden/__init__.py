"""Golden vectors: a directory that any port of the preprocessing is tested against, photo by photo.

The layout, schema 1. ``manifest.json`` lists everything else, with sizes in bytes and SHA-256:

- ``specification``: the file SPECIFICATION.md, and the version that it says.
- ``artifact``: file name, format, precision and SHA-256 of the model, and the runtime that answered.
- ``labels`` in the order of the probabilities, and ``preprocessing``: height, width, crop, resize, version.
- ``tolerance``: how far a probability may be off: ``same_runtime``, and ``other_runtime`` for any other format,
  version or processor. 1/256 is one quantum of a file that answers in integers. ``other_kernels``, for an int8 .tflite
  alone: what a runtime without XNNPACK may be off, whose kernels round every layer otherwise. It is twice what XNNPACK
  and TFLite's own kernels differ by on these photos. A class may change where its lead over the other is no more.
- ``vectors``: one object a photo:

  - ``name`` says what is special about the file, and ``kind`` is its format: jpeg, png, webp, bmp, gif or tiff.
  - ``photo``: the file to decode.
  - ``pixels``: upright RGB after steps 1 to 3 of the specification, rows from the top, 3 bytes a pixel, with ``width``
    and ``height``. ``file`` is null where it would be larger than 64 KiB: compare the SHA-256.
  - ``input``: the input tensor after steps 4 and 5, height x width x 3 bytes.
  - ``probabilities``: one little-endian float32 a label; ``top`` is the index of the largest.

A port is right if every input tensor is equal byte for byte; ``pixels`` says whether the decoder or the resize is to
blame where one is not. A format that a port does not read (a browser reads no TIFF) is best counted and named.
Decoders that come with a platform like to turn the photo, to convert it by its colour profile, to premultiply alpha,
to keep 8 of 16 bits by another rule and to enlarge chroma unsmoothed: each has a vector here that shows it.
"""

from edgekd.golden.check import GoldenCheck, check_golden
from edgekd.golden.make import make_golden
from edgekd.golden.manifest import GoldenManifest, GoldenVector, read_manifest

__all__ = ["GoldenCheck", "GoldenManifest", "GoldenVector", "check_golden", "make_golden", "read_manifest"]
