"""In the place of the demo's benchmark activity: the Python agent, with the app's rights and its folders.

Arguments: the plan's name, the reply's, and the folder that the plan and its files lie in, empty for the app's own.
"""

import json
import os
import sys
from pathlib import Path

NAME = "org.edgekd.demo:benchmark"
BENCH = Path("/sdcard/Android/media/org.edgekd.demo/bench")


def main(name: str, out: str, folder: str) -> None:
    if Path("/system/stillborn").exists():
        os.abort()
    given = Path(folder) if folder else BENCH
    try:
        try:
            plan = json.loads((given / name).read_text())
        except OSError as error:
            raise ValueError(f"the plan {name} can't be read from {given}: {error.strerror}") from None
        out = plan["out"]
        reply = {"schema": 2, "hello": plan["hello"]} if "hello" in plan else measured(plan, given)
    except Exception as error:
        reply = {"schema": 2, "error": str(error)}
    temporary = BENCH / f"{out}.part"
    try:
        temporary.write_text(json.dumps(reply))
        temporary.rename(BENCH / out)
    except OSError:
        temporary.unlink(missing_ok=True)


def measured(plan: dict, folder: Path) -> dict:
    if plan["affinity"] is not None:
        raise ValueError("affinity must be null: an app may not choose the CPUs of the runtime's threads")
    if Path("/system/die").exists():
        os.abort()
    sys.path.insert(0, "/system")
    import device_agent

    files = {key: str(folder / plan[key]) for key in ("model", "inputs", "check_inputs") if plan[key]}
    return device_agent.measure({**plan, **files})


if __name__ == "__main__":
    if len(sys.argv) == 4:
        # As on Android, where the process is called after the package.
        os.execv("/usr/bin/python3", [NAME, __file__, *sys.argv[1:], "renamed"])
    main(*sys.argv[1:4])
