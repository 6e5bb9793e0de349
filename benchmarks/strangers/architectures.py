"""Export the architectures that people use, in float32 and int8 and in both formats, and compare them with Keras.

    python benchmarks/strangers/architectures.py --work DIR
    python benchmarks/strangers/architectures.py --work DIR --all

Twenty classifiers of keras.applications (--all: all forty) at the smallest size that each takes, with random weights
that let a photo through, BatchNormalization statistics of real photos and a head fitted to them; and ten small networks
of our own, trained. Each is exported by `edgekd.export_model`, and 100 other photos go through every file and Keras.

The int8 files are those of `edgekd export --max-drop 5 --min-agreement 0.98`, chosen by photos that were neither fitted
to nor are compared on; for the applications only the steps that change ranges are tried. The table names the step.

A file is *right* if its top prediction is Keras' on every photo (float32) or on at least 98 % (int8); *below the gate*
if an int8 file has less than that and, where both exist, the .tflite and the .onnx agree; *refused* if edgekd raised an
error of its own; *wrong* if anything else came out; *traceback* if any other error, or the death of the process, did.

Rows that are done are kept in the results and skipped; `--again` repeats those with a file that was not right, `--only
NAME` one. Writes results/architectures.json and .md.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from networks import LARGE, OWN, SMALL

from edgekd._version import __version__
from edgekd.storage import read_json, write_json

WORKER = Path(__file__).with_name("_architecture_worker.py")
FILES = ("float32.tflite", "float32.onnx", "int8.tflite", "int8.onnx")
VERDICTS = ("right", "below the gate", "refused", "wrong", "traceback")
Store = Callable[[dict[str, Any]], None]
SHORT = ("own: grouped convolution",)
_INT8_BAR = 0.98
_FLOAT_DIFFERENCE = 1e-3
# Two runtimes round a tie differently now and then (see edgekd/export/verify.py).
_SAME_INTEGERS_BAR = 0.95


def verdict_of(file: str, results: dict[str, Any]) -> str:
    """One of ``VERDICTS`` for one file of an architecture."""
    entry = results[file]
    if "sentence" in entry:
        return "refused" if entry["refused"] else "traceback"
    if file.startswith("float32"):
        exact = entry["agreement"] == 1 and entry["largest_difference"] <= _FLOAT_DIFFERENCE
        return "right" if exact else "wrong"
    if entry["agreement"] >= _INT8_BAR:
        return "right"
    other = results[FILES[5 - FILES.index(file)]]
    if "sentence" in other:
        return "below the gate"
    pairs = list(zip(entry["predictions"], other["predictions"], strict=True))
    same = sum(a == b for a, b in pairs) / len(pairs)
    return "below the gate" if same >= _SAME_INTEGERS_BAR else "wrong"


def run_all(names: Sequence[str], work: Path, store: Store) -> None:
    """Run the names in a child process; where it dies, store that and start another one for the rest."""
    log = work / "rows.jsonl"
    remaining = list(names)
    while remaining:
        log.unlink(missing_ok=True)
        log.touch()
        argv = [sys.executable, WORKER, log, work / "exported", *remaining]
        child = subprocess.Popen([str(word) for word in argv], stderr=subprocess.DEVNULL)
        entries = _follow(child, log, store)
        # Where it died before it began, the first one is to blame.
        started = [entry["started"] for entry in entries if "started" in entry] or remaining[:1]
        finished = {entry["name"] for entry in entries if "name" in entry}
        for name in started:
            if name not in finished:
                entry = {"refused": False, "sentence": f"the process ended with exit code {child.returncode}"}
                store({"name": name, "results": dict.fromkeys(FILES, entry), "seconds": None})
        remaining = [name for name in remaining if name not in started]


def _follow(child: subprocess.Popen[bytes], log: Path, store: Store) -> list[dict[str, Any]]:
    """Store every row as soon as the child has written it; returns all that it wrote."""
    count, ended = 0, False
    while not ended:
        try:
            child.wait(timeout=2)
            ended = True
        except subprocess.TimeoutExpired:
            pass
        entries = [json.loads(line) for line in log.read_text(encoding="utf-8").split("\n")[:-1]]
        for entry in entries[count:]:
            if "name" in entry:
                store(entry)
        count = len(entries)
    return entries


def report(rows: list[dict[str, Any]], facts: dict[str, Any], pending: Sequence[str] = ()) -> str:
    """The tables as Markdown; ``pending`` are the architectures that have not been run."""
    counts = {file: Counter(verdict_of(file, row["results"]) for row in rows) for file in FILES}
    lines = [f"# Architectures\n\n{len(rows)} architectures, edgekd {facts['edgekd']}.", ""]
    lines += ["| file | " + " | ".join(VERDICTS) + " |", "|" + "---|" * (len(VERDICTS) + 1)]
    lines += [f"| {file} | " + " | ".join(str(counts[file][v]) for v in VERDICTS) + " |" for file in FILES]
    lines += ["", "Top-prediction agreement with Keras on 100 photos, and the largest difference of a probability.", ""]
    lines += [
        "| architecture | side | parameters | Keras' accuracy | " + " | ".join(FILES) + " |",
        "|" + "---|" * (len(FILES) + 4),
    ]
    for row in rows:
        cells = [_cell(file, row["results"]) for file in FILES]
        lines.append(
            f"| {row['name']} | {row.get('side', '')} | {row.get('parameters', 0):,} | "
            f"{row.get('keras_accuracy', 0):.0%} | {' | '.join(cells)} |"
        )
    sentences: dict[str, list[str]] = {}
    for row in rows:
        for file in FILES:
            if "sentence" in row["results"][file]:
                sentences.setdefault(row["results"][file]["sentence"], []).append(f"{row['name']} {file}")
    if sentences:
        lines += ["", "What was said where there is no file:", ""]
        lines += [f"- {', '.join(names)}: {sentence.replace('<', '&lt;')}" for sentence, names in sentences.items()]
    if pending:
        lines += ["", f"Not run yet: {', '.join(pending)}. The same command continues with them."]
    host = facts["machine"]
    lines += ["", f"On {host['cpu_model']}, {host['os']}, Python {host['python']}, {_versions(host['runtimes'])}."]
    return "\n".join(lines) + "\n"


def _cell(file: str, results: dict[str, Any]) -> str:
    verdict, entry = verdict_of(file, results), results[file]
    if "sentence" in entry:
        return verdict if verdict == "refused" else f"**{verdict}**"
    text = f"{entry['agreement']:.1%}, {entry['largest_difference']:.1g}"
    if "step" in entry:
        text += f" ({entry['step']}{''.join(f'; float: {name}' for name in entry['float_ops'])})"
    return text if verdict == "right" else f"{text}: **wrong**" if verdict == "wrong" else f"{text}: below the gate"


def _versions(runtimes: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in runtimes.items())


def main() -> None:
    """Export every architecture that is not done, and write the results after each."""
    parser = Parser(__file__, __doc__, work="files of the architecture being exported")
    parser.add_argument("--all", action="store_true", help="the large members of each family, too: hours")
    parser.add_argument("--again", action="store_true", help="repeat rows with a file that was not right")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="(re)do this one only; repeatable")
    arguments = parser.parse()
    arguments.work.mkdir(parents=True, exist_ok=True)
    order = (*OWN, *SMALL, *LARGE)
    if unknown := set(arguments.only) - set(order):
        parser.error(f"no architecture is called {', '.join(sorted(unknown))}")
    names = SHORT if arguments.short else order if arguments.all else (*OWN, *SMALL)
    file = arguments.out / "architectures.json"
    done = {row["name"]: row for row in read_json(file)["rows"]} if file.is_file() else {}
    facts = {"edgekd": __version__, "machine": machine()}

    def results() -> tuple[dict[str, Any], str]:
        rows = [done[name] for name in order if name in done]
        counts = {file: Counter(verdict_of(file, row["results"]) for row in rows) for file in FILES}
        return {"schema": 1, **facts, "counts": counts, "rows": rows}, report(
            rows, facts, [name for name in names if name not in done]
        )

    def store(row: dict[str, Any]) -> None:
        done[row["name"]] = row
        print(f"{row['name']}: {', '.join(verdict_of(file, row['results']) for file in FILES)}", flush=True)
        write_json(file, results()[0])

    def is_wanted(name: str) -> bool:
        if arguments.only:
            return name in arguments.only
        if name not in done:
            return True
        return arguments.again and any(verdict_of(f, done[name]["results"]) != "right" for f in FILES)

    run_all([name for name in (arguments.only or names) if is_wanted(name)], arguments.work, store)
    write_results(arguments.out, "architectures", *results())


if __name__ == "__main__":
    run_script(main)
