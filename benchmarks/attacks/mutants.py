"""Whole files with other numbers in them: what no checksum tells from a model, in every command that takes one."""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mutations import KINDS, mutate
from onnx_edits import edited_onnx, endless_onnx
from room import CLASSES, Outcome, Room
from table_edits import edited_tables
from trial import run_all

from edgekd.errors import EdgekdError
from edgekd.formats import artifact

SEED = 17
_BARE_S = 10
# Bounds what a mutant that asks for the whole machine can take from it.
_MEMORY_BYTES = 24 << 30
COMMANDS = ("predict", "check", "inspect", "bench", "label")


def write_mutants(room: Room, name: str, count: int, folder: Path) -> list[Path]:
    """``count`` copies of an exported file with one or two numbers of its graph changed, and with a seal that fits."""
    source, paths, index = room.file(name), [], 0
    content = source.read_bytes()
    while len(paths) < count:
        generator = np.random.default_rng([SEED, index])
        index += 1
        finer = name.endswith("onnx") and index % 4
        try:
            mutant = artifact.seal((edited_onnx if finer else edited_tables)(content, generator), source.name)
        except (EdgekdError, ValueError, TypeError, OverflowError, AttributeError, IndexError):
            continue  # nothing that can be written
        if mutant != content:
            paths.append(folder / f"m{len(paths):04d}.{name}")
            paths[-1].write_bytes(mutant)
    if name.endswith("onnx"):
        paths[-1].write_bytes(artifact.seal(endless_onnx(content), source.name))
    return paths


def in_a_bare_runtime(paths: list[Path]) -> dict[Path, str]:
    """How each ends that is loaded and run without any care: runs, refused, hangs, dies SIGNAL."""
    script = Path(__file__).with_name("_bare.py")
    argv = [sys.executable, str(script), str(_BARE_S), *map(str, paths)]
    done = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60 + _BARE_S * len(paths))
    return dict(zip(paths, done.stdout.splitlines(), strict=True))


def words(room: Room, command: str, path: Path) -> list[str]:
    """A command's words with this file."""
    photos = str(room.inputs / "photos")
    if command == "label":
        return ["label", str(_recipe(room, path)), "--photos", str(room.inputs / "list.txt"), "--to", f"{path}.labels"]
    options = {
        "inspect": ["--json"],
        "predict": [str(room.inputs / "photo.png"), "--json"],
        "check": ["--data", photos, "--json"],
        "bench": ["--data", photos, "--photos", "1", "--check", "0", "--launches", "1", "--seconds", "0.02", "--json"],
    }
    return [command, str(path), *options[command]]


def attack(room: Room, name: str, count: int) -> Outcome:
    """Each mutant through one command in turn; those that kill the bare runtime through all of them."""
    folder = room.folder("mutants")
    paths = write_mutants(room, name, count, folder)
    bare = in_a_bare_runtime(paths)
    counts = Counter(bare.values())
    jobs = []
    for number, path in enumerate(paths):
        for command in _commands(bare[path], number):
            jobs.append({"id": f"{command} {path.name}", "argv": words(room, command, path)})
    outcome = judge_all(room, jobs, folder)
    outcome.remark = f"{count} mutants; in a bare runtime: " + ", ".join(f"{counts[k]} {k}" for k in sorted(counts))
    return outcome


def _commands(bare: str, number: int) -> tuple[str, ...]:
    if bare == "hangs":
        return COMMANDS[:1]  # minutes each
    return COMMANDS if bare.startswith("dies") else COMMANDS[number % len(COMMANDS) :][:1]


def other_files(room: Room, count: int) -> Outcome:
    """.keras, .h5, .npz and .pth: damaged, with other configurations, and far larger than they look."""
    folder = room.folder("other")
    sources = _other_sources(room, folder)
    jobs = []
    for index in range(count):
        kind = list(sources)[index % len(sources)]
        generator = np.random.default_rng([SEED, index])
        content = sources[kind].read_bytes()
        structured = kind == "keras" and index % 8 < 4
        mutant = _edited_config(content, generator) if structured else _damaged(content, index)
        path = folder / f"o{index:04d}.{kind}"
        path.write_bytes(mutant)
        jobs.append({"id": f"{kind} {path.name}", "argv": _other_words(room, kind, path)})
    for kind, path in _bombs(folder).items():
        jobs.append({"id": f"bomb {kind} {path.name}", "argv": _other_words(room, kind, path)})
    outcome = judge_all(room, jobs, folder)
    outcome.remark = f"{', '.join(f'.{kind}' for kind in sources)}; and an archive of each kind that unpacks to 40 GB"
    return outcome


def _damaged(content: bytes, index: int) -> bytes:
    """The damage of that index, of all kinds but the last one, which edits the tables of exported files."""
    turn, kind = divmod(index, len(KINDS) - 1)
    return mutate(content, turn * len(KINDS) + kind, SEED)[1]


