"""The results in words and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CPUS = {
    "native": "this machine",
    "haswell": "x86 without VNNI (qemu, Haswell)",
    "cortex-a76": "arm64 with dot products (qemu, Cortex-A76)",
    "cortex-a72": "arm64 without (qemu, Cortex-A72)",
}
FILES = {"int8.tflite": "int8 .tflite", "int8.onnx": "int8 .onnx", "full.onnx": "full-range .onnx"}
WEIGHTS = {
    "full.tflite": "s8, full range (what saturates without VNNI)",
    "int8.tflite": "s8, narrowed, from float weights (what ships)",
    "from-int8.tflite": "s8, narrowed, from int8 weights",
}
AIMS = {
    ("int8.tflite", "float32.tflite"): "≤ 0.55",
    ("int8.onnx", "float32.onnx"): "≤ 0.55",
    ("int8.onnx", "ort-u8.onnx"): "≤ 1.1",
}
NAMES = {
    "float32.tflite": "TFLite float32",
    "int8.tflite": "TFLite int8",
    "float32.onnx": "ONNX Runtime float32",
    "int8.onnx": "ONNX Runtime int8, as shipped",
    "full.onnx": "ONNX Runtime int8, s8 weights of full range (saturates without VNNI)",
    "u8.onnx": "ONNX Runtime int8, u8 weights",
    "ort-u8.onnx": "ONNX Runtime's own quantize_static, u8 activations, s8 weights by channel (saturates without VNNI)",
    "ort-s8.onnx": "the same, s8 activations",
}


def report(results: dict[str, Any], machine: dict[str, Any], trained: Sequence[str]) -> str:
    """Markdown of what is there."""
    byte_products = "has" if machine["multiplies_bytes_without_saturating"] else "has no"
    lines = [
        f"On {machine['cpu_model']}, {machine['cores']} cores, {machine['os']}; it {byte_products} VNNI. Other "
        "programs took most of it at the same time: medians say little, and the 5th percentiles are nearer to what a "
        "file takes alone.",
        "",
        f"{' and '.join(trained)} are trained; the others have random weights, so that their top predictions depend on "
        "small differences, which grow from layer to layer. ONNX Runtime's own quantization ran without its "
        "pre-processing.",
        "",
        *_agreement(results),
        *_options(results),
        *_latency(results),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _agreement(results: dict[str, Any]) -> list[str]:
    lines = [
        "## Agreement",
        "",
        "Against the .tflite of the same quantization on this machine; a step is 1/256 of probability. Aim: the same "
        "top prediction for 99.9 %, at most one step. MobileNetV3 has hard-swish, which ONNX Runtime computes in "
        "float: one or two of the 256 values of some of them are a step off, which random weights amplify.",
        "",
        "| network | CPU | file | photos | same top prediction | largest difference, steps |",
        "|---|---|---|---|---|---|",
    ]
    for network, parts in results.items():
        for cpu, rows in parts.get("agreement", {}).items():
            for name, row in rows.items() if cpu in CPUS else ():
                if (cpu, name) == ("native", "int8.tflite"):
                    continue
                same, largest = f"{row['same_top']}/{row['photos']}", row["largest_quanta"]
                lines.append(f"| {network} | {CPUS[cpu]} | {FILES[name]} | {row['photos']} | {same} | {largest:.0f} |")
    return [*lines, ""]


def _options(results: dict[str, Any]) -> list[str]:
    lines = [
        "## What narrowing costs in accuracy",
        "",
        "Against the float32 .tflite, with exact products (TFLite):",
        "",
        "| network | weights | same top prediction | mean difference, steps | largest |",
        "|---|---|---|---|---|",
    ]
    narrowed = []
    for network, parts in results.items():
        for name, title in WEIGHTS.items():
            row = parts.get("options", {}).get(name)
            if row:
                lines.append(
                    f"| {network} | {title} | {row['same_top']}/{row['photos']} | {row['mean_quanta']:.2f} | "
                    f"{row['largest_quanta']:.0f} |"
                )
        if "files" in parts:
            narrowed.append(f"- {network}: {parts['files']['weights']}; {parts['files']['weights_reason']}.")
    return [*lines, "", *narrowed, ""]


def _latency(results: dict[str, Any]) -> list[str]:
    lines = []
    for network, parts in results.items():
        latency = parts.get("latency")
        if not latency:
            continue
        lines += [
            f"## Latency: {network} at {parts['files']['input_size']} px, 1 thread",
            "",
            "| file | median, ms | 5th percentile, ms | bytes |",
            "|---|---|---|---|",
            *(
                f"| {NAMES[name]} | {latency['median_ms'][name]:.2f} | {latency['undisturbed_ms'][name]:.2f} | "
                f"{parts['files']['bytes'][name]:,} |"
                for name in NAMES
                if name in latency["median_ms"]
            ),
            "",
            "| ratio | of launch medians (95 %) | of 5th percentiles | of instructions, Cortex-A76 | aim | verdict |",
            "|---|---|---|---|---|---|",
        ]
        counted = {(above, below): ratio for above, below, ratio in parts.get("instructions", {}).get("ratios", ())}
        for above, below, value, low, high, verdict, _ in latency["ratios"]:
            count = f"{counted[above, below]:.2f}" if (above, below) in counted else "–"
            lines.append(
                f"| {NAMES[above]} / {NAMES[below]} | {value:.2f} ({low:.2f}–{high:.2f}) | "
                f"{latency['undisturbed_ms'][above] / latency['undisturbed_ms'][below]:.2f} | "
                f"{count} | {AIMS.get((above, below), '')} | {verdict} |"
            )
        lines += ["", f"Load before: {latency['load_before']:.1f}; {latency['seconds']} s.", ""]
    return lines
