"""What an agent replies, parsed as untrusted input: checked as a whole before any of it is used.

A reply is refused for a type that is not the one meant (a number in quotes too), for NaN and infinity, negative or zero
times, more timings than were asked for or than fit into the time the launch had, answers that are not one per photo,
and a file larger than any reply. Texts in it are cut and made fit to print.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from edgekd.bench.records import EndToEnd, Launch, first_problem
from edgekd.errors import DeviceError
from edgekd.text import one_line, printable

# Of the agent's reply (agent.py and the Android demo), not of the result.
REPLY_SCHEMA = 2
# A reply holds at most max_iterations timings and one answer a photo; a larger file is not a reply.
REPLY_LIMIT_BYTES = 64 * 1024 * 1024

_OWN, _WAIT, _MACHINE = {"own_s", "wall_s"}, {"wait_s"}, {"busy_s", "steal_s", "total_s"}
_TEXT_LIMIT, _DEVICE_LIMIT = 300, 65_536
_LAUNCH = TypeAdapter(Launch)


@dataclass(frozen=True)
class LaunchRequest:
    """What one launch was asked for, which its reply must fit. ``*_n`` count photos, 0 where there are none.

    ``end_to_end`` are the sources to be timed from end to end, each with how many photos or frames it has.
    """

    threads: int
    max_iterations: int
    timeout_s: float
    inputs_n: int
    check_n: int = 0
    curve: bool = False
    answers: bool = False
    end_to_end: tuple[tuple[str, int], ...] = ()


def read_reply(path: Path, address: str) -> Any:
    """The JSON that an agent wrote. Raises: DeviceError if it is not JSON, or too large."""
    size_bytes = path.stat().st_size
    if size_bytes > REPLY_LIMIT_BYTES:
        raise _no_measurement(address, f"{size_bytes:,} bytes")
    return parse_reply(path.read_bytes(), address)


def parse_reply(content: bytes, address: str) -> Any:
    """The JSON that an agent wrote. Raises: DeviceError if it is not JSON."""
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise _no_measurement(address, f"{error}: {content[:60].decode('utf-8', 'replace')!r}") from None


def launch_from_reply(reply: Any, round_: int, session: int, request: LaunchRequest, address: str) -> Launch:
    """Check and type a reply. Raises: DeviceError for a refusal by the agent, or what is not a reply."""
    refused = reply.get("error") if isinstance(reply, dict) else None
    if isinstance(refused, str) and refused:
        raise DeviceError(printable(refused, 500), address=address)
    try:
        return _check_reply(reply, round_, session, request)
    except (ValueError, RecursionError) as error:
        raise _no_measurement(address, str(error)) from None


def _check_reply(reply: Any, round_: int, session: int, request: LaunchRequest) -> Launch:
    if not isinstance(reply, dict) or reply.get("schema") != REPLY_SCHEMA:
        raise ValueError(f"a reply of schema {REPLY_SCHEMA} was expected")
    try:
        # As JSON once more: that tells NaN at any depth, and lets pydantic be strict about every type.
        text = json.dumps({**reply, "round": round_, "session": session}, allow_nan=False)
    except ValueError:
        raise ValueError("it holds NaN or infinity") from None
    try:
        launch = _LAUNCH.validate_json(text, strict=True)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None
    _check_times(launch, request)
    _check_cpu(launch.cpu)
    _check_end_to_end(launch.end_to_end or (), request)
    if launch.threads != request.threads:
        raise ValueError(f"it ran on {launch.threads} threads where {request.threads} were asked for")
    for answers, wanted, count in (
        (launch.answers, request.answers, request.inputs_n),
        (launch.check_answers, request.check_n > 0, request.check_n),
    ):
        if answers is not None and (not wanted or len(answers) != count):
            raise ValueError(f"{len(answers)} answers to {count if wanted else 0} photos")
    if launch.device is not None and len(json.dumps(launch.device)) > _DEVICE_LIMIT:
        raise ValueError("its facts of the device are too long")
    return replace(launch, runtime=_line(launch.runtime), delegate=_line(launch.delegate))


def _check_times(launch: Launch, request: LaunchRequest) -> None:
    count = len(launch.timings_ns)
    if not count and launch.summary is None:
        raise ValueError("timings_ns is empty")
    if count > request.max_iterations:
        raise ValueError(f"{count} timings where at most {request.max_iterations} were asked for")
    if sum(launch.timings_ns) > request.timeout_s * 1e9:
        raise ValueError(f"its timings add up to more than the {request.timeout_s:g} s that it had")
    if launch.instructions is not None and len(launch.instructions) != count:
        raise ValueError("instructions and timings_ns differ in number")
    _check_places(launch.switched_out or (), count)
    if launch.window_s is not None and launch.window_s[0] >= launch.window_s[1]:
        raise ValueError("window_s ends before it begins")
    if request.curve and not launch.curve:
        raise ValueError("it has no curve")
    if launch.curve and any(a[0] >= b[0] for a, b in zip(launch.curve, launch.curve[1:], strict=False)):
        raise ValueError("its curve goes back in time")
    if (summary := launch.summary) is not None and summary.avg_us <= 0:
        raise ValueError("summary.avg_us is not a time")


def _check_end_to_end(parts: Sequence[EndToEnd], request: LaunchRequest) -> None:
    if tuple((part.source, len(part.answers)) for part in parts) != request.end_to_end:
        raise ValueError("its photos and frames from end to end are not those that were asked for")
    for part in parts:
        count = len(part.resize_ns)
        decoded = count if part.source == "photo" else 0
        if not count or len(part.inference_ns) != count or len(part.decode_ns) != decoded:
            raise ValueError("its stages from end to end differ in number")
        if count > request.max_iterations:
            raise ValueError(f"{count} passes from end to end where at most {request.max_iterations} were asked for")
        if sum((*part.decode_ns, *part.resize_ns, *part.inference_ns)) > request.timeout_s * 1e9:
            raise ValueError(f"its stages add up to more than the {request.timeout_s:g} s that it had")
        _check_places(part.switched_out or (), count)
        _check_cpu(part.cpu)


def _check_places(places: Sequence[int], count: int) -> None:
    if any(a >= b for a, b in zip(places, (*places, count)[1:], strict=True)):
        raise ValueError("switched_out is not a rising list of places in timings_ns")


def _check_cpu(cpu: Mapping[str, float]) -> None:
    """Nothing, this process's own seconds (its waiting where known), or also those of the whole machine."""
    names = set(cpu) - _WAIT
    if cpu and names not in (_OWN, _OWN | _MACHINE):
        raise ValueError(f"cpu holds {printable(', '.join(sorted(names)), 80)}")
    # The kernel's own sums may go back a little: proc_stat(5) on iowait.
    if any(value < (0 if name in _OWN else -1) for name, value in cpu.items()):
        raise ValueError("cpu holds a negative time")


def _line(text: str) -> str:
    return one_line(text, _TEXT_LIMIT)


def _no_measurement(address: str, why: str) -> DeviceError:
    return DeviceError(f"it answered with something that is not a measurement ({printable(why, 300)})", address=address)
