"""Errors of work on another machine as text: they come back as the errors that they were."""

from __future__ import annotations

import json

from edgekd import errors
from edgekd.errors import EdgekdError, RunError


def describe_error(error: EdgekdError) -> str:
    """An error as JSON."""
    return json.dumps({"kind": type(error).__name__, "message": str(error)})


def rebuild_error(text: str) -> EdgekdError:
    """The error that a worker described, of the same kind."""
    described = json.loads(text)
    error_class = getattr(errors, described["kind"], None)
    if isinstance(error_class, type) and issubclass(error_class, EdgekdError):
        return error_class(described["message"])
    return RunError(described["message"])
