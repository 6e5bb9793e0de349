"""``edgekd bench``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgekd.cli.accelerators import accelerator_option
from edgekd.cli.model_options import model_options, shape_option

if TYPE_CHECKING:
    from edgekd.bench.multi_device import Complete, Outcome
    from edgekd.bench.result import BenchResult
    from edgekd.bench.targets import BenchTarget
    from edgekd.devices.protocol import Device
    from edgekd.foreign.plain import PlainModel
    from edgekd.formats.artifact import Artifact


def _numbers(_context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        numbers = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers, such as 1,2,4", param=option) from None
    if len(set(numbers)) < len(numbers) or min(numbers) < (1 if option.name == "threads" else 0):
        raise click.BadParameter(f"{value!r} has a number twice, or one that is too small", param=option)
    return numbers


class _Delegate(click.Choice[str]):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from edgekd.bench.plan import NNAPI_IS_GONE

        if value == "nnapi":
            self.fail(NNAPI_IS_GONE, param, ctx)
        return str(super().convert(value, param, ctx))


@click.command(
    "bench",
    epilog="The first file is the baseline unless --baseline names another. Exit code 4 where a device failed (the "
    "others are still measured), 3 where a device predicts other classes than this machine.",
)
@click.argument("artifacts", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--baseline", type=click.Path(path_type=Path), help="File that the others are compared with.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of photos to run on; not needed for a run.")
@click.option("--photos", type=click.IntRange(1), default=16, help="How many of them to time on [16].")
@click.option("--check", type=click.IntRange(0), default=16, help="How many to compare predictions on; 0: none [16].")
@click.option("--device", "devices", multiple=True, help="Address, as edgekd devices lists them; repeatable [host].")
@click.option("--launches", type=click.IntRange(1), default=7, help="Fresh processes per file [7].")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Timed per launch [1; sustained: 120].")
@click.option("--threads", default="1", callback=_numbers, help="Threads of the runtime; 1,2,4 measures with each [1].")
@click.option("--affinity", callback=_numbers, help="CPUs to stay on, such as 2,3 [any].")
@click.option("--delegate", type=_Delegate(["xnnpack", "none", "gpu"]), default="xnnpack", help="[xnnpack]")
@click.option("--paced", type=click.FloatRange(0, min_open=True), help="One inference every so many ms (33: a camera).")
@click.option("--end-to-end", is_flag=True, help="Time photos and camera frames too, from decoding to the answer.")
@click.option("--sustained", is_flag=True, help="One long launch per file, with its latency by the second.")
@click.option("--energy", is_flag=True, help="Also measure joules of an inference (experimental).")
@click.option("--power-log", type=click.Path(path_type=Path), help="CSV of a USB power meter, for --energy.")
@click.option("--battery-wh", type=click.FloatRange(0, min_open=True), help="Battery to give hours for [the phone's].")
@click.option(
    "--block-seconds", type=click.FloatRange(0, min_open=True), help="Of each block of --energy [10; with a meter: 20]."
)
@click.option("--apk", type=click.Path(path_type=Path), help="The Android demo, which measures on phones.")
@click.option(
    "--benchmark-model", type=click.Path(path_type=Path), help="Google's benchmark_model, for phones without the demo."
)
@click.option("--out", type=click.Path(path_type=Path), help="A .json of every timing for one device, or a folder.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Most seconds per launch [300, or 3 x --seconds]."
)
@click.option(
    "--estimate-time",
    is_flag=True,
    help="Experimental: beside the instructions of an emulated core, the milliseconds it might take.",
)
@accelerator_option
@click.option(
    "--profile",
    "by_op",
    is_flag=True,
    help="By op instead, files side by side: time on this machine, instructions on emulated cores.",
)
@shape_option
@model_options()
@click.option("--anew", is_flag=True, help="Discard what an earlier, unfinished run of this command measured.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(artifacts: tuple[Path, ...], devices: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Time files side by side in fresh processes, in random order, on real photos, on one device or many.

    Files may be of any tool. Where a file's preprocessing is not known, or it takes no photos, it is timed on made
    inputs of the right types and sizes, which the table says.

    Given a run directory, it measures that run's teacher, student and int8 files on the run's test photos. With --out,
    the same command continues where an earlier one was killed or lost a device.

    \b
    Example:
      edgekd bench teacher.float32.tflite student.int8.tflite --data photos
      edgekd bench mobilenet.onnx student.int8.tflite --data photos --pixel-range=-1,1
      edgekd bench detector.tflite speech.onnx
      edgekd bench student.float32.onnx student.int8.onnx --data photos --profile
    """
    import contextlib

    from edgekd.bench.multi_device import measure_many
    from edgekd.cli.bench_inputs import choose_agent, energy_of, files_of, photos_of, plan_of
    from edgekd.cli.console import ConsoleWatcher
    from edgekd.devices.table import check_scheme
    from edgekd.errors import UsageError
    from edgekd.storage import locked, require_writable

    addresses = devices or ("host",)
    for address in addresses:
        check_scheme(address)
    accelerators = options.pop("accelerators")
    if accelerators and "host" not in addresses:
        raise UsageError("--accelerator runs files on this machine: add --device host. A phone's GPU: --delegate gpu")
    by_op = options.pop("by_op")
    if by_op and accelerators:
        raise UsageError("--profile is of CPUs: leave --accelerator out")
    if by_op:
        from edgekd.cli.bench_profile import check_profile, print_profiles

        check_profile(options, addresses, estimates=options["estimate_time"])
        files = files_of(artifacts, options["baseline"], options)
        targets = photos_of(artifacts, files, {**options, "check": 0, "photos": 1})
        print_profiles(targets, addresses, options, as_json)
        return
    folder, single = _where(options["out"], addresses)
    estimates = _estimates(addresses) if options.pop("estimate_time") else None
    require_writable(folder if single is None else single.parent)
    files = files_of(artifacts, options["baseline"], options)
    plan, energy = plan_of(options), energy_of(options, addresses)
    targets = photos_of(artifacts, files, options)
    complete = _on_accelerators(files, accelerators, estimates) if accelerators else estimates
    watcher = ConsoleWatcher()
    with locked(folder):
        try:
            choice = choose_agent(options)
            outcomes = measure_many(
                targets, targets[0].name, plan, addresses, folder,
                choice=choice, watcher=watcher, anew=options["anew"], energy=energy, complete=complete,
            )  # fmt: skip
        finally:
            watcher.stop()
        if single is not None and outcomes[0].error is None:
            outcomes[0].path.replace(single)
            with contextlib.suppress(OSError):  # the folder has other files
                (folder / ".lock").unlink()
                folder.rmdir()
    kept_in = None if single or options["out"] is None else folder
    _finish(outcomes, kept_in, as_json, kept=options["out"] is not None)


