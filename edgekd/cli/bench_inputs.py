"""What ``edgekd bench`` measures: files or a run's files, their photos, the plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.agents.choose import AgentChoice
from edgekd.bench.energy.plan import EnergyPlan, EnergyRequest
from edgekd.bench.plan import FRAME_MS, BenchPlan
from edgekd.bench.targets import BenchTarget, Photos, make_targets
from edgekd.cli.console import note
from edgekd.cli.model_options import read_file_options, read_shapes
from edgekd.errors import DataError, UsageError
from edgekd.foreign.options import FileOptions
from edgekd.foreign.plain import PlainModel, describe_inputs, open_any, with_made_inputs
from edgekd.formats.artifact import Artifact
from edgekd.inspection.probe import check_runs
from edgekd.photo_formats import FORMATS
from edgekd.preprocess import Preprocessing, preprocess

if TYPE_CHECKING:
    from edgekd.data.dataset import Dataset

_SUSTAINED_S = 120.0
# Loading, warming up and running on the slowest devices that people have tried.
_TIMEOUT_S = 300.0
# Meters have a new reading about once a second.
_METER_BLOCK_S = 20.0


def files_of(
    artifacts: Sequence[Path], baseline: Path | None, options: Mapping[str, Any]
) -> dict[str, Artifact | PlainModel]:
    """Names and files of any tool, the baseline first. Raises: UsageError, ArtifactError."""
    if _is_run(artifacts):
        if baseline is not None:
            raise UsageError("a run's baseline is its teacher; --baseline is for files")
        from edgekd.pipeline.run_files import TITLES, artifacts_in, timed_rows

        files = artifacts_in(artifacts[0])
        return {TITLES[row]: files[row] for row in timed_rows(artifacts[0]) if row in files}
    paths = dict.fromkeys([*([baseline] if baseline else []), *artifacts])
    said, shapes = read_file_options(options), read_shapes(options["shapes"])
    opened = {path.name: _open(path, said, shapes, options) for path in paths}
    if len(opened) < len(paths):
        raise UsageError("two of the files have the same name; give them different ones")
    return opened


def _open(
    path: Path, said: FileOptions, shapes: Mapping[str, Sequence[int]] | None, options: Mapping[str, Any]
) -> Artifact | PlainModel:
    opened = open_any(path, said, shapes)
    if isinstance(opened, Artifact) and opened.feed is not None and options["data"] is None:
        opened = with_made_inputs(opened, "no photos were given: --data")
    if isinstance(opened, PlainModel):
        note(f"{path.name} is timed on made inputs ({describe_inputs(opened)}): {opened.reason}")
    elif opened.feed is None:
        check_runs(path)
    return opened


def photos_of(
    artifacts: Sequence[Path], files: Mapping[str, Artifact | PlainModel], options: Mapping[str, Any]
) -> list[BenchTarget]:
    """The files as targets: on a run's test photos, or on those of --data. Raises: DataError, UsageError."""
    timed_n, check_n, data = options["photos"], options["check"], options["data"]
    if data is None and not _is_run(artifacts):
        if any(isinstance(file, Artifact) for file in files.values()):
            raise UsageError("which photos? Give a folder of them: --data photos")
        return make_targets(files, timed_n, check_n or None, options["threads"])
    source = data or artifacts[0]
    open_source = _open_dataset if data is None or _dataset_file(data).is_file() else _open_folder
    photos = open_source(source, f"timed on {timed_n}, checked on {check_n} at most")
    timed, check = photos(timed_n, options["end_to_end"]), photos(check_n, False)
    targets = make_targets(files, timed, check if check_n else None, options["threads"])
    if not _is_run(artifacts):
        return targets
    ours = {name: file for name, file in files.items() if isinstance(file, Artifact)}
    return [*_own_teacher(artifacts[0], ours, timed, options["threads"]), *targets]


def _own_teacher(run: Path, files: Mapping[str, Artifact], timed: Photos, threads: Sequence[int]) -> list[BenchTarget]:
    """The teacher's own .onnx or .tflite, the baseline of a run whose teacher is one."""
    from edgekd.pipeline.run_files import teacher_targets, untimed_teacher

    if reason := untimed_teacher(run):
        note(f"the teacher: {reason}")
    crop = next(iter(files.values())).preprocessing.crop
    targets = teacher_targets(run, timed, crop, threads)
    for path in {target.path for target in targets}:
        check_runs(path)
    return targets


