"""How long and how often to measure: everything that decides a measurement and is the user's to choose."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Mode = Literal["back-to-back", "paced", "sustained"]
Delegate = Literal["xnnpack", "none", "gpu", "nnapi"]

# A camera's frame at 30 a second.
FRAME_MS = 1000 / 30


class BenchPlan(BaseModel):
    """A measurement's plan. Each launch is a fresh process of one model; each round launches every model once.

    Modes: ``back-to-back`` infers without a pause; ``paced`` starts one inference every ``pace_ms``, as a camera app
    does; ``sustained`` is back-to-back for minutes, with a curve of medians by the second.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    launches: int = Field(default=7, ge=1, le=1000)
    seconds_per_launch: float = Field(default=1.0, gt=0, le=3600, description="how long inferences are timed")
    min_iterations: int = Field(default=16, ge=1, description="timed even if they take longer than that")
    max_iterations: int = Field(default=1000, ge=1, description="no more than this are timed in a launch")
    warmup_min_iterations: int = Field(default=16, ge=0)
    warmup_max_s: float = Field(default=1.0, ge=0, description="warm-up ends here even if it is not steady")
    threads: int = Field(default=1, ge=1, le=256)
    affinity: tuple[int, ...] | None = Field(default=None, description="numbers of the CPUs to stay on; None: any")
    delegate: Delegate = Field(default="xnnpack", description="of TFLite; ONNX Runtime runs on its own CPU provider")
    mode: Mode = "back-to-back"
    pace_ms: float = Field(default=FRAME_MS, gt=0, le=60_000, description="from frame to frame in paced mode")
    launch_timeout_s: float = Field(default=300.0, gt=0, description="a launch that takes longer has failed")
    seed: int = Field(default=0, ge=0, description="of the order within rounds")

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
