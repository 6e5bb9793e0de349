"""Does edgekd's commands and runs scripts, each in a fork of this process, which has TensorFlow imported already.

A request is a line of JSON on stdin (``argv``, ``cwd``, ``environment``, files for ``out``, ``err``; of a script its
path as ``script``), the answer a line with the return code. Nothing of TensorFlow is used before the fork, and nothing
of edgekd is imported.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

import tensorflow  # noqa: F401  the seconds that are saved


def do(request: dict[str, Any]) -> int:
    """The command or script, as Python would do it in that folder and environment."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    script = request.get("script")
    sys.path[0] = str(Path(script).parent) if script else request["cwd"]
    sys.argv = [script or "edgekd", *request["argv"]]
    for number, name in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        opened = os.open(name, os.O_RDWR | os.O_CREAT)
        os.dup2(opened, number)
        os.close(opened)
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
        else:
            from edgekd.cli import main

            main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    """Answer until nobody asks any more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = do(json.loads(line))
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
