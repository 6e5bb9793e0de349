"""The quickstart, run once from nothing: its table, its time and the machine's facts.

python benchmarks/quickstart/run.py --work DIR
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from edgekd.devices.table import open_device
from edgekd.report.collect import collect
from edgekd.report.table import main_cells
from edgekd.storage import read_json, write_json, write_text


def main() -> None:
    """Run it in a process of its own and keep what it came to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "edgekd", "quickstart", "--out", str(arguments.work)], check=True)
    seconds = round(time.monotonic() - started)
    directory = arguments.work / "quickstart"
    stages = {path.parent.name: read_json(path)["seconds"] for path in sorted(directory.glob("*/stage.json"))}
    report = collect(directory)
    facts = open_device("host").facts()
    found = {"schema": 1, "seconds": seconds, "stages_s": stages, "machine": facts, "headline": str(report.headline)}
    whole = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    write_json(arguments.out / "quickstart.json", found | {"report": whole})
    cells = main_cells(report)
    lines = [cells.header, tuple("---" for _ in cells.header), *cells.rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    text = f"{report.headline}\n\n{table}\n\nIt took {seconds} s on {facts['cpu_model']}, {facts['cores']} cores.\n"
    write_text(arguments.out / "quickstart.md", text)
    print(text)


if __name__ == "__main__":
    main()
