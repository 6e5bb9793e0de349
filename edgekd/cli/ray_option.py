"""``--ray``: the same work on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from edgekd.scale.workers import Here, Trials, Workers

_HELP = (
    "Spread the work over a Ray cluster: at ADDRESS, else the one started on this machine, else one for this command. "
    "Give it after the other arguments."
)


def ray_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command ``--ray [ADDRESS]``; its value is None without, "" without an address."""
    option = click.option("--ray", is_flag=False, flag_value="", default=None, metavar="[ADDRESS]", help=_HELP)
    return option(command)


def workers_of(ray: str | None) -> Workers:
    """Executors for independent tasks: this process, or Ray's workers, imported when there is work."""
    if ray is None:
        return Here()
    from edgekd.extras import require
    from edgekd.scale.ray_workers import RayWorkers

    require("ray", "--ray")

    return RayWorkers(ray or None)


def trials_of(ray: str | None, stop_early: bool) -> Trials | None:
    """Executors that train a sweep's students at the same time; None without ``--ray``."""
    if ray is None:
        return None
    from edgekd.scale.ray_trials import RayTrials

    return RayTrials(ray or None, stop_early)
