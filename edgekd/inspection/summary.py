"""What a file is, in one sentence."""

from __future__ import annotations

import math
from collections import Counter

from edgekd.formats.decision import Decision
from edgekd.inspection.inspect_file import Inspection
from edgekd.inspection.lint.inputs import pixel_limits
from edgekd.inspection.lint.labels import is_classifier
from edgekd.inspection.memory import plan_activations
from edgekd.inspection.network import Network, Value
from edgekd.inspection.tables import totals

_RUNTIMES = {"tflite": "LiteRT", "onnx": "ONNX Runtime"}


def summarize(inspection: Inspection) -> str:
    """Kind, input, size, work, memory, and what the runtimes make of it."""
    total = totals(inspection)
    parts = [_kind(inspection), *_inputs(inspection), *_classes(inspection)]
    parameters = inspection.parameters
    parts.append(f"{format_count(parameters)} parameter{'s' if parameters != 1 else ''}")
    parts.append(_work(total["macs"], total["macs_not_counted_in"], inspection.network))
    parts.append(_precision(inspection))
    activations = plan_activations(inspection.network, inspection.shapes)
    if activations is not None:
        parts.append(f"{format_bytes(activations)} of activations")
    return f"{', '.join(part for part in parts if part)}; {_runtime(inspection)}"


def format_count(count: int) -> str:
    """12,345 as 12.3 k, and so on."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 999.5 * size else f"{count / size:.0f} {unit}"
    return str(count)


def format_bytes(count: int) -> str:
    """Bytes in kB or MB."""
    for size, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.3g} {unit}" if count < 999.5 * size else f"{count / size:.0f} {unit}"
    return f"{count} bytes"


def _kind(inspection: Inspection) -> str:
    network = inspection.network
    if is_classifier(inspection.subject):
        return "image classifier"
    outputs = [network.values[key] for key in network.outputs]
    count = f", {len(outputs)} outputs" if len(outputs) > 1 else ""
    if network.image() is None:
        several = len(network.inputs) > 1
        return (
            f"model of {len(network.inputs)} inputs, none an image{count}"
            if several
            else f"model without images{count}"
        )
    last = outputs[0].sizes
    if len(outputs) == 1 and last is not None and len(last) == 4 and max(last[1:3]) > 1:
        return f"from images to maps of {'×'.join(map(str, last[1:]))}"
    if not count and last is not None:
        numbers = math.prod(last)
        return f"image model that gives {numbers:,} number{'s' if numbers > 1 else ''} (scores or others)"
    return f"image model, not a classifier{count}"


def _inputs(inspection: Inspection) -> list[str]:
    network, image = inspection.network, inspection.network.image()
    if image is None or image.shape is None:
        return [" and ".join(_tensor(network.values[key]) for key in network.inputs[:3])]
    shape = image.shape
    channels, *sides = (shape[1], *shape[2:]) if _is_nchw(image) else (shape[3], *shape[1:3])
    size = "×".join("any" if not isinstance(side, int) or side < 0 else str(side) for side in sides)
    known = isinstance(channels, int) and channels > 0
    colour = {1: "grey", 3: "RGB", 4: "RGBA"}.get(int(channels), f"{channels} channels") if known else "any channels"
    limits = pixel_limits(inspection.subject, image)
    values = f" {_number(limits[0])}..{_number(limits[1])}" if limits else f" {image.dtype}"
    others = len(network.inputs) - 1
    return [f"{size} {colour}{values}{f' and {others} more inputs' if others else ''}"]


def _is_nchw(image: Value) -> bool:
    shape = image.shape or (1, 1, 1, 1)
    return shape[1] in (1, 3, 4) and shape[3] not in (1, 3, 4)


def _classes(inspection: Inspection) -> list[str]:
    if not is_classifier(inspection.subject):
        return []
    sizes = [size for size in (inspection.network.values[inspection.network.outputs[0]].shape or ())[1:] if size != 1]
    count = sizes[0] if sizes else 2
    decision = inspection.description.decision or Decision()
    name = "tags" if decision.task == "multi-label" else "classes"
    named = f"{count:,} {name}" if isinstance(count, int) and count > 0 else name
    rule = describe_rule(decision)
    return [f"{named} ({rule})" if rule else named]


def describe_rule(decision: Decision) -> str:
    """When a file gives a tag, or no class; empty where it always gives its most probable class."""
    if decision.task == "multi-label":
        low, high = min(decision.thresholds), max(decision.thresholds)
        return f"each given from {low:.4g}" if low == high else f"each given from its own {low:.4g} to {high:.4g}"
    rules = [] if decision.none_label is None else [f'"{decision.none_label}" stands for none']
    if decision.reject_below is not None:
        rules.append(f"none is the answer below {decision.reject_below:.4g}")
    return ", ".join(rules)


def _work(macs: int, unknown: list[str], network: Network) -> str:
    more = f" and those of {', '.join(unknown[:3])}" if unknown else ""
    loops = any(op.type in ("WHILE", "STABLEHLO_WHILE", "Loop", "Scan") for op in network.ops)
    return f"{format_count(macs)} MACs{more}{' a turn of its loop' if loops else ''}"


def _precision(inspection: Inspection) -> str:
    work: Counter[str] = Counter()
    for op in inspection.network.ops:
        for inner in (op, *(inner for body in op.bodies for inner in body.ops)):
            if inner.kind in ("conv", "depthwise", "dense", "matmul"):
                work[inner.precision] += 1 + (inspection.subject.macs.get(op.index) or 0)
    if not work:
        return ""
    (main, _), *others = work.most_common()
    stored = {v.dtype for v in inspection.network.values.values() if v.constant and v.size_bytes > 1024}
    halves = main == "float32" and "float16" in stored and "float32" not in stored
    text = "float32 with weights in float16" if halves else main
    return f"{text} (and {others[0][0]})" if others else text


def _runtime(inspection: Inspection) -> str:
    name = _RUNTIMES[inspection.network.format]
    if inspection.subject.failed is not None:
        return f"{name} does not run it" + (" at the sizes given" if inspection.subject.chosen else "")
    text = f"{name} runs it" if inspection.ran else "not run"
    if inspection.ran and inspection.shapes:
        text += (
            f" (tried at {' and '.join('×'.join(map(str, shape)) for shape in inspection.shapes.values() if shape)})"
        )
    delegated = inspection.subject.delegated
    if delegated is None or not inspection.ran:
        return text
    left, parts = len(inspection.network.ops) - len(delegated), inspection.parts
    if not delegated:
        return f"{text}, XNNPACK takes none of its ops"
    taken = "all ops" if left == 0 else f"all but {left} op{'s' if left > 1 else ''}"
    where = f" in {parts} part{'s' if parts != 1 else ''}" if parts else ""
    return f"{text}, XNNPACK takes {taken}{where}"


def _tensor(value: Value) -> str:
    shape = "×".join("any" if isinstance(s, str) or s < 0 else str(s) for s in value.shape or ()) or "one"
    return f"{shape} {value.dtype}"


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")
