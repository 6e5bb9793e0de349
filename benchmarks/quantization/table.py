"""The results as JSON and Markdown."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from cases import TASKS
from variants import FLOAT, VARIANTS

from edgekd.bench import BenchPlan, BenchResult, compare
from edgekd.bench.ratio import student_t
from edgekd.devices.table import open_device
from edgekd.metrics import binomial_p
from edgekd.storage import read_json, write_json, write_text

LATENCY_PLAN = BenchPlan(launches=9, seconds_per_launch=0.2, warmup_max_s=0.3)
SHORT_PLAN = BenchPlan(launches=1, seconds_per_launch=0.02, warmup_max_s=0.02)
HEADER = (
    "file", "accuracy, % (95 % over seeds)", "by seed", "of float, %", "lost / gained", "McNemar p", "bytes",
    "of float32", "gzipped", "latency ratio (95 %)",
)  # fmt: skip
NOTE = """\
Accuracy is of the .tflite run by LiteRT over test images that no training and no calibration saw: of a fold of 46 or 47
photos (road; a fold in place of a seed) or of 10,000 images. Lost and gained: images that only the float file, or only
this one, gets right, summed over the seeds; p is McNemar's exact one of these sums. Latency is of the first seed's
files, one thread, side by side, over the float32 one. Sizes are of the first seed's files as they ship, gzipped at
level 9, weights of full range (no .onnx was asked for). Trainings in int8 started from the same float student and took
3 passes (road), 2 (cnn:8) or 1 (MobileNetV3), those that prune or cluster at least 2; validation images chose among the
start and the passes, so that one which helped nothing changes nothing. Pruned and clustered: layers as
`edgekd.quantize.sparsity` says. The teacher of Fashion-MNIST is cnn:32, 90.1 % right. Intervals over two or three seeds
are wide."""


def write_results(work: Path, out: Path) -> str:
    """Write quantization.json and quantization.md under ``out``; gives the Markdown."""
    tasks = {task: rows for task in TASKS if (rows := _rows(work / "results" / task))}
    facts = open_device("host").facts()
    write_json(out / "quantization.json", {"schema": 1, "tasks": tasks, "machine": facts})
    parts = [part for task, rows in tasks.items() for part in (f"## {task}", _table(rows), _aims(rows))]
    machine = f"On {facts['cpu_model']}, {facts['cores']} cores, {facts['os']}."
    text = "\n\n".join(("# What int8 costs", NOTE, *parts, machine)) + "\n"
    write_text(out / "quantization.md", text)
    return text


def _rows(folder: Path) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for variant in VARIANTS:
        seeds = {int(p.name.split("-")[0]): read_json(p) for p in sorted(folder.glob(f"[0-9]-{variant.name}.json"))}
        if seeds:
            rows[variant.name] = {"shown": variant.title, "seeds": seeds}
    if FLOAT.name not in rows:
        return {}
    result = BenchResult.load(folder / "bench.json") if (folder / "bench.json").is_file() else None
    return {name: _row(name, row, rows[FLOAT.name]["seeds"], result) for name, row in rows.items()}


def _row(name: str, row: dict[str, Any], floats: dict[int, Any], result: BenchResult | None) -> dict[str, Any]:
    seeds = {seed: one for seed, one in row["seeds"].items() if seed in floats}
    right = {seed: np.array(one["right"], bool) for seed, one in seeds.items()}
    before = {seed: np.array(floats[seed]["right"], bool) for seed in seeds}
    lost = sum(int((before[seed] & ~right[seed]).sum()) for seed in seeds)
    gained = sum(int((right[seed] & ~before[seed]).sum()) for seed in seeds)
    accuracies = [one["accuracy"] for one in seeds.values()]
    first = seeds.get(0)
    shares = [one["accuracy"] / floats[seed]["accuracy"] for seed, one in seeds.items()]
    return {
        "shown": row["shown"], "accuracies": accuracies, "accuracy": _mean(accuracies), "of_float": _mean(shares),
        "lost": lost, "gained": gained, "p": min(1.0, 2 * binomial_p(max(lost, gained), lost + gained, 0.5)),
        "size_bytes": first and first["size_bytes"], "gzip_bytes": first and first["gzip_bytes"],
        "of_float32_bytes": first and first["size_bytes"] / floats[0]["size_bytes"],
        "latency": _latency(name, result), "cpu_s": float(np.mean([one["cpu_s"] for one in seeds.values()])),
        "records": [one["record"] for one in seeds.values()],
    }  # fmt: skip


def _mean(values: list[float]) -> dict[str, float | None]:
    spread = np.std(values, ddof=1) if len(values) > 1 else None
    half = None if spread is None else float(spread / math.sqrt(len(values)) * student_t(0.975, len(values) - 1))
    return {"mean": float(np.mean(values)), "half_width": half}


def _latency(name: str, result: BenchResult | None) -> dict[str, float] | None:
    if result is None or name == FLOAT.name or not any(one.name == name for one in result.measurements):
        return None
    ratio = compare(result, name).ratio
    return None if ratio is None else ratio.as_json()


def _percent(value: dict[str, Any]) -> str:
    half = "" if value["half_width"] is None else f" ± {100 * value['half_width']:.2f}"
    return f"{100 * value['mean']:.2f}{half}"


def _table(rows: dict[str, Any]) -> str:
    lines = [f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|"]
    for row in rows.values():
        ratio = row["latency"]
        cells = (
            row["shown"], f"**{_percent(row['accuracy'])}**", " / ".join(f"{100 * a:.2f}" for a in row["accuracies"]),
            _percent(row["of_float"]), f"{row['lost']} / {row['gained']}", f"{row['p']:.2g}", f"{row['size_bytes']:,}",
            f"{row['of_float32_bytes']:.2f}", f"{row['gzip_bytes']:,}",
            "1" if ratio is None else f"{ratio['value']:.2f} ({ratio['low']:.2f}–{ratio['high']:.2f})",
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _aims(rows: dict[str, Any]) -> str:
    """Each aim, and the result."""
    lines: list[str] = []
    ptq = [rows[name] for name in rows if name.startswith("ptq-")]
    if ptq:
        plain = rows.get("ptq-min-max", ptq[0])
        lines.append(f"PTQ by min-max keeps {_percent(plain['of_float'])} % of the float accuracy; aim: 99.5 %")
        lines.append(f"int8 bytes over float32's: {plain['of_float32_bytes']:.2f}; aim: at most 0.27")
    if "kd-qat" in rows:
        lines.append(f"KD-QAT keeps {_percent(rows['kd-qat']['of_float'])} %; aim: 100 % within the interval")
    if {"kd-qat", "qat"} <= rows.keys():
        pairs = zip(rows["kd-qat"]["accuracies"], rows["qat"]["accuracies"], strict=False)
        lead = _mean([one - other for one, other in pairs])
        lines.append(f"KD-QAT over QAT on labels alone: {_percent(lead)} points; aim: not below")
    if {"pqat", "kd-qat"} <= rows.keys():
        share = rows["pqat"]["gzip_bytes"] / rows["kd-qat"]["gzip_bytes"]
        drop = _mean([a - b for a, b in zip(rows["kd-qat"]["accuracies"], rows["pqat"]["accuracies"], strict=False)])
        lines.append(
            f"50 % pruned KD-PQAT gzipped over the gzipped int8: {share:.2f} (aim: at most 0.65), {_percent(drop)} "
            "points below KD-QAT (aim: at most 0.7)"
        )
    return "\n".join(f"- {line}." for line in lines)
