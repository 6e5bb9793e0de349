"""Whatever a command is given, it ends in one of edgekd's messages and exit codes, never in a traceback."""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edgekd.cli import commands

# {x} is the odd file, {good} an exported file, {photos} a folder of photos, {photo} one of them, {out} a free name.
LINES = (
    "init {x} --out {out}",
    "init {photos} --unlabelled {x} --out {out}",
    "fit {x} --max-size 150KB --out {out}",
    "fit {photos} --unlabelled {x} --max-size {x} --out {out}",
    "run {x} --out {out}",
    "train {x} --out {out}",
    "distill {x} --out {out} --until nothing",
    "label {x} --out {out}",
    "label {x} --photos {x} --to {out}",
    "sweep {x} --students cnn:8@32,cnn:9@32 --out {out}",
    "sweep {x} --students {x} --pick {x}",
    "recipe {x}",
    "export {x} --int8 --data {photos} --out {out}",
    "export {x} --data {x} --out {x}",
    "check {x}",
    "check {good} --data {x}",
    "check {good} --data {photos} --reference {x}",
    "predict {x} {photo}",
    "predict {good} {x}",
    "inspect {x}",
    "inspect {x} --no-run --json",
    "golden {x} --out {out}",
    "golden {good} --check {x}",
    "golden {good} --out {out} --photos {x}",
    "demo {x} --out {out}",
    "audit {x} --out {out}",
    "android {x} --into {photos}",
    "android {good} --into {x}",
    "ios {x} --into {out}",
    "js {x} --into {out}",
    "dart {x} --into {out}",
    "bench {x} --data {photos}",
    "bench {good} {x} --data {photos}",
    "bench {good} --data {x}",
    "bench {good} --data {photos} --apk {x} --device {x}",
    "compare {x} {x} --max-slowdown 1.1",
    "report {x}",
    "report {x} {x} --out {out}",
    "devices --device {x}",
    "devices setup {x}",
    "{x}",
    "--{x}",
)


