"""``edgekd bench``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from edgekd.bench.multi_device import Outcome
    from edgekd.report.devices_report import Joined


def _numbers(_context: click.Context, option: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    try:
        found = tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 1,2,4", param=option) from None
    if len(set(found)) < len(found) or min(found) < (1 if option.name == "threads" else 0):
        raise click.BadParameter(f"{value!r} holds a number twice, or one that is too small", param=option)
    return found


@click.command(
    "bench",
    epilog="The first file is the baseline unless --baseline names another. Exit code 4 where a device failed (the "
    "others are measured all the same), 3 where one answers otherwise than this machine.",
)
@click.argument("artifacts", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--baseline", type=click.Path(path_type=Path), help="File that the others are held against.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of photos to run on; a run has its own.")
@click.option("--photos", type=click.IntRange(1), default=16, help="How many of them to time on [16].")
@click.option("--check", type=click.IntRange(0), default=16, help="How many to compare answers on; 0: none [16].")
@click.option("--device", "devices", multiple=True, help="Address, as edgekd devices lists them; repeatable [host].")
@click.option("--launches", type=click.IntRange(1), default=7, help="Fresh processes a file [7].")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Timed a launch [1; sustained: 120].")
@click.option("--threads", default="1", callback=_numbers, help="Threads of the runtime; several sweep: 1,2,4 [1].")
@click.option("--affinity", callback=_numbers, help="CPUs to stay on, such as 2,3 [any].")
@click.option("--delegate", type=click.Choice(["xnnpack", "none", "gpu", "nnapi"]), default="xnnpack", help="[xnnpack]")
@click.option(
    "--paced", type=click.FloatRange(0, min_open=True), help="One inference every so many ms (33 is a camera)."
)
@click.option("--sustained", is_flag=True, help="One long launch a file, with its curve by the second.")
@click.option("--apk", type=click.Path(path_type=Path), help="The Android demo, to measure with on phones.")
@click.option(
    "--benchmark-model", type=click.Path(path_type=Path), help="Google's benchmark_model, for phones without."
)
@click.option("--out", type=click.Path(path_type=Path), help="One device: a .json of every timing. Else a folder.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), help="Seconds a launch may take [300, or 3 x --seconds]."
)
@click.option("--anew", is_flag=True, help="Keep nothing of the same command that was killed or failed before.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(artifacts: tuple[Path, ...], devices: tuple[str, ...], as_json: bool, **options: Any) -> None:
    """Time files side by side in fresh processes, in random order, on real photos, on one device or many.

    A run directory stands for its teacher, its student and the int8 files, on its test photos. With --out, the same
    command again goes on where one was killed or lost a device.

    \b
    Example:
      edgekd bench teacher.float32.tflite student.int8.tflite --data photos
    """
    import contextlib

    from edgekd.bench.multi_device import measure_many
    from edgekd.cli.bench_inputs import chosen_agent, files_of, photos_of, plan_of
    from edgekd.cli.console import ConsoleWatcher
    from edgekd.devices.table import check_scheme

    addresses = devices or ("host",)
    for address in addresses:
        check_scheme(address)
    files = files_of(artifacts, options["baseline"])
    plan = plan_of(options)
    targets = photos_of(artifacts, files, options)
    folder, single = _where(options["out"], addresses)
    watcher = ConsoleWatcher()
    try:
        choice = chosen_agent(options)
        outcomes = measure_many(
            targets, targets[0].name, plan, addresses, folder, choice=choice, watcher=watcher, anew=options["anew"]
        )
    finally:
        watcher.stop()
    if single is not None and outcomes[0].error is None:
        outcomes[0].path.replace(single)
        with contextlib.suppress(OSError):  # what was set aside stays
            folder.rmdir()
    _finish(outcomes, None if single or options["out"] is None else folder, as_json)


def _where(out: Path | None, addresses: tuple[str, ...]) -> tuple[Path, Path | None]:
    """The folder that results grow in, and the one file that is wanted where it is one."""
    import tempfile

    from edgekd.errors import UsageError

    if out is None:
        return Path(tempfile.mkdtemp(prefix="edgekd-bench-")), None
    if out.suffix != ".json":
        return out, None
    if len(addresses) > 1:
        raise UsageError(f"--out {out}: several devices give several files. Name a folder")
    return out.parent / f".{out.stem}.bench", out


def _finish(outcomes: list[Outcome], folder: Path | None, as_json: bool) -> None:
    """Show what was measured, then say what failed: a device before a gate."""
    from edgekd.bench.on_device import device_scores
    from edgekd.cli.console import RESULT
    from edgekd.errors import DeviceError, GateFailed
    from edgekd.report.devices_report import join

    results = [one.result for one in outcomes if one.result is not None]
    errors = {one.address: _said(one) for one in outcomes if one.error is not None}
    joined = join(results, errors)
    if folder is not None:
        from edgekd.report.devices_render import render_joined

        page = render_joined(joined, folder, folder.resolve().name)
    _show(joined, as_json)
    if folder is not None and not as_json:
        RESULT.print(f"report: {page}")
    if errors:
        raise DeviceError("\n  ".join(errors.values()))
    wrong = [score.message(result.device) for result in results for score in device_scores(result) if not score.passed]
    if wrong:
        raise GateFailed("\n  ".join(["a device answers otherwise than this machine:", *wrong]))


def _said(outcome: Outcome) -> str:
    """A device's error, and where what was measured before it is kept."""
    launches = sum(len(one.launches) for one in outcome.result.measurements) if outcome.result else 0
    kept = f" What was measured is in {outcome.path}; the same command goes on there." if launches else ""
    told = str(outcome.error)
    return told if str(outcome.path) in told else f"{told.rstrip('.')}.{kept}" if kept else told


def _show(joined: Joined, as_json: bool) -> None:
    from dataclasses import asdict

    from edgekd.cli.console import RESULT, print_json
    from edgekd.report.console_table import console_table
    from edgekd.report.devices_report import device_cells, findings, reasons, what

    if as_json:
        told = [
            {
                "device": part.result.device,
                "agent": part.result.agent,
                "unit": part.result.unit,
                "baseline": part.result.baseline,
                "facts_before": dict(part.result.facts_before),
                "facts_after": dict(part.result.facts_after),
                "error": part.error,
                "files": {
                    line.measurement.name: {
                        "summary": asdict(line.summary) if line.summary else None,
                        "comparison": asdict(line.comparison),
                        "validity": asdict(line.validity),
                        "device_score": asdict(line.score) if line.score else None,
                    }
                    for line in part.lines
                },
            }
            for part in joined.parts
        ]
        print_json({"devices": told, "failed": dict(joined.failed)})
        return
    for part in joined.parts:
        cells = device_cells(part)
        RESULT.print(f"\n{part.result.device}: {what(part.result.facts_before)}", style="bold", markup=False)
        RESULT.print(console_table(cells))
        for found in findings(part):
            RESULT.print(f"  {found}", markup=False)
        for reason in reasons(part):
            RESULT.print(f"  ! {reason}", markup=False)
