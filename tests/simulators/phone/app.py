"""In the place of the demo's benchmark activity: the Python agent on the app's folder, a reply beside the plan."""

import json
import os
import sys
from pathlib import Path

NAME = "org.edgekd.demo:benchmark"
FILES = Path("/sdcard/Android/data/org.edgekd.demo/files")


def main(name: str) -> None:
    Path("/system/app.pid").write_text(str(os.getpid()))
    if Path("/system/stillborn").exists():
        os.abort()
    FILES.mkdir(parents=True, exist_ok=True)
    folder = FILES / "bench"
    if not folder.is_dir():
        return
    out = "reply.json"
    try:
        plan = json.loads((folder / name).read_text())
        out = plan["out"]
        if plan["affinity"] is not None:
            raise ValueError("affinity must be null: an app may not choose the CPUs of the runtime's threads")
        if Path("/system/die").exists():
            os.abort()
        sys.path.insert(0, "/system")
        import device_agent

        files = {key: str(folder / plan[key]) for key in ("model", "inputs", "check_inputs") if plan[key]}
        reply = device_agent.measure({**plan, **files})
    except Exception as error:
        reply = {"schema": 2, "error": str(error)}
    temporary = folder / f"{out}.part"
    try:
        temporary.write_text(json.dumps(reply))
        temporary.rename(folder / out)
    except OSError:
        temporary.unlink(missing_ok=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        # As on Android, where the process is called after the package.
        os.execv("/usr/bin/python3", [NAME, __file__, sys.argv[1], "renamed"])
    main(sys.argv[1])
