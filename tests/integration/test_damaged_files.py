"""Damaged files through every command: one clear line each, no crash. benchmarks/damaged_files does more of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks" / "damaged_files"))

from mutations import KINDS, mutate  # noqa: E402
from trial import commands, judge, run_all  # noqa: E402

FOREIGN = ROOT / "tests" / "golden" / "foreign"
SEED = 11


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    pixels = np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder


def outcomes(files: list[Path], count: int, work: Path, photos: Path) -> Counter[tuple[str, str]]:
    """(command, outcome) of ``count`` damaged copies."""
    jobs: list[dict[str, Any]] = []
    damaged: dict[str, Path] = {}
    # Where golden vectors may be written beside them.
    for file in (Path(shutil.copy(file, work / f"whole.{file.name}")) for file in files):
        jobs += [
            {"id": f"{file.name.removeprefix('whole.')} {name}", "argv": argv}
            for name, argv in commands(file, photos).items()
        ]
    for index in range(count):
        file = files[index % len(files)]
        path = work / f"{index}.{file.name}"
        path.write_bytes(mutate(file.read_bytes(), index, SEED)[1])
        jobs += [{"id": f"{index} {name}", "argv": argv} for name, argv in commands(path, photos).items()]
        damaged[str(index)] = path
    answers = run_all(jobs, work, lambda done, total: None)
    found: Counter[tuple[str, str]] = Counter()
    for key, path in damaged.items():
        for name in commands(path, photos):
            original = answers[f"{files[int(key) % len(files)].name} {name}"]
            outcome, detail = judge(answers[f"{key} {name}"], original, path)
            assert outcome in ("clear error", "same result", "other result"), f"{path.name} {name}: {outcome}: {detail}"
            found[name, outcome] += 1
    return found


def test_damage_to_our_files_never_goes_unnoticed(exported: dict[str, Any], tmp_path: Path, photos: Path) -> None:
    copies = [Path(shutil.copy(artifact.path, tmp_path)) for artifact in exported.values()]
    found = outcomes(copies, 24, tmp_path, photos)
    assert found == Counter({(name, "clear error"): 24 for name in commands(copies[0], photos)})


def test_damage_to_foreign_files_never_crashes(tmp_path: Path, photos: Path) -> None:
    files = [FOREIGN / name for name in ("int8_keras.tflite", "static_qdq.onnx", "float_keras.tflite")]
    found = outcomes(files, 24, tmp_path, photos)
    # What damage leaves whole is run, as any file of another tool.
    for name in ("inspect", "check", "predict", "bench", "golden"):
        assert found[name, "clear error"] >= 12, found


def test_a_foreign_file_is_told_from_a_damaged_one(photos: Path, tmp_path: Path) -> None:
    for name in ("float_keras.tflite", "static_qdq.onnx"):
        argvs = commands(Path(shutil.copy(FOREIGN / name, tmp_path)), photos)
        for command in ("check", "predict", "golden"):
            done = subprocess.run([sys.executable, "-m", "edgekd", *argvs[command]], capture_output=True, text=True)
            assert done.returncode == 1 and done.stdout == "", done.stderr
            assert done.stderr.count("\n") == 1 and "which pixel values does it expect? " in done.stderr
            assert "--pixel-range" in done.stderr


def test_every_kind_of_damage_is_seeded_and_changes_the_file() -> None:
    content = (FOREIGN / "float_keras.tflite").read_bytes()
    for index, (name, _) in enumerate(KINDS):
        assert mutate(content, index, SEED) == mutate(content, index, SEED)
        assert mutate(content, index, SEED)[0] == name and mutate(content, index, SEED)[1] != content
    assert mutate(content, 0, SEED) != mutate(content, 0, SEED + 1)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"sha256": 3, "parity": {}}', b"[" * 200_000])
def test_a_damaged_sidecar_is_named(exported: dict[str, Any], tmp_path: Path, damage: bytes) -> None:
    path = Path(shutil.copy(exported["int8.tflite"].path, tmp_path))
    sidecar = path.with_name(f"{path.name}.json")
    sidecar.write_bytes(damage)
    done = subprocess.run([sys.executable, "-m", "edgekd", "check", str(path)], capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("edgekd: ") and done.stderr.count("\n") == 1, done.stderr
    assert sidecar.name in done.stderr
