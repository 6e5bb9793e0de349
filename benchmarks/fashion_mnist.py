"""Fashion-MNIST's files: of the Debian package dataset-fashion-mnist, or a folder of the same four files.

Data: Xiao, Rasul & Vollgraf, arXiv:1708.07747.
"""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from common import Parser
from small_inputs import fashion_folder

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
SIZE = 28
CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
Pixels = npt.NDArray[np.uint8]
_chosen = {"folder": DEBIAN}


def add_option(parser: Parser) -> None:
    """Let the user name the folder of the four files."""
    parser.add_argument(
        "--fashion-mnist", type=Path, help=f"folder of the four files [{DEBIAN}; --short: synthetic images]"
    )


def use(folder: Path | None, *, short: bool, work: Path) -> None:
    """Choose the folder that ``arrays`` reads. Raises SystemExit where it has no such files."""
    if folder is None and short:
        folder = fashion_folder(work / "fashion-mnist", train=600, test=60)
    _chosen["folder"] = folder = folder or DEBIAN
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        raise SystemExit(
            f"{folder} does not have the files of Fashion-MNIST. Install the Debian package dataset-fashion-mnist, "
            "or name another folder (--fashion-mnist)"
        )
    arrays.cache_clear()


@cache
def arrays(split: str) -> tuple[Pixels, npt.NDArray[np.int64]]:
    """``train`` (60,000) or ``t10k`` (10,000), in the files' order: uint8 [N, 28, 28] and labels [N]."""
    with gzip.open(_chosen["folder"] / f"{split}-images-idx3-ubyte.gz") as stream:
        pixels = np.frombuffer(stream.read(), np.uint8, offset=16).reshape(-1, SIZE, SIZE)
    with gzip.open(_chosen["folder"] / f"{split}-labels-idx1-ubyte.gz") as stream:
        return pixels, np.frombuffer(stream.read(), np.uint8, offset=8).astype(np.int64)
