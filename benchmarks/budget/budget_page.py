"""What the runs within budgets come to: means over seeds or folds, auto beside the best by hand, and the page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def mean(values: Sequence[float]) -> float:
    """Their mean."""
    return float(np.mean(values))


def summary_of(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of each task and arm the means over its seeds."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["task"], row["arm"]), []).append(row)
    lines = []
    for (task, arm), all_of in found.items():
        done = [row for row in all_of if row["student"]]
        line: dict[str, Any] = {"task": task, "arm": arm, "limit": all_of[0]["limit"], "runs": len(all_of)}
        line["none_fits"] = len(all_of) - len(done)
        if done:
            keys = ("size_bytes", "int8_tflite", "labels_only", "distilled", "teacher", "minutes")
            line |= {key: mean([row[key] for row in done]) for key in keys}
            line["students"] = sorted({str(row["student"]) for row in done})
            line["failed"] = sum(bool(row["failed_gates"]) for row in done)
            line["gap_recovered"] = recovered(line)
        lines.append(line)
    return lines


def recovered(line: dict[str, Any]) -> float | None:
    """Of the gap between labels alone and the teacher, the share that the int8 file recovers; None below 3 points."""
    gap = line["teacher"] - line["labels_only"]
    return (line["int8_tflite"] - line["labels_only"]) / gap if gap > 0.03 else None


def against_hand(summary: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every budget the mean over tasks of auto, and of the best by hand among those that are as small."""
    lines = []
    for limit in sorted({line["limit"] for line in summary if line["limit"]}):
        auto, hand = [], []
        for line in summary:
            if line["limit"] != limit or "int8_tflite" not in line:
                continue
            others = [
                other["int8_tflite"]
                for other in summary
                if other["task"] == line["task"] and other["limit"] is None and other["size_bytes"] <= limit
            ]
            if others:
                auto.append(line["int8_tflite"])
                hand.append(max(others))
        values = {"tasks": len(auto), "auto": mean(auto) if auto else None, "hand": mean(hand) if hand else None}
        lines.append({"limit": limit, **values})
    return lines


def percent(value: float | None) -> str:
    """A share in percent."""
    return "–" if value is None else f"{100 * value:.1f} %"


def markdown(results: dict[str, Any]) -> str:
    """The page of the results."""
    lines = [
        "# Students within a budget", "",
        "Means over the runs, of seeds or folds; test photos judged and decided nothing. Minutes are of what the arm "
        f"did after the teacher and its soft targets. Students are trained in {results['passes'] or 'as many'} passes"
        f"{'' if results['passes'] else ' as fit proposes'}.", "",
        "| task | arm | runs | bytes | int8 | labels alone | distilled | teacher | gap recovered | gates failed "
        "| minutes |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for line in results["summary"]:
        if "int8_tflite" not in line:
            lines.append(
                f"| {line['task']} | {line['arm']} | {line['runs']} | nothing is within the budget | | | | | | | |"
            )
            continue
        values = " | ".join(percent(line[key]) for key in ("int8_tflite", "labels_only", "distilled", "teacher"))
        lines.append(
            f"| {line['task']} | {line['arm']} | {line['runs']} | {line['size_bytes']:,.0f} | {values} | "
            f"{percent(line['gap_recovered'])} | {line['failed']} of {line['runs']} | {line['minutes']:.1f} |"
        )
    lines += ["", "| at most | tasks | auto | best by hand |", "|---|---|---|---|"]
    for line in results["against_hand"]:
        lines.append(
            f"| {line['limit']:,} bytes | {line['tasks']} | {percent(line['auto'])} | {percent(line['hand'])} |"
        )
    lines += ["", "What `auto` chose:", ""]
    lines += [
        f"- {line['task']}, {line['arm']}: {', '.join(f'`{name}`' for name in line['students'])}"
        for line in results["summary"]
        if line["limit"] and "students" in line
    ]
    return "\n".join(lines) + "\n"
