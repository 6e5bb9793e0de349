"""The quickstart, run once from nothing: its table, its time and the machine's facts.

    python benchmarks/quickstart/run.py --work DIR

--short runs a small recipe of fewer photos instead.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from small_inputs import small_run

from edgekd.report.collect import collect
from edgekd.report.table import main_cells
from edgekd.storage import read_json


def main() -> None:
    """Run it in a process of its own and write its results."""
    parser = Parser(__file__, __doc__, work="an empty folder for the run")
    arguments = parser.parse()
    started = time.monotonic()
    if arguments.short:
        directory = small_run(arguments.work)
    else:
        subprocess.run([sys.executable, "-m", "edgekd", "quickstart", "--out", str(arguments.work)], check=True)
        directory = arguments.work / "quickstart"
    seconds = round(time.monotonic() - started)
    stages = {path.parent.name: read_json(path)["seconds"] for path in sorted(directory.glob("*/stage.json"))}
    report, facts = collect(directory), machine()
    results = {"schema": 1, "seconds": seconds, "stages_s": stages, "machine": facts, "headline": str(report.headline)}
    results["report"] = json.loads((directory / "report.json").read_text(encoding="utf-8"))
    cells = main_cells(report)
    lines = [cells.header, tuple("---" for _ in cells.header), *cells.rows]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    text = f"{report.headline}\n\n{table}\n\nIt took {seconds} s on {facts['cpu_model']}, {facts['cores']} cores.\n"
    write_results(arguments.out, "quickstart", results, text)


if __name__ == "__main__":
    run_script(main)
