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
from edgekd.scale.ray_cluster import connect
from edgekd.scale.ray_workers import plain_errors, resources
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
        """Do the trainings 0 to ``count``; returns the numbers of those that were stopped early."""
        os.environ.update(TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1", RAY_AIR_NEW_OUTPUT="0")
        with connect(self.address), plain_errors(), quiet():
            from ray import tune

            room = resources(count)
            kind = {"gpu": room["num_gpus"]} if "num_gpus" in room else {"cpu": room["num_cpus"]}
            tuner = tune.Tuner(
                tune.with_resources(tune.with_parameters(_run_trial, trial=trial), kind),
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
        # A trial that failed for good has an error, and is left to the caller.
        results_in_order = (results[i] for i in range(len(results)))
        complete = [result for result in results_in_order if result.error is None and result.metrics]
        return {int(result.metrics["config"]["number"]) for result in complete if not result.metrics.get("finished")}

    def _scheduler(self, epochs: int) -> Any:
        from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

        if not self.stop_early:
            return FIFOScheduler()
        # After the last epoch nothing is stopped: the files are not yet written.
        return ASHAScheduler(
            time_attr="epoch", metric="good", mode="max", max_t=2 * epochs, grace_period=max(1, epochs // 4),
            reduction_factor=2,
        )  # fmt: skip


def _run_trial(config: dict[str, Any], trial: Trial) -> None:
    from ray import tune

    best = [0, float("-inf")]

    def report(epoch: int, good: float) -> None:
        best[:] = [epoch, max(best[1], good)]
        tune.report({"epoch": epoch, "good": best[1], "finished": False})

    callback: Report = report
    with contextlib.suppress(EdgekdError):  # The caller repeats it and meets the same error, where it can be shown.
        trial(config["number"], callback)
    tune.report({"epoch": best[0] + 1, "good": best[1], "finished": True})
