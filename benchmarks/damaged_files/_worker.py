"""Run commands of edgekd one after the other in this process: ``python _worker.py JOBS.json OUT.jsonl``.

A line is written before and after every command, so that a crash of this process is attributed to one.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from edgekd.cli import main as edgekd


def run(argv: list[str]) -> dict[str, Any]:
    """Exit code, stdout, stderr and seconds of one command; a traceback is what Python would have printed."""
    out, err = io.StringIO(), io.StringIO()
    code, trace, started = None, None, time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            edgekd(argv)
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else 0 if ending.code is None else 1
        except BaseException:
            trace = traceback.format_exc()
    seconds = round(time.perf_counter() - started, 3)
    return {"code": code, "stdout": out.getvalue(), "stderr": err.getvalue(), "traceback": trace, "seconds": seconds}


def main() -> None:
    """Every job in turn."""
    jobs = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with Path(sys.argv[2]).open("a", encoding="utf-8") as stream:
        for job in jobs:
            stream.write(json.dumps({"id": job["id"]}) + "\n")
            stream.flush()
            stream.write(json.dumps({"id": job["id"], **run(job["argv"])}) + "\n")
            stream.flush()


if __name__ == "__main__":
    main()