def odd_files(folder: Path, good: Path) -> dict[str, Path]:
    """Files that a user could name by mistake, and some that nobody would."""
    rng, content = random.Random(0), good.read_bytes()
    (folder / "empty folder").mkdir()
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "run" / "data").mkdir(parents=True)
    (folder / "run" / "data" / "dataset.json").write_text("{}")
    (folder / "run" / "run.json").write_text("[]")
    bytes_of = {
        "empty": b"",
        "noise": rng.randbytes(5000),
        "nul.toml": b"\0" * 100,
        "latin1.toml": 'name = "Straße"'.encode("latin-1"),
        "wrong.toml": b"[data]\nsource = 3\n[nonsense]\nx = 1\n",
        "deep.json": b"[" * 100_000,
        "null.json": b"null",
        "list.json": b"[]",
        "later.json": json.dumps({"schema": 99, "measurements": {}}).encode(),
        "m[final].tflite": content[: len(content) // 2],
        "flipped.tflite": bytes(byte ^ (0xFF if rng.random() < 0.02 else 0) for byte in content),
        "renamed.onnx": content,
        "not.keras": b"PK\x03\x04" + rng.randbytes(500),
        "photo.jpg": b"\xff\xd8\xff\xe0" + rng.randbytes(500),
        "\x1b[31mred\x1b[0m:x:.csv": b"a,b\n1\n2,3,4\n",
        "quoted.csv": b'filename,label\n"x.png,a\n',
    }
    paths = {}
    for name, value in bytes_of.items():
        paths[name] = folder / name
        paths[name].write_bytes(value)
    os.mkfifo(folder / "pipe.npz")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "large.keras").touch()
    os.truncate(folder / "large.keras", 40 << 30)
    latin = folder / "caf\udce9.txt"
    latin.write_bytes(b"text")
    others = {
        name: folder / name
        for name in ("missing", "empty folder", "loop", "run", "x" * 300, "pipe.npz", "zero.json", "large.keras")
    }
    return {
        **paths,
        **others,
        "latin-1 name": latin,
        "below a file": paths["empty"] / "below",
        "proc": Path("/proc/1/mem"),
    }


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command in this process, and check how it ended."""
    monkeypatch.chdir(tmp_path)

    def run(argv: list[str]) -> int:
        try:
            code = commands._run(argv)
        except SystemExit as error:  # as doctor ends
            code = int(error.code or 0)
        out, err = capsys.readouterr()
        assert code in (0, 1, 2, 3, 4), argv
        assert "Traceback" not in out + err and "This is an error in edgekd" not in err, f"{argv}: {err}"
        assert "\x1b" not in out + err, argv
        assert code == 0 or err.strip(), f"{argv} says nothing"
        return code

    return run


@pytest.mark.parametrize("line", LINES)
def test_odd_files(line: str, run: Callable[..., int], exported: dict[str, Any], images: Any, tmp_path: Path) -> None:
    good = exported["int8.tflite"].path
    (tmp_path / "photos" / "a").mkdir(parents=True)
    for number, image in enumerate(images[:3]):
        Image.fromarray(image).save(tmp_path / "photos" / "a" / f"{number}.png")
    (tmp_path / "odd").mkdir()
    names = {"good": good, "photos": tmp_path / "photos", "photo": tmp_path / "photos" / "a" / "0.png"}
    for number, (name, path) in enumerate(odd_files(tmp_path / "odd", good).items()):
        values = {key: str(value) for key, value in names.items()} | {
            "x": str(path),
            "out": str(tmp_path / f"o{number}"),
        }
        code = run([word.format(**values) for word in line.split(" ")])
        assert code != 0 or name in ("renamed.onnx", "empty folder", "flipped.tflite"), f"{line} took {name}"


@pytest.mark.parametrize(
    "place", ["/proc/edgekd", "{file}/below", "{file}"], ids=["read-only", "below a file", "a file"]
)
@pytest.mark.parametrize(
    "line",
    [
        "run {recipe} --out {out}",
        "sweep {recipe} --students cnn:8@32,cnn:9@32 --out {out}",
        "export {good} --data {photos} --out {out}",
        "golden {good} --out {out}",
        "bench {good} --data {photos} --out {out}",
    ],
)
def test_a_place_that_cannot_be_written_to_is_found_before_the_work(
    line: str,
    place: str,
    run: Callable[..., int],
    exported: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "r"\n[data]\nsource = "photos"\n')
    for work in ("edgekd.data.load.load_dataset", "edgekd.models.load.load_model", "edgekd.bench.harness.measure"):
        monkeypatch.setattr(work, lambda *_, **__: pytest.fail("it began to work"))
    values = {"recipe": str(recipe), "good": str(exported["int8.tflite"].path), "photos": str(tmp_path)}
    words = [word.format(out=place.format(file=file), **values) for word in line.split(" ")]
    assert run(words) == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(28, "No space left on device", "/data/x.npy"),
            "/data/x.npy: No space left on device. Free some space",
        ),
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied. Check its rights"),
        (MemoryError(), "not enough memory ("),
        (RuntimeError("Symlink loop from '/a/b'"), "'/a/b' is a link to itself. Check the path"),
        (RuntimeError("can't start new thread"), "no more threads can be started"),
        (SystemError("error return without exception set"), "not enough memory"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid"), "cannot be read or written as UTF-8"),
        (KeyError("x"), "unexpected KeyError: 'x' (at test"),
    ],
)
def test_the_machines_own_errors_are_one_line(
    error: Exception, message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("edgekd.doctor.examine", fail)
    assert commands._run(["doctor"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("edgekd: ") and err.count("\n") == 1 and message.replace(" (at test", "") in err
    monkeypatch.setenv("EDGEKD_TRACEBACK", "1")
    with pytest.raises(type(error)):
        commands._run(["doctor"])


def test_a_signal_that_a_library_turned_into_its_own_error_is_still_the_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgekd import stopping

    def fail() -> None:
        raise ImportError("initialization failed")

    monkeypatch.setattr("edgekd.doctor.examine", fail)
    monkeypatch.setattr(stopping._State, "number", 15)
    with pytest.raises(stopping.Stopped) as stopped:
        commands._run(["doctor"])
    assert stopped.value.exit_code == 143


def test_a_full_folder_for_temporary_files_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgekd.errors import ExportError

    def fail() -> None:
        raise ExportError("the converter could not convert conv2d_3")

    monkeypatch.setattr("edgekd.doctor.examine", fail)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 0})())
    assert commands._run(["doctor"]) == 1
    assert "the folder for temporary files, is full: free some space in it, or set TMPDIR" in capsys.readouterr().err


def test_the_fuzz_names_every_command() -> None:
    # quickstart and doctor read no file; compare, devices and the rest do.
    named = {line.split(" ")[0] for line in LINES}
    assert {name for name, _, _ in commands.COMMANDS} - named == {"quickstart", "doctor"}
    assert sys.version_info >= (3, 11)