def judge_all(room: Room, jobs: list[dict[str, Any]], folder: Path) -> Outcome:
    """Run every command; right is a result, or one clear error."""
    (room.inputs / "list.txt").write_text(f"{room.inputs / 'photo.png'}\n")
    with address_space(_MEMORY_BYTES):
        replies = run_all(jobs, folder, lambda done, total: None)
    outcome = Outcome(tried=len(jobs))
    for job in jobs:
        name, reply = job["id"], replies[job["id"]]
        if "died" in reply:
            outcome.crashed.append(f"{name}: {reply['died']}")
        elif "hung" in reply:
            outcome.hung.append(name)
        elif reply["traceback"] or "This is an error in edgekd" in reply["stderr"]:
            outcome.crashed.append(f"{name}: {(reply['traceback'] or reply['stderr']).strip().splitlines()[-1][:300]}")
        elif reply["code"] not in (0, 1, 2, 3, 4) or (reply["code"] in (1, 2, 4) and "edgekd: " not in reply["stderr"]):
            outcome.wrong.append(f"{name}: exit {reply['code']}: {reply['stderr'][-200:]}")
        elif name.startswith("bomb") and reply["code"] == 0:
            outcome.wrong.append(f"{name}: taken")
    return outcome


@contextlib.contextmanager
def address_space(most: int) -> Iterator[None]:
    """Let this process and those that it starts have no more memory than this."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def _recipe(room: Room, model: Path) -> Path:
    path = model.with_name(f"{model.name}.toml")
    path.write_text(
        f'name = "mutant"\n[data]\nsource = {json.dumps(str(room.inputs / "photos"))}\nviews = {{ views = 1 }}\n'
        f"[teacher]\nmodel = {json.dumps(str(model))}\ntrain = false\nclasses = {json.dumps(CLASSES)}\n"
        '[student]\nmodel = "cnn:4@32"\n'
    )
    return path


def _other_sources(room: Room, folder: Path) -> dict[str, Path]:
    from edgekd.quiet import import_keras

    import_keras()
    import keras

    model = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3, activation="relu"),
         keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(5, activation="softmax")]
    )  # fmt: skip
    paths = {kind: folder / f"whole.{kind}" for kind in ("keras", "h5", "npz", "pth")}
    model.save(paths["keras"])
    model.save(paths["h5"])
    images = np.random.default_rng(0).integers(0, 256, (25, 32, 32, 3), dtype=np.uint8)
    np.savez_compressed(paths["npz"], images=images, labels=np.arange(25) % 5)
    paths["pth"].write_bytes(_legacy_checkpoint())
    return paths


def _legacy_checkpoint() -> bytes:
    """The beginning of a checkpoint as PyTorch wrote them before 1.6, with no tensor in it."""
    import pickle

    stream = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {}, []):
        pickle.dump(value, stream, protocol=2)
    return stream.getvalue()


def _other_words(room: Room, kind: str, path: Path) -> list[str]:
    if kind == "pth":
        return ["predict", str(path), str(room.inputs / "photo.png")]
    recipe = path.with_name(f"{path.name}.toml")
    source = path if kind == "npz" else room.inputs / "photos"
    model = str(room.file("float32.onnx")) if kind == "npz" else str(path)
    pixels = "" if kind == "npz" else "pixel_range = [0, 255]\n"
    classes = "" if kind == "npz" else f"classes = {json.dumps(CLASSES)}\n"
    recipe.write_text(
        f'name = "{path.stem}"\n[data]\nsource = {json.dumps(str(source))}\n[teacher]\nmodel = {json.dumps(model)}\n'
        f'train = false\n{classes}{pixels}[student]\nmodel = "cnn:4@32"\n'
    )
    if kind == "npz":
        return ["run", str(recipe), "--until", "data", "--out", str(path.parent / "runs")]
    return ["label", str(recipe), "--photos", str(room.inputs / "list.txt"), "--to", f"{path}.labels"]


def _edited_config(content: bytes, generator: np.random.Generator) -> bytes:
    """A .keras archive with one value of its configuration changed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for member in old.infolist():
            text = old.read(member)
            if member.filename == "config.json":
                config = json.loads(text)
                places = list(_places(config))
                holder, key = places[int(generator.integers(len(places)))]
                odd = (-1, 0, 1 << 40, 1e300, "x", "\x1b[31m", None, [], {}, [[]], {"class_name": "Lambda"}, True)
                holder[key] = odd[int(generator.integers(len(odd)))]
                text = json.dumps(config).encode()
            new.writestr(member.filename, text)
    return stream.getvalue()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


def _bombs(folder: Path) -> dict[str, Path]:
    """Small archives whose members unpack to 40 GB of zeros."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (40_000, 1000, 1000)}
    )
    paths = {}
    for kind, member, start in (("npz", "images.npy", header.getvalue()), ("keras", "model.weights.h5", b"\x89HDF")):
        paths[kind] = folder / f"bomb.{kind}"
        with zipfile.ZipFile(paths[kind], "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, text in (("metadata.json", "{}"), ("config.json", "{}")) if kind == "keras" else ():
                archive.writestr(name, text)
            with archive.open(member, "w", force_zip64=True) as stream:
                stream.write(start)
                block = bytes(100 << 20)
                for _ in range(400):
                    stream.write(block)
    return paths
