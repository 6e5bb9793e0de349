"""Put damaged files through the commands that take a file, in processes whose death is noticed and attributed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
OUTCOMES = ("crash", "hang", "traceback", "unclear error", "clear error", "same result", "other result")
_STALLED_S = 300.0


@dataclass(frozen=True)
class Trial:
    """One damaged file and one command; ``detail`` is the error, or what died."""

    file: str
    mutation: str
    command: str
    outcome: str
    detail: str
    seconds: float


def commands(file: Path, photos: Path) -> dict[str, list[str]]:
    """Every command that takes a .tflite or .onnx."""
    photo = str(sorted(photos.iterdir())[0])
    return {
        "inspect": ["inspect", str(file), "--json"],
        "check": ["check", str(file), "--json"],
        "predict": ["predict", str(file), photo, "--json"],
        "bench": ["bench", str(file), "--data", str(photos), "--photos", "1", "--launches", "1", "--json"],
        "golden": ["golden", str(file), "--out", f"{file}.golden", "--json"],
    }


def run_all(jobs: Sequence[dict[str, Any]], work: Path, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Replies by job id: of the command, or {"died": signal} or {"hung": True} where its process ended with it."""
    replies: dict[str, Any] = {}
    left, out = list(jobs), work / "answers.jsonl"
    while left:
        out.unlink(missing_ok=True)
        (work / "jobs.json").write_text(json.dumps(left), encoding="utf-8")
        before = len(replies)
        status = _batch(work, out, lambda done, before=before: progress(before + done, len(jobs)))  # type: ignore[misc]
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []
        ended = {line["id"]: line for line in lines if "code" in line}
        replies |= ended
        started = [line["id"] for line in lines]
        if status == 0:
            break
        if not started:
            raise RuntimeError(f"the worker ended with status {status} before its first command")
        if started[-1] not in replies:
            died = {"hung": True} if status is None else {"died": _name(status)}
            replies[started[-1]] = {**died, "seconds": 0.0}
        left = [job for job in left if job["id"] not in replies]
    return replies


def judge(reply: dict[str, Any], original: dict[str, Any], file: Path) -> tuple[str, str]:
    """An outcome and its detail."""
    if "died" in reply:
        return "crash", str(reply["died"])
    if "hung" in reply:
        return "hang", ""
    if reply["traceback"]:
        return "traceback", reply["traceback"].strip().splitlines()[-1]
    stderr = reply["stderr"].strip()
    if reply["code"] != 0:
        clear = reply["code"] == 1 and stderr.startswith("edgekd: ") and "\n" not in stderr and file.name in stderr
        return ("clear error" if clear else "unclear error"), stderr.replace(str(file.parent), ".")
    same = plain(reply["stdout"]) == plain(original["stdout"])
    return ("same result" if same else "other result"), ""


def plain(stdout: str) -> Any:
    """A command's JSON without what names the file."""
    try:
        value = json.loads(stdout)
    except ValueError:
        return stdout
    return (
        {k: v for k, v in value.items() if k not in ("file", "sha256", "size_bytes")}
        if isinstance(value, dict)
        else value
    )


def _batch(work: Path, out: Path, progress: Callable[[int], None]) -> int | None:
    # None where nothing happened for too long.
    argv = [sys.executable, str(HERE / "_worker.py"), str(work / "jobs.json"), str(out)]
    with (work / "worker.err").open("wb") as err:
        process = subprocess.Popen(argv, stdout=err, stderr=err, stdin=subprocess.DEVNULL)
        size, quiet = -1, 0.0
        while quiet < _STALLED_S:
            try:
                return process.wait(timeout=2.0)
            except subprocess.TimeoutExpired:
                now = out.stat().st_size if out.exists() else 0
                quiet = 0.0 if now != size else quiet + 2.0
                size = now
                progress(out.read_text(encoding="utf-8").count("\n") // 2 if out.exists() else 0)
        process.kill()
        process.wait()
        return None


def _name(status: int) -> str:
    try:
        return signal.Signals(-status).name if status < 0 else f"status {status}"
    except ValueError:
        return f"signal {-status}"
