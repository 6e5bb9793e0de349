"""Photos with several tags, composed of the sets' photos: the teacher, labels alone, distilled, and int8 files."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import TESTS
from sets import FULL, PhotoSet

sys.path.insert(0, str(TESTS))
from composed_photos import compose_photos, parts_by_split

import edgekd
from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.recipe import parse_recipe
from edgekd.storage import read_json

COUNTS = {"train": 700, "val": 250, "test": 350}
ROWS = ("teacher", "labels_only", "distilled", "int8_tflite", "int8_onnx")
METRICS = ("mean_average_precision", "macro_f1", "exact_match")
NOTE = """\
Each photo is composed of one to three photos of different tags, side by side, by a seed; no part of a test photo is in
another split. Thresholds of tags are each tag's best F1 on validation photos. Intervals are of 95 %."""


def measure_tags(sets: Sequence[PhotoSet], work: Path) -> dict[str, Any]:
    """Run the composed task, and give the rows of its check and the calibration of its files."""
    table = composed(sets, work / "composed")
    recipe = parse_recipe(
        {
            **FULL,
            "name": "tags",
            "data": {**FULL["data"], "source": str(table), "task": "multi-label"},
            "export": {**FULL["export"], "formats": ["tflite", "onnx"]},
        },
        table,
    )
    directory = work / "runs" / "tags"
    edgekd.run(recipe, directory, until="check")
    check, summary = (read_json(directory / name) for name in ("check/check.json", "decide/summary.json"))
    rows = {row["row"]: row for row in check["rows"]}
    return {
        "photos": {**COUNTS},
        "tags": check["classes"],
        "rows": [{"row": name, **{metric: rows[name][metric] for metric in METRICS}} for name in ROWS],
        "by_tag": {row["row"]: row["tags"] for row in check["rows"] if row["row"] in ROWS},
        "calibration": {name: one["calibration"] for name, one in summary["files"].items()},
        "temperature": {name: one["temperature"] for name, one in summary["files"].items()},
    }


def composed(sets: Sequence[PhotoSet], folder: Path) -> Path:
    """The CSV of the composed photos."""
    if (folder / "tags.csv").is_file():
        return folder / "tags.csv"
    parts: dict[str, dict[str, list[Path]]] = {split: {} for split in COUNTS}
    for photos in sets:
        dataset = load_dataset(photos.folder, policy=SplitPolicy(val=0.25, test=0.3))
        for split, by_class in parts_by_split(dataset, f"{photos.name} ").items():
            if split in parts:
                parts[split].update(by_class)
    return compose_photos(folder, parts, COUNTS, side=192)


def text_of_tags(results: dict[str, Any]) -> str:
    """The table of the composed task."""
    lines = [
        f"{len(results['tags'])} tags: {', '.join(results['tags'])}; {results['photos']['test']} test photos.",
        "",
        "| model | mAP | macro F1 | exact match |",
        "|---|---|---|---|",
    ]
    for row in results["rows"]:
        cells = [f"{row[m]['value']:.3f} [{row[m]['low']:.3f}, {row[m]['high']:.3f}]" for m in METRICS]
        lines.append(f"| {row['row']} | {' | '.join(cells)} |")
    lines += ["", "| file | temperature | calibration error before | after |", "|---|---|---|---|"]
    for name, both in results["calibration"].items():
        before, after = (both["test"][when]["calibration_error"] for when in ("before", "after"))
        cells = [f"{one['value']:.1%} [{one['low']:.1%}, {one['high']:.1%}]" for one in (before, after)]
        lines.append(f"| {name} | {results['temperature'][name]['value']:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)