def _estimates(addresses: tuple[str, ...]) -> Complete:
    """Estimates the time of every file on emulated cores, once it is certain that it can."""
    from edgekd.core_time.estimate import add_estimates, require_tools

    require_tools(addresses)
    return lambda result, targets, device: (
        add_estimates(result, targets, device) if device.address.startswith("emulated:") else result
    )


def _on_accelerators(
    files: Mapping[str, Artifact | PlainModel], accelerators: Sequence[str], others: Complete | None
) -> Complete:
    """Runs the files on accelerators of this machine once it was measured, and adds that to its result."""
    from dataclasses import replace

    from edgekd.cli.accelerators import bench_accelerators

    def complete(result: BenchResult, targets: Sequence[BenchTarget], device: Device) -> BenchResult:
        if device.address == "host":
            return replace(result, accelerators=tuple(bench_accelerators(files, targets, accelerators)))
        return result if others is None else others(result, targets, device)

    return complete


def _where(out: Path | None, addresses: tuple[str, ...]) -> tuple[Path, Path | None]:
    """The folder that results are written to, and the one file to make of it where --out names a file."""
    import tempfile

    from edgekd.errors import UsageError

    if out is None:
        return Path(tempfile.mkdtemp(prefix="edgekd-bench-")), None
    if out.suffix != ".json":
        return out, None
    if len(addresses) > 1:
        raise UsageError(f"--out {out}: several devices give several files. Give a folder")
    return out.parent / f".{out.stem}.bench", out


def _finish(outcomes: list[Outcome], folder: Path | None, as_json: bool, kept: bool) -> None:
    """Print the measurements, then raise what failed: a device before a gate."""
    from edgekd.bench.on_device import device_scores
    from edgekd.cli.bench_console import show_measurements
    from edgekd.cli.console import line
    from edgekd.errors import DeviceError, GateFailed
    from edgekd.report.accelerators import accelerator_warnings
    from edgekd.report.devices_report import join

    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    errors = {outcome.address: _message(outcome, kept) for outcome in outcomes if outcome.error is not None}
    report = join(results, errors)
    if folder is not None:
        from edgekd.report.devices_render import render_devices

        page = render_devices(report, folder, folder.resolve().name)
    checks = [check for result in results for check in result.accelerators]
    show_measurements(report, as_json, checks)
    if folder is not None and not as_json:
        line(f"report: {page}")
    if errors:
        raise DeviceError("\n  ".join(errors.values()))
    different = [
        score.message(result.device) for result in results for score in device_scores(result) if not score.passed
    ]
    if different:
        raise GateFailed("\n  ".join(["a device predicts other classes than this machine:", *different]))
    if warnings := accelerator_warnings(checks):
        raise GateFailed("\n  ".join(["an accelerator gives other answers than the CPU:", *warnings]))


def _message(outcome: Outcome, kept: bool) -> str:
    """A device's error, and where its measurements before it are."""
    launches = sum(len(one.launches) for one in outcome.result.measurements) if outcome.result else 0
    message = str(outcome.error)
    if not kept or not launches or str(outcome.path) in message:
        return message
    return f"{message.rstrip('.')}. What was measured is in {outcome.path}; the same command continues there."
