"""Whether a file gives the same answers on every accelerator of this machine."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.accelerators.graph import read_graph
from edgekd.accelerators.left_ops import find_left
from edgekd.accelerators.records import SHARE, AcceleratorCheck, Flip
from edgekd.accelerators.run_on import TIMEOUT_S, AcceleratorRun, check_names, run_on
from edgekd.errors import UsageError
from edgekd.foreign.plain import PlainModel
from edgekd.formats.artifact import Artifact
from edgekd.inspection.network import INTEGERS_8, Network
from edgekd.runtime.runner import batches, check_images, read_scores, to_probabilities
from edgekd.tag_metrics import decide_tags


def check_accelerators(
    model: Artifact | PlainModel,
    images: NDArray[np.uint8] | tuple[NDArray[Any], ...] | None,
    accelerators: Sequence[str] = ("gpu",),
    *,
    labels: Sequence[int] | None = None,
    timeout_s: float = TIMEOUT_S,
) -> tuple[AcceleratorCheck, ...]:
    """Run a .tflite on accelerators of this machine and compare the answers with the CPU's.

    Args:
        model: An exported file, or what ``open_model`` gives for another tool's.
        images: Photos uint8 RGB [N, H, W, 3] of its size; or what each input is fed, [N, *shape]; None: made inputs,
            for a file that takes no photos.
        accelerators: "cpu", "gpu", "cpu-fp16" (XNNPACK with half precision forced).
        labels: Class of each photo by number of the file's output, where known.
        timeout_s: Seconds that one accelerator may take; in fewer than half of them it starts no further photo.

    Returns:
        One check an accelerator, in the order cpu, gpu, cpu-fp16.

    Raises:
        DeviceError: This machine has no driver, or it crashed or took too long.
        ArtifactError: LiteRT refuses the file there.
        UsageError: It is not a .tflite, or an accelerator has another name.

    Example:
        >>> import edgekd
        >>> student = edgekd.Artifact.open("student.float32.tflite")            # doctest: +SKIP
        >>> edgekd.check_accelerators(student, images, ["gpu"])[0].accelerated  # doctest: +SKIP
        True
    """
    names = check_names(accelerators)
    if model.format != "tflite":
        raise UsageError(
            f"{model.path}: accelerators run by LiteRT's CompiledModel take a .tflite. Leave --accelerator out for it, "
            "or export a .tflite"
        )
    network, inputs = read_graph(model.path), _inputs(model, images)
    cpu = run_on(model.path, network, inputs, "cpu", timeout_s=timeout_s)
    runs = [cpu if name == "cpu" else run_on(model.path, network, inputs, name, timeout_s=timeout_s) for name in names]
    photos_n = len(images) if isinstance(images, np.ndarray) else None
    return tuple(_compare(model, network, run, cpu, labels, photos_n) for run in runs)


def _inputs(
    model: Artifact | PlainModel, images: NDArray[np.uint8] | tuple[NDArray[Any], ...] | None
) -> tuple[NDArray[Any], ...]:
    """What each input is fed, [n, *shape]."""
    if isinstance(images, tuple):
        return images
    if isinstance(model, PlainModel):
        return model.made_inputs(4)
    if images is None or not len(images):
        raise UsageError(f"{model.path}: which photos? Give some: --data photos")
    check_images(images, model)
    return (np.stack([batch for _, batch in batches(images, model, 1)]),)


def _compare(
    model: Artifact | PlainModel,
    network: Network,
    run: AcceleratorRun,
    cpu: AcceleratorRun,
    labels: Sequence[int] | None,
    photos_n: int | None,
) -> AcceleratorCheck:
    compared = min(len(run.outputs[0]), len(cpu.outputs[0]))
    run, cpu = (replace(one, outputs=tuple(output[:compared] for output in one.outputs)) for one in (run, cpu))
    pairs = list(zip(_real(network, run), _real(network, cpu), strict=True))
    difference = max(_difference(one, two) for one, two in pairs)
    # A file of a fixed batch is filled up with its last photo.
    ours, theirs = (_scores(model, network, one)[:photos_n] for one in (run, cpu))
    finite = np.asarray(np.isfinite(ours).all(axis=1) | ~np.isfinite(theirs).all(axis=1))
    is_plain = isinstance(model, PlainModel)
    if not isinstance(model, PlainModel) and model.decision.task == "multi-label":
        flips = _tag_flips(ours, theirs, finite, np.array(model.decision.thresholds))
    else:
        flips = () if is_plain else _class_flips(ours, theirs, finite)
    return AcceleratorCheck(
        file=model.path.name,
        accelerator=run.accelerator,
        driver=run.driver,
        accelerated=run.accelerated,
        left=None if run.accelerated is not False else find_left(run.log, len(network.ops)),
        photos=len(ours),
        largest_difference=difference,
        flips=flips,
        not_finite=int((~finite).sum()),
        latency_ms=float(np.median(run.latency_ms)) if run.latency_ms and not _is_emulated(run) else None,
        right=None if labels is None else int((ours.argmax(axis=1) == np.asarray(labels)[: len(ours)]).sum()),
        share=max(_share(one, two) for one, two in pairs) if is_plain else None,
    )


def _class_flips(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], compared: NDArray[np.bool_]
) -> tuple[Flip, ...]:
    answers, expected = ours.argmax(axis=1), theirs.argmax(axis=1)
    return tuple(
        Flip(int(row), int(expected[row]), int(answers[row]), _margin(theirs[row], expected[row], answers[row]))
        for row in np.flatnonzero((answers != expected) & compared)
    )


def _tag_flips(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], compared: NDArray[np.bool_], thresholds: NDArray[np.float64]
) -> tuple[Flip, ...]:
    """Photos of which a tag is decided otherwise, by scores [N, C]."""
    differs = (decide_tags(ours, thresholds) != decide_tags(theirs, thresholds)) & compared[:, np.newaxis]
    distances = np.where(differs, np.abs(theirs - thresholds), -1.0)
    flips = []
    for row in np.flatnonzero(differs.any(axis=1)):
        tag = int(distances[row].argmax())
        is_given = bool(decide_tags(theirs[row, tag], thresholds[tag]))
        margin = float(distances[row, tag])
        pair = (tag, -1) if is_given else (-1, tag)
        flips.append(Flip(int(row), *pair, margin if np.isfinite(margin) else None))
    return tuple(flips)


def _is_emulated(run: AcceleratorRun) -> bool:
    """Whether its time says nothing of the hardware that it stands for."""
    if run.driver is not None:
        return run.driver.kind == "software"
    # XNNPACK emulates half precision on x86.
    return run.accelerator == "cpu-fp16" and platform.machine().lower() not in ("aarch64", "arm64")


def _difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    both = np.isfinite(first) & np.isfinite(second)
    return float(np.abs(first[both] - second[both]).max(initial=0.0))


def _share(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    finite = second[np.isfinite(second)]
    span = float(finite.max() - finite.min()) if finite.size else 0.0
    difference = _difference(first, second)
    return difference / span if span else float(difference > SHARE)


def _margin(scores: NDArray[np.float64], first: int, second: int) -> float | None:
    margin = float(scores[first]) - float(scores[second])
    return margin if np.isfinite(margin) else None


def _real(network: Network, run: AcceleratorRun) -> list[NDArray[np.float64]]:
    """Every output as real numbers."""
    outputs = []
    for key, values in zip(network.outputs, run.outputs, strict=True):
        value, real = network.values[key], values.astype(np.float64)
        if value.dtype in INTEGERS_8 and len(value.scales) == 1:
            zero = int(value.zero_points[0]) if len(value.zero_points) else 0
            real = (real - zero) * float(value.scales[0])
        outputs.append(real)
    return outputs


def _scores(model: Artifact | PlainModel, network: Network, run: AcceleratorRun) -> NDArray[np.float64]:
    """Scores [n, C] of a classifier; of another file its first output, flat."""
    if isinstance(model, PlainModel):
        first = _real(network, run)[0]
        return first.reshape(len(first), -1)
    values = run.outputs[model.output_index]
    values = values.reshape(-1, *values.shape[2:])
    if model.feed is not None:
        return read_scores(values, model).astype(np.float64)
    spec = model.outputs[0]
    return to_probabilities(values, spec.scale or 1.0, spec.zero_point or 0).astype(np.float64)
