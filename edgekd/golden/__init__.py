"""Golden vectors: a directory against which any port of the preprocessing is tested, photo by photo.

manifest    the layout of the directory, and its record
photos      the synthetic photos, one for each known mistake of decoders
encode      encoding what Pillow does not write: any PNG, and a colour profile
make        writing a directory        check    comparing a file with one
"""

from edgekd.golden.check import GoldenCheck, check_golden
from edgekd.golden.make import make_golden
from edgekd.golden.manifest import GoldenManifest, GoldenVector, read_manifest

__all__ = ["GoldenCheck", "GoldenManifest", "GoldenVector", "check_golden", "make_golden", "read_manifest"]
