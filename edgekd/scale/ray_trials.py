"""A sweep's trainings as trials of Ray Tune, the worst of them stopped early on request."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd.errors import EdgekdError
from edgekd.quiet import quiet
from edgekd.scale.ray_workers import connected, plainly_told, resources
from edgekd.scale.workers import Report, Trial

_TRIES = 3


@dataclass(frozen=True)
class RayTrials:
    """Trainings on a cluster at ``address`` (see `RayWorkers`), as many at once as it has room for.

    ``stop_early``: the worse half at a quarter, and again at half, of the epochs. Which these are depends on the order
    in which trainings report, so that a sweep with it is not the same twice.

    Source: asynchronous successive halving, arXiv:1810.05934.
    """

    address: str | None = None
    stop_early: bool = False

    def all(self, trial: Trial, count: int, *, epochs: int, folder: Path) -> set[int]:
        """Do the trainings 0 to ``count``; gives the numbers of those that were stopped early."""
        os.environ.update(TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1", RAY_AIR_NEW_OUTPUT="0")
        with connected(self.address), plainly_told(), quiet():
            from ray import tune

            room = resources(count)
            kind = {"gpu": room["num_gpus"]} if "num_gpus" in room else {"cpu": room["num_cpus"]}
            tuner = tune.Tuner(
                tune.with_resources(tune.with_parameters(_trained, trial=trial), kind),
                param_space={"number": tune.grid_search(list(range(count)))},
                tune_config=tune.TuneConfig(scheduler=self._scheduler(epochs)),
                run_config=tune.RunConfig(
                    name="tune", storage_path=str(folder), verbose=0, log_to_file=False,
                    failure_config=tune.FailureConfig(max_failures=_TRIES),
                ),
            )  # fmt: skip
            results = tuner.fit()
        with contextlib.suppress(OSError):
            shutil.rmtree(folder / "tune")
        # One that failed for good has an error, and is left to whoever asked.
        ended = [one for one in map(results.__getitem__, range(len(results))) if one.error is None and one.metrics]
        return {int(one.metrics["config"]["number"]) for one in ended if not one.metrics.get("finished")}

    def _scheduler(self, epochs: int) -> Any:
        from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

        if not self.stop_early:
            return FIFOScheduler()
        # Past the last epoch nothing is to be stopped: the files are still to be written.
        return ASHAScheduler(
            time_attr="epoch", metric="good", mode="max", max_t=2 * epochs, grace_period=max(1, epochs // 4),
            reduction_factor=2,
        )  # fmt: skip


def _trained(config: dict[str, Any], trial: Trial) -> None:
    from ray import tune

    best = [0, float("-inf")]

    def report(epoch: int, good: float) -> None:
        best[:] = [epoch, max(best[1], good)]
        tune.report({"epoch": epoch, "good": best[1], "finished": False})

    reported: Report = report
    with contextlib.suppress(EdgekdError):  # Whoever asked meets the same error, where it can be told.
        trial(config["number"], reported)
    tune.report({"epoch": best[0] + 1, "good": best[1], "finished": True})
