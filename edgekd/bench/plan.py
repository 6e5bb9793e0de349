"""How long and how often to measure: everything that decides a measurement and is the user's to choose."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BenchPlan(BaseModel):
    """A measurement's plan. Each launch is a fresh process of one model; each round launches every model once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    launches: int = Field(default=7, ge=1, le=1000)
    seconds_per_launch: float = Field(default=1.0, gt=0, le=3600, description="how long inferences are timed")
    min_iterations: int = Field(default=16, ge=1, description="timed even if they take longer than that")
    max_iterations: int = Field(default=1000, ge=1, description="no more than this are timed in a launch")
    warmup_min_iterations: int = Field(default=16, ge=0)
    warmup_max_s: float = Field(default=1.0, ge=0, description="warm-up ends here even if it is not steady")
    threads: int = Field(default=1, ge=1, le=256)
    launch_timeout_s: float = Field(default=300.0, gt=0, description="a launch that takes longer has failed")
    seed: int = Field(default=0, ge=0, description="of the order within rounds and of the bootstrap")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> BenchPlan:
        if self.min_iterations > self.max_iterations:
            raise ValueError(
                f"min_iterations must be <= max_iterations, got {self.min_iterations} and {self.max_iterations}"
            )
        return self
