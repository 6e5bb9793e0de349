"""Odd names (bytes that are no text, escape sequences, markup) and odd files (pipes, devices, sparse ones)."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from PIL import Image
from room import Outcome, Reply, Room, edgekd

NAMES = {
    "latin-1 bytes": b"caf\xe9", "an escape sequence": b"red\x1b[31m", "a window's title": b"\x1b]0;x\x07y",
    "markup": b"[bold]m[final]", "an emoji code": b":x:", "a right-to-left mark": b"a\xe2\x80\xaeb",
    "a newline": b"a\nb", "a leading dash": b"-rf", "a quote and a command": b"$(touch x)'\"",
    "200 characters": b"n" * 200,
    "spaces at the edges": b" a ", "a script": b"<script>alert(1)<", "percent and braces": b"%s{0}",
}  # fmt: skip
COMMANDS = ("predict", "inspect", "check", "golden", "bench", "run", "label", "export", "report")
SHORT_NAMES, SHORT_COMMANDS = ("latin-1 bytes", "markup"), ("predict",)


def odd_names(room: Room) -> Outcome:
    """Files, photos, class folders, recipes and results with odd names, through every command that takes one."""
    outcome = Outcome()
    for kind in SHORT_NAMES if room.short else NAMES:
        for command in SHORT_COMMANDS if room.short else COMMANDS:
            folder = room.folder("names")
            reply = edgekd(room, *_named(room, command, NAMES[kind], folder), cwd=folder, timeout_s=600)
            raw = "\x1b" in reply.stdout + reply.stderr
            # A name that can't be used is refused in one line; no name changes what is printed or done.
            right = not raw and (reply.status == 0 or reply.refuses()) and not (folder / "x").exists()
            outcome.add(f"{command} with {kind}", reply, right)
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _named(room: Room, command: str, name: bytes, folder: Path) -> list[str]:
    """The words of a command on files with this name."""
    text = os.fsdecode(name)
    model, photo = folder / f"{text}.tflite", folder / f"{text}.png"
    shutil.copy(room.file(), model)
    shutil.copy(room.inputs / "photo.png", photo)
    match command:
        case "predict":
            return [command, "--", f"./{model.name}", f"./{photo.name}"]
        case "inspect":
            return [command, "--", f"./{model.name}"]
        case "golden":
            return [command, "--out", f"./{text}", "--photos", f"./{photo.name}", "--", f"./{model.name}"]
        case "check" | "bench":
            photos = _classes(folder / text, text)
            extra = ["--launches", "1", "--seconds", "0.02", "--out", f"./{text}.json"] if command == "bench" else []
            # The file knows no class of this name: check says so.
            return [command, "--data", f"./{photos.name}", *extra, "--", f"./{model.name}"]
        case "export":
            keras = folder / f"{text}.keras"
            shutil.copy(room.finished_run() / "distill" / "student.keras", keras)
            photos = _classes(folder / "photos", text)
            return [command, "--int8", "--data", f"./{photos.name}", "--out", f"./{text}", "--", f"./{keras.name}"]
        case "report":
            shutil.copytree(room.finished_run(), folder / text)
            return [command, "--", f"./{text}"]
    cameras = shutil.copytree(room.inputs / "cameras", folder / "cameras")
    photo = next((cameras / "labelled" / "apple").iterdir())
    photo.rename(photo.with_name(f"{text}.png"))
    recipe = (cameras / "cameras.toml").rename(cameras / f"{text}.toml")
    options = ["--until", "soft_targets", "--accept-weak-teacher"] if command == "run" else []
    return [command, *options, "--out", f"./{text}", "--", f"./cameras/{recipe.name}"]


def _classes(folder: Path, odd: str) -> Path:
    """Photos of two classes, one of them with an odd name."""
    for name in ("a", odd):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(12):
            shade = (20 * number, 80 if name == "a" else 200, 7 * number)
            Image.new("RGB", (40, 40), shade).save(folder / name / f"{number}.png")
    return folder


def odd_files(room: Room) -> Outcome:
    """A pipe, a device, a sparse file of 40 GB, a folder and a loop in place of a photo, a model and a recipe."""
    outcome = Outcome()
    folder = room.folder("files")
    makers = {"a pipe": _pipe, "a link to /dev/zero": _zero, "40 GB of nothing": _sparse, "a folder": Path.mkdir,
              "a link to itself": lambda path: path.symlink_to(path)}  # fmt: skip
    for kind, make in list(makers.items())[: 2 if room.short else None]:
        place = folder / kind.replace(" ", "-").replace("/", "")
        photos = place / "photos" / "a"
        photos.mkdir(parents=True)
        for number in range(4):
            shutil.copy(room.inputs / "photo.png", photos / f"{number}.png")
        odd = {suffix: place / f"odd.{suffix}" for suffix in ("tflite", "onnx", "keras", "npz", "csv", "toml", "png")}
        for path in (*odd.values(), photos / "odd.png"):
            make(path)
        file = str(room.file())
        recipe = place / "source.toml"
        recipe.write_text('[data]\nsource = "odd.npz"\n')
        lines = {
            "predict the photo": ["predict", file, odd["png"]], "bench on the photos": [
                "bench", file, "--data", photos.parent, "--launches", "1", "--seconds", "0.02", "--photos", "5"],
            "check on the photos": ["check", file, "--data", photos.parent], "inspect": ["inspect", odd["tflite"]],
            "inspect .onnx": ["inspect", odd["onnx"]], "predict with it": ["predict", odd["tflite"], odd["png"]],
            "check it": ["check", odd["onnx"]],
            "golden": ["golden", file, "--out", place / "g", "--photos", odd["png"]],
            "run the recipe": ["run", odd["toml"], "--out", place / "runs"], "check on .npz": [
                "check", file, "--data", odd["npz"]], "check on a CSV": ["check", file, "--data", odd["csv"]],
            "run on .npz": ["run", recipe, "--until", "data", "--out", place / "runs"],
            "export": ["export", odd["keras"], "--int8", "--data", photos.parent, "--out", place / "out"],
        }  # fmt: skip
        for name, words in list(lines.items())[: 2 if room.short else None]:
            reply = edgekd(room, *words, cwd=place, timeout_s=120)
            passed_over = name in ("bench on the photos", "check on the photos") and reply.status in (0, 3)
            outcome.add(f"{name}: {kind}", reply, passed_over or reply.refuses())
    outcome.add(*_changed_photo(room))
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def _changed_photo(room: Room) -> tuple[str, Reply, bool]:
    """A photo that changed with the same size and time since the run began: the next run sees it."""
    folder = room.folder("changed")
    cameras = shutil.copytree(room.inputs / "cameras", folder / "cameras")
    words = ["run", cameras / "cameras.toml", "--until", "soft_targets", "--out", folder / "runs"]
    edgekd(room, *words)
    first = (folder / "runs" / "cameras" / "data" / "dataset.json").read_bytes()
    photo = next((cameras / "labelled" / "apple").iterdir())
    state = photo.stat()
    other = next((cameras / "labelled" / "moon").iterdir()).read_bytes()
    padded = other[: state.st_size] if len(other) >= state.st_size else other + bytes(state.st_size - len(other))
    photo.write_bytes(padded)
    os.utime(photo, ns=(state.st_atime_ns, state.st_mtime_ns))
    time.sleep(0.01)
    reply = edgekd(room, *words)
    changed = (folder / "runs" / "cameras" / "data" / "dataset.json").read_bytes() != first
    shutil.rmtree(folder, ignore_errors=True)
    return "a photo changed with the same size and time", reply, reply.refuses() or (reply.status == 0 and changed)


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _zero(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 40 << 30)
