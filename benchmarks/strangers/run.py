"""Do what a stranger does with odd models, labels, pixels and files, and judge what the commands answer.

    python benchmarks/strangers/run.py --cases DIR --work DIR

DIR holds the cases: models/, onnx/, tflite/ and photos/ with the names that cases.py uses. Every row runs `edgekd`
commands in processes of their own and compares what happened (exit code, sentence, accuracy, agreement with Keras) with
what is right, which is coded in cases.py. A row is right only if each of its commands is. `--only NAME` runs some rows
again and keeps the others from the results. Writes results/cases.json and .md.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from cases import CASES, Case
from common import Parser, machine, run_script, write_results
from small_cases import make_small_cases
from trial import Step, Trial

from edgekd._version import __version__
from edgekd.storage import read_json

_MOST_TEXT = 240


def judge(case: Case, cases: Path, work: Path) -> dict[str, Any]:
    """One row: the case, its steps, and whether every step is right."""
    folder = work / case.name.replace(" ", "-").replace(",", "")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    started = time.monotonic()
    try:
        steps = case.judge(Trial(cases, folder))
    except Exception as error:  # a judgement that fails must not hide the other rows
        steps = [Step("(the judgement itself)", -1, f"{type(error).__name__}: {error}"[:400], False)]
    right = bool(steps) and all(step.right for step in steps)
    print(f"{'right' if right else 'WRONG'}  {case.name}  {time.monotonic() - started:.0f} s", flush=True)
    for step in steps:
        if not step.right:
            print(f"       {step.command}\n       exit {step.exit_code}: {step.happened[:_MOST_TEXT]}", flush=True)
    return {
        "case": case.name, "what": case.what, "expected": case.expected, "before": case.before, "right": right,
        "seconds": round(time.monotonic() - started), "steps": [step.to_json() for step in steps],
    }  # fmt: skip


def _cell(text: str) -> str:
    short = text if len(text) <= _MOST_TEXT else text[: _MOST_TEXT - 1] + "…"
    return " ".join(short.split()).replace("|", "\\|").replace("<", "&lt;")


def _happened(row: dict[str, Any]) -> str:
    texts = []
    for step in row["steps"]:
        mark = "" if step["right"] else "**wrong** "
        texts.append(f"{mark}exit {step['exit_code']}: {_cell(step['happened'])}")
    return "<br>".join(texts)


def report(rows: list[dict[str, Any]], facts: dict[str, Any], left_out: list[str]) -> str:
    """The table as Markdown."""
    right = sum(row["right"] for row in rows)
    lines = [
        "# What a stranger brings", "",
        f"{right} of {len(rows)} rows right, with edgekd {facts['edgekd']}.", "",
        "| case | what it is | what is right | 0.1.0 | now | |", "|---|---|---|---|---|---|",
    ]  # fmt: skip
    for row in rows:
        verdict = "right" if row["right"] else "**wrong**"
        lines.append(
            f"| {row['case']} | {_cell(row['what'])} | {_cell(row['expected'])} | {_cell(row['before'])} | "
            f"{_happened(row)} | {verdict} |"
        )
    if left_out:
        lines += ["", f"Left out, because the folder of cases lacks their files: {', '.join(left_out)}."]
    host = facts["machine"]
    lines += ["", f"On {host['cpu_model']}, {host['os']}, Python {host['python']}."]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Judge every row and write the table."""
    parser = Parser(__file__, __doc__, work="files of every case, so that one can be looked at")
    parser.input("--cases", help="folder with the cases [--short: three small models that it makes]")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run this row only; repeatable")
    arguments = parser.parse()
    cases = arguments.cases or make_small_cases(arguments.work / "cases")
    wanted = [case for case in CASES if (cases / case.needs).exists() and (case.short or not arguments.short)]
    left_out = [case.name for case in CASES if not (cases / case.needs).exists()] if not arguments.short else []
    rows: dict[str, dict[str, Any]] = {}
    if arguments.only:
        rows = {row["case"]: row for row in read_json(arguments.out / "cases.json")["rows"]}
        unknown = set(arguments.only) - {case.name for case in CASES}
        if unknown:
            parser.error(f"no case is called {', '.join(sorted(unknown))}")
    for case in wanted:
        if not arguments.only or case.name in arguments.only:
            rows[case.name] = judge(case, cases, arguments.work)
    ordered = [rows[case.name] for case in CASES if case.name in rows]
    facts = {"edgekd": __version__, "machine": machine()}
    results = {"schema": 1, **facts, "right": sum(row["right"] for row in ordered), "rows": ordered}
    write_results(arguments.out, "cases", results, report(ordered, facts, left_out))


if __name__ == "__main__":
    run_script(main)
