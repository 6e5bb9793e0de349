"""A small real run, made once: traffic-light photos, a real teacher, a student that a phone would not notice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from android_build import AGAIN, Built, build_bare, build_demo, missing_packages
from bench_plans import phone_plan, phone_targets
from frame_cases import random_cases, write_cases
from photo_kinds import write_photos
from recorded_agent import RecordingAgent
from sharing import shared
from support import Project, recipe_text
from tag_photos import colour_tags

from edgekd.bench import measure
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DataError


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Every yellow photo and as many of the others, and 64 more without their labels."""
    try:
        folder, _ = traffic_light_folders()
    except DataError as error:
        pytest.skip(str(error))

    def make(here: Path) -> None:
        for colour in ("green", "red", "yellow"):
            photos = sorted((folder / colour).iterdir())
            (here / "photos" / colour).mkdir(parents=True)
            for photo in photos[:35]:
                shutil.copy(photo, here / "photos" / colour / photo.name)
            (here / "more").mkdir(exist_ok=True)
            for photo in photos[35:67]:
                shutil.copy(photo, here / "more" / f"{colour}-{photo.name}")

    return Project(shared(tmp_path_factory, "project", make))


@pytest.fixture(scope="session")
def finished(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a whole run, which no test may change."""

    def make(_: Path) -> None:
        done = project.edgekd("run", project.recipe("whole"), "--out", "runs")
        assert done.returncode == 0, done.stderr

    shared(tmp_path_factory, "finished", make)
    return project.folder / "runs" / "whole"


@pytest.fixture(scope="session")
def tags_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of a whole run with several tags a photo, which no test may change."""

    def make(here: Path) -> None:
        project = colour_tags(here)
        done = project.edgekd("run", "tags.toml", "--out", "runs")
        assert done.returncode == 0, done.stderr

    return shared(tmp_path_factory, "tags", make) / "runs" / "tags"


@pytest.fixture(scope="module")
def readme_folder(project: Project, finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The README's own folder, where the recipe is a small one so that running it takes seconds."""
    here = tmp_path_factory.mktemp("readme")
    shutil.copytree(project.folder / "photos", here / "photos")
    shutil.copytree(project.folder / "more", here / "more-photos")
    shutil.copytree(finished, here / "runs" / "litter")
    shutil.copy(next((here / "photos" / "red").iterdir()), here / "photo.jpg")
    shutil.copy(finished / "distill" / "student.keras", here / "student.keras")
    names = sorted(str(path.relative_to(here)) for path in (here / "more-photos").iterdir())
    (here / "photos.txt").write_text("\n".join(names), encoding="utf-8")
    manifest = here / "YourApp" / "app" / "src" / "main" / "AndroidManifest.xml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("<manifest/>", encoding="utf-8")
    small = recipe_text("litter").replace('"more"', '"more-photos"')
    (here / "litter.toml").write_text(small, encoding="utf-8")
    return here


@pytest.fixture(scope="session")
def built(finished: Path, decided: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The Android demo by its one command, as cloned, and then with three models, one of which gives tags."""
    missing = missing_packages()
    if missing:
        pytest.skip(f"needs: apt-get install {' '.join(missing)}")
    here = tmp_path_factory.mktemp("android")
    models = [finished / f"export/student.{kind}.tflite" for kind in ("int8", "float32")]
    photos = write_photos(here / "photos")
    phone = FakeDevice(lambda argv, files: pytest.fail(f"ran {argv}"))
    measure(phone_targets(finished), "student.float32", phone_plan(), phone, agent=RecordingAgent(here / "plans"))
    write_cases(here / "frames.bin", random_cases(400, seed=22))
    given = {
        "plans": here / "plans", "replies": here / "replies", "screenshots": here / "screenshots",
        "frames": here / "frames.bin",
    }  # fmt: skip
    build_bare(here)
    return build_demo(here, [*models, decided["tags.int8.tflite"].path], photos, AGAIN, given)
