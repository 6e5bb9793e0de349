"""The Android demo by its one command: built, tested against Python byte for byte, and what is inside its APK."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from support import Project

from edgekd.artifact import Artifact
from edgekd.export.android import add_to_android

ROOT = Path(__file__).parents[2]
TOOLS = {
    "mvn": "maven", "javac": "openjdk-17-jdk-headless", "aapt2": "aapt", "zipalign": "zipalign",
    "apksigner": "apksigner", "gcc": "gcc",
}  # fmt: skip
ABIS = ("arm64-v8a", "armeabi-v7a", "x86", "x86_64")
SMALL_PHOTOS = 36
# The first build of a machine fetches the tools first.
pytestmark = pytest.mark.timeout(1700)
ROAD_PHOTOS = 8


@dataclass(frozen=True)
class Built:
    """What the one command made: ``results`` are its tests' counts, ``rows`` the golden photos of every model."""

    folder: Path
    models: dict[str, Path]
    photos: list[Path]

    @property
    def apk(self) -> Path:
        return self.folder / "build/edgekd-demo.apk"

    def read(self, name: str) -> Any:
        return json.loads((self.folder / "build" / name).read_text())


@pytest.fixture(scope="module")
def built(
    project: Project, finished: Path, exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Built:
    missing = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs: apt-get install {' '.join(missing)}")
    here = tmp_path_factory.mktemp("android")
    assets = here / "app/src/main/assets"
    assets.parent.mkdir(parents=True)
    artifacts = [Artifact.open(finished / f"export/student.{kind}.tflite") for kind in ("int8", "float32")]
    artifacts.append(exported["int8.tflite"])
    photos = own_photos(project, here / "photos")
    for artifact in artifacts:
        add_to_android(artifact, here)
        golden = here / "golden" / artifact.path.stem
        made = project.edgekd("golden", artifact.path, "--out", golden, "--photos", here / "photos")
        assert made.returncode == 0, made.stderr
    argv = [
        "mvn", "-B", "-f", str(ROOT / "android_demo"), "package", f"-Dassets={assets}", f"-Dgolden={here / 'golden'}",
        f"-DbuildDirectory={here / 'build'}",
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, "\n".join(line for line in done.stdout.splitlines() if "ERROR" in line)[-6000:]
    return Built(here, {artifact.path.name: artifact.path for artifact in artifacts}, photos)


def own_photos(project: Project, out: Path) -> list[Path]:
    """Real ones: crops of traffic lights, and a few whole streets where there are any."""
    out.mkdir()
    found = sorted((project.folder / "photos").rglob("*.jpg"))
    found = found[:: max(1, len(found) // SMALL_PHOTOS)][:SMALL_PHOTOS]
    road = sorted((ROOT / "../shared/data/road").rglob("*.jp*g"))
    found += road[:: max(1, len(road) // ROAD_PHOTOS)][:ROAD_PHOTOS]
    return [Path(shutil.copy(path, out / f"{number:03d}.jpg")) for number, path in enumerate(found)]


def test_no_kotlin_test_failed_and_none_was_skipped(built: Built) -> None:
    counts: Counter[str] = Counter()
    for report in (built.folder / "build/surefire-reports").glob("TEST-*.xml"):
        suite = ElementTree.parse(report).getroot()
        counts.update({name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")})
    assert counts["tests"] >= 13
    assert (counts["failures"], counts["errors"], counts["skipped"]) == (0, 0, 0)


def test_every_photo_but_a_tiff_gives_pythons_tensor(built: Built) -> None:
    for model in built.read("byte_for_byte.json"):
        rows = model["photos"]
        assert len(rows) >= 100
        kinds = Counter(row["kind"] for row in rows)
        equal = Counter(row["kind"] for row in rows if not row["unread"] and row["difference"] == 0)
        assert equal == {kind: n for kind, n in kinds.items() if kind != "tiff"}, model["model"]
        assert {row["unread"] for row in rows if row["kind"] == "tiff"} == {
            "This is a TIFF, which Android does not read. Convert it to PNG."
        }


def test_every_answer_is_that_of_predict(built: Built, project: Project) -> None:
    for model in built.read("byte_for_byte.json"):
        rows = {row["name"]: row for row in model["photos"] if not row["unread"]}
        done = project.edgekd("predict", built.models[model["model"]], *built.photos, "--json")
        assert done.returncode == 0, done.stderr
        for number, answer in enumerate(json.loads(done.stdout)):
            row = rows.pop(f"own-{number:04d}")
            wanted = np.array([answer["probabilities"][label] for label in model["labels"]])
            given = np.array(row["probabilities"])
            if model["precision"] == "float32":
                assert np.abs(given - wanted).max() <= 1e-4
            assert given.argmax() == wanted.argmax(), (model["model"], number, given, wanted)
        if model["precision"] == "float32":
            assert all(row["top"] == row["wanted"] for row in rows.values())


def test_models_were_swapped_without_touching_kotlin(built: Built) -> None:
    facts = {m["model"]: (m["width"], m["height"], m["crop"], m["labels"]) for m in built.read("byte_for_byte.json")}
    assert facts["tiny.int8.tflite"] == (48, 48, "CENTER", ["crossing", "kerb & gutter", "Straße"])
    assert facts["student.int8.tflite"] == (32, 32, "WHOLE", ["green", "red", "yellow"])
    sources = list((ROOT / "android_demo/app/src/main/java").rglob("*.kt"))
    assert len(sources) >= 2
    for path in sources:
        assert not re.search(r"\b(224|127\.5|yellow|ImageNet)\b", path.read_text()), path.name


def test_every_broken_model_says_what_is_wrong(built: Built) -> None:
    said = built.read("broken_models.json")
    assert len(said) >= 20
    assert all(message.endswith((".", "edgekd export", "--batch 1")) and len(message) > 20 for message in said.values())
    assert len(set(said.values())) >= 12


def test_the_apk_says_what_it_is_and_is_signed(built: Built) -> None:
    badging = subprocess.run(["aapt2", "dump", "badging", built.apk], capture_output=True, text=True, check=True).stdout
    assert "package: name='org.edgekd.demo' versionCode='1'" in badging
    assert "sdkVersion:'24'" in badging
    assert "targetSdkVersion:'35'" in badging
    assert "launchable-activity: name='org.edgekd.demo.MainActivity'" in badging
    assert "native-code: " + " ".join(f"'{abi}'" for abi in ABIS) in badging
    verified = subprocess.run(["apksigner", "verify", "-v", built.apk], capture_output=True, text=True, check=True)
    assert "Verified using v2 scheme (APK Signature Scheme v2): true" in verified.stdout


def test_models_and_libraries_are_stored_where_they_can_be_mapped(built: Built) -> None:
    with zipfile.ZipFile(built.apk) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        for name, path in built.models.items():
            assert archive.read(f"assets/{name}") == path.read_bytes()
        assert archive.read("classes.dex")[:4] == b"dex\n"
    offsets = {name: data_offset(built.apk, entry) for name, entry in entries.items()}
    for name in built.models:
        assert entries[f"assets/{name}"].compress_type == zipfile.ZIP_STORED
        assert offsets[f"assets/{name}"] % 4 == 0
    libraries = {name for name in entries if name.endswith(".so")}
    assert libraries == {f"lib/{abi}/libtensorflowlite_jni.so" for abi in ABIS}
    assert all(entries[name].compress_type == zipfile.ZIP_STORED and offsets[name] % 4096 == 0 for name in libraries)


def test_the_page_size_of_every_native_library_is_known(built: Built) -> None:
    with zipfile.ZipFile(built.apk) as archive:
        pages = {abi: page_bytes(archive.read(f"lib/{abi}/libtensorflowlite_jni.so")) for abi in ABIS}
    # Play asks for 16384 on 64 bits, which the Gradle build's LiteRT has and TensorFlow Lite 2.16.1 does not.
    assert pages == dict.fromkeys(ABIS, 4096)


def data_offset(apk: Path, entry: zipfile.ZipInfo) -> int:
    with apk.open("rb") as stream:
        stream.seek(entry.header_offset + 26)
        name, extra = struct.unpack("<HH", stream.read(4))
    return entry.header_offset + 30 + int(name) + int(extra)


def page_bytes(library: bytes) -> int:
    """The smallest alignment of an ELF file's loaded segments."""
    wide = library[4] == 2
    start, size, count = (
        (*struct.unpack_from("<Q", library, 32), *struct.unpack_from("<HH", library, 54)) if wide
        else (*struct.unpack_from("<I", library, 28), *struct.unpack_from("<HH", library, 42))
    )  # fmt: skip
    headers = [start + size * number for number in range(count)]
    loaded = [at for at in headers if struct.unpack_from("<I", library, at)[0] == 1]
    return min(struct.unpack_from("<Q" if wide else "<I", library, at + (48 if wide else 28))[0] for at in loaded)
