"""Hostile SavedModels, devices that answer without end, Ray's way out of this machine, and 50,000 alike frames."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from common import ROOT, TESTS
from mutants import CLASSES
from room import Outcome, Room, edgekd
from trial import run_all

_FRAMES_S = 60.0
# export takes a SavedModel only as the way to a .keras file, and opens none.
_REFUSALS = {"label": "which image classifiers are not made of", "export": "SavedModel"}
_MEMORY_BYTES = 4 << 30
_LOOPBACK = re.compile(r'"(::ffff:)?127\.|"::1"|sun_path|AF_NETLINK|AF_UNIX')

# What stands in for adb and ssh: each answers as far as it must to be asked on, and then does not stop.
_PHONE = 'printf "List of devices attached\\nX\\tdevice\\n"'
ADB = {
    "the list of phones": 'yes "$0"',
    "every command": f'case "$*" in devices*) {_PHONE};; *) yes "$0";; esac',
    "every message": f'case "$*" in devices*) {_PHONE};; *) yes "$0" >&2;; esac',
}
SSH = {
    "an endless answer": 'yes "$0"',
    "endless messages": 'yes "$0" >&2',
    "a wrapper whose child holds the pipes": "sleep 7171 & exit 0",
    "a wrapper whose child outlives it": "sleep 7171 & exit 255",
}


def saved_models(room: Room) -> Outcome:
    """Graphs that write, read, print or connect beside classifying: refused by the op's name, and nothing happens."""
    sys.path.insert(0, str(TESTS / "teacher"))
    from hostile_saved_models import HOSTILE, save

    folder, outcome = room.folder("saved"), Outcome()
    (room.inputs / "list.txt").write_text(f"{room.inputs / 'photo.png'}\n", encoding="utf-8")
    jobs, targets = [], {}
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        for name in list(HOSTILE)[: room.many(len(HOSTILE), 3)]:
            place = folder / name.replace(" ", "-")
            place.mkdir()
            act, _ = HOSTILE[name]
            save(place / "model", act, f"port:{port}" if name == "tf.data service" else str(place / "target"))
            # Building the graph runs none of it, but for what its author does meanwhile.
            targets[name] = sorted(place.glob("target*"))
            recipe = place / "recipe.toml"
            recipe.write_text(
                f'name = "m"\n[data]\nsource = {json.dumps(str(room.inputs / "photos"))}\n[teacher]\nmodel = "model"\n'
                f'train = false\nclasses = {json.dumps(CLASSES[:3])}\n[student]\nmodel = "cnn:4@32"\n',
                encoding="utf-8",
            )
            label = ["label", str(recipe), "--photos", str(room.inputs / "list.txt"), "--to", str(place / "labels")]
            export = ["export", str(place / "model"), "--int8", "--data", str(room.inputs / "photos"), "--out",
                      str(place / "out")]  # fmt: skip
            jobs += [{"id": f"{name}|label", "argv": label}, {"id": f"{name}|export", "argv": export}]
        replies = run_all(jobs, folder, lambda done, total: None)
        for job in jobs:
            name, command = job["id"].split("|")
            reply, what = replies[job["id"]], f"{command} of {name}"
            outcome.tried += 1
            if "died" in reply or reply.get("traceback"):
                outcome.crashed.append(f"{what}: {reply}"[:300])
            elif "hung" in reply:
                outcome.hung.append(what)
            elif reply["code"] == 0 or _REFUSALS[command] not in reply["stderr"]:
                outcome.wrong.append(f"{what}: exit {reply['code']}: {reply['stderr'][-300:]}")
        for name, before in targets.items():
            new = sorted(set((folder / name.replace(" ", "-")).glob("target*")) - set(before))
            outcome.wrong += [f"{name} wrote {path.name}" for path in new]
        try:
            server.accept()
            outcome.wrong.append("tf.data service connected")
        except TimeoutError:
            pass
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def devices(room: Room) -> Outcome:
    """Programs in the place of adb and ssh: a device error in limited time and memory, and no process left."""
    outcome = Outcome()
    photos, file = room.inputs / "photos", room.file()
    for program, scripts in (("adb", ADB), ("ssh", SSH)):
        address = "adb:X" if program == "adb" else "ssh:nobody@127.0.0.1"
        for what, script in list(scripts.items())[: room.many(9, 1)]:
            folder = room.folder("device")
            wrapper = folder / "bin" / program
            wrapper.parent.mkdir()
            wrapper.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            wrapper.chmod(0o755)
            environment = {"PATH": f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}", "TMPDIR": str(folder)}
            for name, words in {
                "devices": ["devices", "--device", address],
                "bench": ["bench", file, "--data", photos, "--device", address, "--launches", "1", "--seconds", "0.02"],
            }.items():
                reply = edgekd(room, *words, env=environment, prepare=_limit_memory, timeout_s=400)
                left = _with_words(str(wrapper)) + [
                    f"file {path.name}" for path in folder.iterdir() if path.name != "bin"
                ]
                outcome.add(f"{name}, {program} is {what}", reply, reply.status == 4, left)
            shutil.rmtree(folder, ignore_errors=True)
    return outcome


def ray_network(room: Room) -> Outcome:
    """Every connect of a run with ``--ray`` and of all that it starts, by strace: none leaves this machine."""
    outcome = Outcome()
    if shutil.which("strace") is None or importlib.util.find_spec("ray") is None:
        return Outcome(remark="not tried: needs strace and ray")
    folder = room.folder("ray")
    words = ["label", str(room.inputs / "cameras" / "cameras.toml"), "--out", str(folder / "runs"), "--ray"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(folder)}
    tracer = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(folder / "calls")]
    argv = [*tracer, sys.executable, "-m", "edgekd", *words]
    status = subprocess.run(argv, env=environment, capture_output=True, timeout=600, check=False).returncode
    calls = [
        line for line in (folder / "calls").read_text(errors="replace").splitlines() if "sa_family=AF_INET" in line
    ]
    outside = [call for call in calls if not _LOOPBACK.search(call)]
    outcome.tried, outcome.remark = len(calls), "connections of one command; exit code " + str(status)
    outcome.wrong = [re.sub(r"\s+", " ", call)[:200] for call in outside] + ([f"exit {status}"] if status else [])
    shutil.rmtree(folder, ignore_errors=True)
    return outcome


def alike_frames(room: Room) -> Outcome:
    """50,000 frames of one camera: grouped in under a minute of one CPU."""
    spec = importlib.util.spec_from_file_location("near_duplicates", ROOT / "benchmarks" / "near_duplicates" / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    row: Mapping[str, float] = module.measure("one camera", room.many(50_000, 2000))
    late = [f"{row['cpu_seconds']} s"] if row["cpu_seconds"] > _FRAMES_S else []
    return Outcome(tried=1, wrong=late, remark=f"{row['count']:,.0f} frames in {row['cpu_seconds']:.1f} s of one CPU")


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _with_words(word: str) -> list[str]:
    """Commands that still run and name this path, or a sleep of ours; they are killed."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if word in command or "sleep 7171" in command:
                found.append(f"process {command.strip()[:60]}")
                os.kill(int(place.name), 9)
    return found