def plan_of(options: Mapping[str, Any]) -> BenchPlan:
    """The plan that the options ask for. Raises: UsageError for modes that exclude each other."""
    paced, sustained, end_to_end = options["paced"], options["sustained"], options["end_to_end"]
    modes = {"--paced": paced, "--sustained": sustained, "--end-to-end": end_to_end}
    chosen = [name for name, value in modes.items() if value]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} exclude each other: choose one")
    seconds = options["seconds"] or (_SUSTAINED_S if sustained else 1.0)
    common = {"seconds_per_launch": seconds, "affinity": options["affinity"], "delegate": options["delegate"]}
    timeout_s = options["timeout"] or max(_TIMEOUT_S, 3 * seconds)
    if timeout_s <= seconds:
        raise UsageError(f"--timeout {timeout_s:g} leaves no time for the {seconds:g} s that a launch is timed")
    if sustained:
        return BenchPlan(**common, launches=1, mode="sustained", max_iterations=100_000, launch_timeout_s=timeout_s)
    mode = {"mode": "paced", "pace_ms": paced} if paced else {"pace_ms": FRAME_MS}
    launches = options["launches"]
    return BenchPlan(**common, **mode, launches=launches, end_to_end=end_to_end, launch_timeout_s=timeout_s)


def energy_of(options: Mapping[str, Any], addresses: Sequence[str]) -> EnergyRequest | None:
    """The energy that the options ask for. Raises: UsageError for options that go with --energy alone."""
    only = [f"--{name.replace('_', '-')}" for name in ("power_log", "battery_wh", "block_seconds") if options[name]]
    if not options["energy"]:
        if only:
            raise UsageError(f"{only[0]} goes with --energy. Add it")
        return None
    if options["sustained"]:
        raise UsageError("--energy and --sustained exclude each other: choose one")
    log = options["power_log"]
    if log is not None and len(addresses) > 1:
        raise UsageError("--power-log is the log of one device's meter. Measure one device at a time")
    plan = EnergyPlan(
        block_s=options["block_seconds"] or (_METER_BLOCK_S if log else EnergyPlan.block_s),
        rounds=options["launches"],
        pace_ms=options["paced"] or EnergyPlan.pace_ms,
    )
    return EnergyRequest(plan, log, options["battery_wh"])


def choose_agent(options: Mapping[str, Any]) -> AgentChoice:
    """The agents that the user gave for phones. Raises: UsageError for a file that is not there."""
    for name in ("apk", "benchmark_model"):
        if options[name] is not None and not options[name].is_file():
            raise UsageError(f"--{name.replace('_', '-')} {options[name]}: there is no such file")
    return AgentChoice(apk=options["apk"], benchmark_model=options["benchmark_model"])


def _is_run(artifacts: Sequence[Path]) -> bool:
    from edgekd.formats.coreml_file import is_package

    return len(artifacts) == 1 and artifacts[0].is_dir() and not is_package(artifacts[0])


def _dataset_file(run: Path) -> Path:
    return run / "data" / "dataset.json"


def run_photos(run: Path, count: int) -> Photos:
    """The first test photos of a run, with their classes."""
    return _test_photos(_dataset_of(run), count, end_to_end=False)


def _open_dataset(run: Path, use: str) -> Callable[[int, bool], Photos]:
    """The first so many test photos of a run, as files too where asked; prints what photos there are."""
    from edgekd.cli.console import note

    dataset = _dataset_of(run)
    note(f"{dataset.summary_line()}; {use}")
    return lambda count, end_to_end: _test_photos(dataset, count, end_to_end)


def _dataset_of(run: Path) -> Dataset:
    from edgekd.data.dataset import Dataset
    from edgekd.errors import RunError

    if not _dataset_file(run).is_file():
        raise RunError(f"{run} is not a run directory: it has no data/dataset.json. Make one: edgekd run RECIPE")
    return Dataset.load(_dataset_file(run))


def _test_photos(dataset: Dataset, count: int, end_to_end: bool) -> Photos:
    from edgekd.bench.raw_photos import raw_photos_of
    from edgekd.data.images import images_of

    samples = dataset.split("test")[:count]
    # A device is scored on the classes of photos; where they have tags, it is held against the host alone.
    labels = (
        [dataset.classes[sample.label] for sample in samples if sample.label is not None]
        if dataset.task == "single-label"
        else None
    )
    raw = raw_photos_of(dataset, samples) if end_to_end else None
    return Photos(lambda preprocessing: images_of(dataset, samples, preprocessing), labels, count, raw)


def _open_folder(folder: Path, use: str) -> Callable[[int, bool], Photos]:
    """The first so many photos of a folder, as files too where asked; prints how many there are."""
    from edgekd.bench.raw_photos import RawPhotosOf
    from edgekd.cli.console import note_photos
    from edgekd.data.folder import list_unlabelled

    paths = [item.path for item in list_unlabelled(folder).items]
    if not paths:
        raise DataError(f"{folder} holds no photo ({', '.join(FORMATS)}). Give a folder with some")
    note_photos(len(paths), use)

    def photos(count: int, end_to_end: bool) -> Photos:
        def images(preprocessing: Preprocessing) -> NDArray[np.uint8]:
            return np.stack([preprocess(path, str(path), preprocessing) for path in paths[:count]])

        return Photos(images, count=count, raw=RawPhotosOf(paths[:count]) if end_to_end else None)

    return photos
