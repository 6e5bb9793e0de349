"""Errors of work on another machine as text: they come back as the errors that they were."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

from edgekd import errors
from edgekd.errors import EdgekdError, RunError

Result = TypeVar("Result")


def attempt(work: Callable[[], Result], task: str) -> tuple[Result | None, str]:
    """The result of ``work``, and as text the error that it raised, empty where it did not.

    Errors are data because Ray prints a page of what raises. ``task`` names the work where the error is none of ours.
    """
    try:
        return work(), ""
    except EdgekdError as failed:
        return None, _describe_error(failed)
    except Exception as failed:
        return None, _describe_error(RunError(f"a worker of Ray failed at {task}: {failed!r}"))


def _describe_error(error: EdgekdError) -> str:
    return json.dumps({"kind": type(error).__name__, "message": str(error)})


def rebuild_error(text: str) -> EdgekdError:
    """The error that a worker described, of the same kind."""
    described = json.loads(text)
    error_class = getattr(errors, described["kind"], None)
    if isinstance(error_class, type) and issubclass(error_class, EdgekdError):
        return error_class(described["message"])
    return RunError(described["message"])
