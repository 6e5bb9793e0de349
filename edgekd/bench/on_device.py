"""Accuracy where the file runs: a device's predictions against the host's for the same photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.agents import device_agent
from edgekd.bench.prepared import PreparedInputs
from edgekd.bench.records import HostAnswers, Measurement
from edgekd.bench.result import BenchResult
from edgekd.errors import ArtifactError
from edgekd.formats.artifact import Artifact
from edgekd.metrics import Interval, accuracy
from edgekd.quiet import quiet
from edgekd.runtime.open import open_runner
from edgekd.text import one_line

_BATCH = 32
# Two quanta of a probability in int8; of a float, what another order of additions may do.
_TIE_INT8 = 2 / 256
_TIE_FLOAT = 1e-3


@dataclass(frozen=True)
class DeviceScore:
    """How one file predicts ``n`` photos on a device.

    ``differing`` are photos for which it predicts another class than the host; ``tied`` are those of them that the host
    itself decides by rounding alone, which two kernels may do differently. ``accuracy`` and ``host_accuracy``
    are None where the photos have no labels. ``what`` was predicted for: photos, or outputs for made inputs.
    """

    name: str
    n: int
    differing: int
    tied: int
    accuracy: Interval | None
    host_accuracy: Interval | None
    what: str = "photos"

    @property
    def passed(self) -> bool:
        """Whether the device predicts what the host does, ties aside."""
        return self.differing == self.tied

    def message(self, address: str) -> str:
        """The gate's sentence."""
        scored = f"; {self.accuracy.value:.1%} right" if self.accuracy is not None else ""
        if self.differing == 0:
            return f"{self.name} on {address} predicts what the host does for all {self.n} {self.what}{scored}"
        ties = f" ({self.tied} of them ties that rounding decides)" if self.tied else ""
        of_all = f"{self.differing} of {self.n} {self.what}{ties}"
        text = f"{self.name} on {address} predicts another class than the host for {of_all}"
        return text + scored if self.passed else f"{text}{scored}. Do not ship this file to it before you know why"


def host_answers(artifact: Artifact, images: NDArray[np.uint8], labels: Sequence[int] | None = None) -> HostAnswers:
    """Run the artifact here over images uint8 [n, H, W, 3]; ``labels`` are class numbers of the artifact.

    Raises: ArtifactError.
    """
    runner = open_runner(artifact)
    scores = np.concatenate([runner.run(images[k : k + _BATCH]) for k in range(0, len(images), _BATCH)])
    if scores.shape[1] > 1:
        second, first = np.partition(scores, -2, axis=1)[:, -2:].T
        margin = first - second
    else:
        margin = np.full(len(scores), np.inf)
    tie = _TIE_FLOAT if artifact.precision == "float32" else _TIE_INT8
    return HostAnswers(
        answers=tuple(int(k) for k in scores.argmax(axis=1)),
        near_ties=tuple(int(k) for k in np.flatnonzero(margin <= tie)),
        labels=None if labels is None else tuple(int(k) for k in labels),
    )


def host_answers_to_prepared(
    path: Path, format: str, inputs: PreparedInputs, labels: Sequence[int] | None = None
) -> HostAnswers:
    """Run another tool's file here over prepared inputs, by the code that runs it on devices; all its outputs count.

    Raises: ArtifactError.
    """
    load = {"tflite": device_agent.load_tflite, "onnx": device_agent.load_onnx}[format]
    prepared = device_agent.Prepared(inputs.arrays)
    answers: list[int] = []
    near_ties: list[int] = []
    try:
        with quiet():
            model = load({"model": str(path), "threads": 1, "delegate": "xnnpack"})(prepared.shapes)
            for feed in device_agent.feeds_of(prepared, model):
                for output in device_agent.outputs_of(model.infer(feed)):
                    if _is_near_tie(output):
                        near_ties.append(len(answers))
                    answers.append(device_agent.answer_of(output))
    except Exception as error:  # a runtime's own exception types share no base but this
        raise ArtifactError(f"{path} does not run on this machine: {one_line(error, 300)}") from None
    known = None if labels is None else tuple(int(k) for k in labels)
    return HostAnswers(tuple(answers), tuple(near_ties), known)


def _is_near_tie(output: Any) -> bool:
    """Whether another order of additions may change the answer to it."""
    values = np.asarray(output).reshape(-1)
    if values.size == 0 or values.dtype.kind not in "fiu":
        return True
    values = values.astype(np.float64)
    if values.size == 1:
        return bool(abs(values[0] - 0.5) <= _TIE_INT8)
    if not np.isfinite(values).all():
        return True
    second, first = np.partition(values, -2)[-2:]
    # Quantized inside or not is not seen in the output: the wider tolerance holds for both.
    return bool(first - second <= _TIE_INT8 * (values.max() - values.min()))


def device_score(measurement: Measurement) -> DeviceScore | None:
    """The device's predictions of the first launch against the host's; None where nothing was checked."""
    host = measurement.host
    answers = next((launch.check_answers for launch in measurement.launches if launch.check_answers is not None), None)
    if host is None or answers is None:
        return None
    differing = {k for k, (here, there) in enumerate(zip(answers, host.answers, strict=True)) if here != there}
    labelled = host.labels is not None
    return DeviceScore(
        name=measurement.name,
        n=len(answers),
        differing=len(differing),
        tied=len(differing & set(host.near_ties)),
        accuracy=accuracy(host.labels, answers) if labelled and host.labels else None,
        host_accuracy=accuracy(host.labels, host.answers) if labelled and host.labels else None,
        what="photos" if measurement.inputs == "photos" else "outputs for made inputs",
    )


def device_scores(result: BenchResult) -> tuple[DeviceScore, ...]:
    """Every file of a result that was checked on the device."""
    scores = (device_score(measurement) for measurement in result.measurements)
    return tuple(score for score in scores if score is not None)
