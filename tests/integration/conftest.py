"""A small real run, made once: traffic-light photos, a real teacher, a student that a phone would not notice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import Project

from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.errors import DataError


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Every yellow photo and as many of the others, and 64 more without their labels."""
    try:
        folder, _ = traffic_light_folders()
    except DataError as error:
        pytest.skip(str(error))
    here = tmp_path_factory.mktemp("project")
    for colour in ("green", "red", "yellow"):
        photos = sorted((folder / colour).iterdir())
        (here / "photos" / colour).mkdir(parents=True)
        for photo in photos[:35]:
            shutil.copy(photo, here / "photos" / colour / photo.name)
        (here / "more").mkdir(exist_ok=True)
        for photo in photos[35:67]:
            shutil.copy(photo, here / "more" / f"{colour}-{photo.name}")
    return Project(here)


@pytest.fixture(scope="session")
def finished(project: Project) -> Path:
    """The run directory of a whole run."""
    done = project.edgekd("run", project.recipe("whole"), "--out", "runs")
    assert done.returncode == 0, done.stderr
    return project.folder / "runs" / "whole"
