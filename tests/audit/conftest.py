"""Traffic lights with things to find among them, and features of them that cost nothing: their small pixels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from feature_tables import table_of
from PIL import Image

from edgekd.data import load_dataset, traffic_light_folders
from edgekd.errors import DataError
from edgekd.pipeline.feature_table import FeatureTable

COLOURS = ("green", "red", "yellow")
EACH = 30


@pytest.fixture(scope="session")
def lights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Class folders in which two red lights lie under green, one is in two folders, one shows a board."""
    try:
        source, _ = traffic_light_folders()
    except DataError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("lights") / "photos"
    for colour in COLOURS:
        (root / colour).mkdir(parents=True)
        photos = sorted((source / colour).iterdir())
        for number, photo in enumerate(photos[: EACH if colour != "yellow" else 24]):
            shutil.copy(photo, root / colour / f"{number:02d}.jpg")
    for number in (3, 7):
        (root / "red" / f"{number:02d}.jpg").rename(root / "green" / f"wrong-{number}.jpg")
    shutil.copy(root / "yellow" / "05.jpg", root / "red" / "twin.jpg")
    board = np.zeros((48, 24, 3), np.uint8)
    board[::2, :, 0] = board[:, :12, 2] = 255
    Image.fromarray(board).save(root / "yellow" / "board.png")
    return root


@pytest.fixture(scope="session")
def table(lights: Path) -> FeatureTable:
    return table_of(load_dataset(lights))
