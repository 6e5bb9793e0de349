"""Golden vectors: a directory that any port of the preprocessing is tested against, photo by photo.

manifest    the layout of the directory, and its record
photos      the made photos, one for each thing that decoders get wrong
encode      writing those photos without a library that would hide their oddities
make        writing a directory        check    holding a port or a file against one
"""

from edgekd.golden.check import GoldenCheck, check_golden
from edgekd.golden.make import make_golden
from edgekd.golden.manifest import GoldenManifest, GoldenVector, read_manifest

__all__ = ["GoldenCheck", "GoldenManifest", "GoldenVector", "check_golden", "make_golden", "read_manifest"]
