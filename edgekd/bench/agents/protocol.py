"""How models are launched on a device: the agent protocol, and what every agent is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from edgekd.bench.prepared import PreparedInputs
from edgekd.devices.protocol import Device
from edgekd.errors import UsageError

if TYPE_CHECKING:
    from edgekd.bench.targets import BenchTarget


class Agent(Protocol):
    """One way to launch models on one device. ``name`` is recorded in the result."""

    @property
    def name(self) -> str:
        """python, android-app or benchmark_model."""
        ...

    @property
    def formats(self) -> tuple[str, ...]:
        """The formats that it runs; other files are left out on its device."""
        ...

    @property
    def takes_prepared(self) -> bool:
        """Whether it runs other tools' files, on prepared inputs; else they are left out on its device."""
        ...

    def prepare(self, folder: str, targets: Sequence[BenchTarget]) -> None:
        """Put everything into the device's workspace ``folder``. Raises: DeviceError."""
        ...

    def launch(self, index: int, round_: int, settings: Mapping[str, Any], timeout_s: float) -> Any:
        """Run the target of that index in a fresh process; returns its reply, still unchecked.

        ``settings`` and ``plan_of`` make the plan that device_agent.py describes. Raises: DeviceError.
        """
        ...

    def finish(self) -> None:
        """Leave nothing outside the workspace."""
        ...


def files_of(targets: Sequence[BenchTarget]) -> dict[str, Any]:
    """Names on the device, each with the local path or the array that belongs under it."""
    files: dict[str, Any] = {}
    for index, target in enumerate(targets):
        names = names_of(targets, index)
        files[str(names["model"])] = target.path
        files[str(names["inputs"])] = target.inputs
        if target.check is not None:
            files[str(names["check_inputs"])] = target.check.inputs
        if target.raw is not None:
            photos, frames = _raw_names(targets, index)
            files.update(zip(photos, target.raw.photos, strict=True))
            files[frames] = target.raw.frames
    return files


def names_of(targets: Sequence[BenchTarget], index: int) -> dict[str, str | None]:
    """``model``, ``inputs`` and ``check_inputs`` of a target, as they are named on the device."""
    target = targets[index]
    model = next(k for k, other in enumerate(targets) if other.path == target.path)
    inputs = next(k for k, other in enumerate(targets) if other.inputs is target.inputs)
    check = None
    if target.check is not None:
        inside = target.check.inputs
        check = next(k for k, other in enumerate(targets) if other.check is not None and other.check.inputs is inside)
    return {
        "model": f"{model}.{target.format}",
        "inputs": f"{inputs}.{_suffix(target.inputs)}",
        "check_inputs": None
        if check is None or target.check is None
        else f"check-{check}.{_suffix(target.check.inputs)}",
    }


def _suffix(inputs: Any) -> str:
    return "npz" if isinstance(inputs, PreparedInputs) else "npy"


def plan_of(targets: Sequence[BenchTarget], index: int, settings: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The agent's whole plan; names of files begin with ``prefix``.

    ``check`` and ``end_to_end`` in settings say whether to. ``sample_ms`` is for the Python agent alone to add: it
    reads its clocks by system calls.
    """
    names = {key: name and f"{prefix}{name}" for key, name in names_of(targets, index).items()}
    others = {key: value for key, value in settings.items() if key not in ("check", "end_to_end", "sample_ms")}
    check = names["check_inputs"] if settings["check"] else None
    return {
        **others,
        **names,
        "check_inputs": check,
        "format": targets[index].format,
        **(_raw_plan(targets, index, prefix) if settings["end_to_end"] else {}),
    }


def _raw_plan(targets: Sequence[BenchTarget], index: int, prefix: str) -> dict[str, Any]:
    """The key ``end_to_end``, which an app of an earlier version does not know."""
    raw = targets[index].raw
    assert raw is not None, "only targets with raw photos are asked for them"
    photos, frames = _raw_names(targets, index)
    size = raw.preprocessing
    files = {"photos": [f"{prefix}{name}" for name in photos], "frames": f"{prefix}{frames}"}
    return {"end_to_end": {**files, "height": size.height, "width": size.width, "crop": size.crop}}


def _raw_names(targets: Sequence[BenchTarget], index: int) -> tuple[list[str], str]:
    """Names of a target's photos and of its frames; those of another target that are the same have the same names."""
    raw = targets[index].raw
    assert raw is not None, "only targets with raw photos have names for them"
    first = next(k for k, other in enumerate(targets) if other.raw is not None and other.raw.frames is raw.frames)
    return [f"photo-{first}-{k}" for k in range(len(raw.photos))], f"frames-{first}.npy"


def check_device(device: Device, threads: int, end_to_end: bool) -> None:
    """Raises: UsageError where the device cannot be measured so: an emulator counts one thread, and takes no time."""
    if end_to_end and device.address.startswith("emulated:"):
        raise UsageError(
            f"{device.address} counts instructions: photos are timed from end to end on host, ssh: and adb: devices"
        )
    most = getattr(device, "max_threads", None)
    if most is not None and threads > most:
        raise UsageError(f"{device.address} is measured with at most {most} thread, got {threads}")
