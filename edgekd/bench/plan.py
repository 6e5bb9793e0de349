"""How long and how often to measure: everything that decides a measurement and is the user's to choose."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from edgekd.section import Section

Mode = Literal["back-to-back", "paced", "sustained"]
Delegate = Literal["xnnpack", "none", "gpu"]
NNAPI_IS_GONE = (
    'the delegate "nnapi" is gone: Android deprecated NNAPI in version 15, and LiteRT left it. '
    'Use "xnnpack", "gpu" or "none"'
)

# A camera's frame at 30 a second.
FRAME_MS = 1000 / 30


class BenchPlan(Section):
    """A measurement's plan. Each launch is a fresh process of one model; each round launches every model once.

    Modes: ``back-to-back`` infers without a pause; ``paced`` starts one inference every ``pace_ms``, as a camera app
    does; ``sustained`` is back-to-back for minutes, with a curve of medians per second.
    """

    LATER: ClassVar[tuple[str, ...]] = ("sample_ms", "end_to_end")

    launches: int = Field(default=7, ge=1, le=1000)
    """Fresh processes per model. More launches narrow the intervals: launches differ more than inferences do."""
    seconds_per_launch: float = Field(default=1.0, gt=0, le=3600)
    """Seconds for which inferences are timed in a launch."""
    min_iterations: int = Field(default=16, ge=1)
    """Timings taken in a launch at least, even if they take longer than seconds_per_launch."""
    max_iterations: int = Field(default=1000, ge=1)
    """Timings taken in a launch at most."""
    warmup_min_iterations: int = Field(default=16, ge=0)
    """Untimed inferences before the timed ones, at least."""
    warmup_max_s: float = Field(default=1.0, ge=0)
    """Seconds after which the warm-up ends even if latencies are not steady yet."""
    sample_ms: float = Field(default=0.25, ge=0, le=100)
    """Milliseconds that a timing lasts at least: shorter inferences are timed several at once and their mean is kept,
    so that reading the clocks takes nothing of them. 0: each alone, as it always is in paced and sustained runs."""
    threads: int = Field(default=1, ge=1, le=256)
    """Threads of the runtime."""
    affinity: tuple[int, ...] | None = Field(default=None, examples=[[0]])
    """Numbers of the CPUs to stay on. Unset, the system chooses."""
    delegate: Delegate = Field(default="xnnpack")
    """TFLite delegate; ONNX Runtime always runs on its CPU provider."""
    mode: Mode = "back-to-back"
    """When inferences start: one after the other, one per pace_ms (as a camera app does), or for minutes."""
    pace_ms: float = Field(default=FRAME_MS, gt=0, le=60_000)
    """Milliseconds from one start to the next in paced mode; the default is a camera at 30 frames per second."""
    end_to_end: bool = False
    """Time photos and camera frames too, from a photo's file or a frame to the answer."""
    launch_timeout_s: float = Field(default=300.0, gt=0)
    """Seconds after which a launch is ended and counted as failed."""
    seed: int = Field(default=0, ge=0)
    """Seed of the random order of models within each round."""

    @field_validator("delegate", mode="before")
    @classmethod
    def _not_nnapi(cls, value: object) -> object:
        if value == "nnapi":
            raise ValueError(NNAPI_IS_GONE)
        return value

    @field_validator("affinity")
    @classmethod
    def _cpus(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value is not None and (not value or min(value) < 0 or len(set(value)) != len(value)):
            raise ValueError(f"affinity must be different CPU numbers from 0 on, got {list(value)}")
        return value

    @model_validator(mode="after")
    def _bounds_in_order(self) -> BenchPlan:
        if self.min_iterations > self.max_iterations:
            raise ValueError(
                f"min_iterations must be <= max_iterations, got {self.min_iterations} and {self.max_iterations}"
            )
        return self

    @model_validator(mode="after")
    def _end_to_end_fits(self) -> BenchPlan:
        if self.end_to_end and self.mode != "back-to-back":
            raise ValueError(f"end_to_end is measured back-to-back, not in mode {self.mode}")
        return self
