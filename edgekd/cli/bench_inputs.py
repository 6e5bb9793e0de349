"""What ``edgekd bench`` measures: files or a run's files, their photos, the plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.agents.choose import AgentChoice
from edgekd.bench.plan import FRAME_MS, BenchPlan
from edgekd.bench.targets import BenchTarget, Photos, make_targets
from edgekd.errors import DataError, UsageError
from edgekd.formats.artifact import Artifact
from edgekd.inspection.probe import check_runs
from edgekd.photo_formats import FORMATS
from edgekd.preprocess import Preprocessing, preprocess

_SUSTAINED_S = 120.0
# Loading, warming up and running on the slowest devices that people have tried.
_TIMEOUT_S = 300.0


def files_of(artifacts: Sequence[Path], baseline: Path | None) -> dict[str, Artifact]:
    """Names and files, the baseline first. Raises: UsageError, ArtifactError."""
    if _is_run(artifacts):
        if baseline is not None:
            raise UsageError("a run's baseline is its teacher; --baseline is for files")
        from edgekd.pipeline.run_files import TITLES, artifacts_in

        files = artifacts_in(artifacts[0])
        # The student without the teacher has the same graph as the distilled one.
        return {TITLES[row]: files[row] for row in TITLES if row in files and row != "labels_only"}
    paths = dict.fromkeys([*([baseline] if baseline else []), *artifacts])
    opened = {path.name: Artifact.open(path) for path in paths}
    for path in paths:
        check_runs(path)
    if len(opened) < len(paths):
        raise UsageError("two of the files have the same name; give them different ones")
    return opened


def photos_of(
    artifacts: Sequence[Path], files: Mapping[str, Artifact], options: Mapping[str, Any]
) -> list[BenchTarget]:
    """The files as targets: on a run's test photos, or on those of --data. Raises: DataError, UsageError."""
    timed_n, check_n, data = options["photos"], options["check"], options["data"]
    if data is None and not _is_run(artifacts):
        raise UsageError("which photos? Give a folder of them: --data photos")
    make = run_photos if data is None or _dataset_file(data).is_file() else _folder_photos
    timed = make(data or artifacts[0], timed_n, options["end_to_end"])
    check = make(data or artifacts[0], check_n)
    return make_targets(files, timed, check if check_n else None, options["threads"])


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


def choose_agent(options: Mapping[str, Any]) -> AgentChoice:
    """The agents that the user gave for phones. Raises: UsageError for a file that is not there."""
    for name in ("apk", "benchmark_model"):
        if options[name] is not None and not options[name].is_file():
            raise UsageError(f"--{name.replace('_', '-')} {options[name]}: there is no such file")
    return AgentChoice(apk=options["apk"], benchmark_model=options["benchmark_model"])


def _is_run(artifacts: Sequence[Path]) -> bool:
    return len(artifacts) == 1 and artifacts[0].is_dir()


def _dataset_file(run: Path) -> Path:
    return run / "data" / "dataset.json"


def run_photos(run: Path, count: int, end_to_end: bool = False) -> Photos:
    """The first test photos of a run, with their classes; as files too where they are timed from end to end."""
    from edgekd.bench.raw_photos import raw_photos_of
    from edgekd.data.dataset import Dataset
    from edgekd.data.images import images_of
    from edgekd.errors import RunError

    if not _dataset_file(run).is_file():
        raise RunError(f"{run} is not a run directory: it has no data/dataset.json. Make one: edgekd run RECIPE")
    dataset = Dataset.load(_dataset_file(run))
    samples = dataset.split("test")[:count]
    labels = [dataset.classes[sample.label] for sample in samples if sample.label is not None]
    raw = raw_photos_of(dataset, samples) if end_to_end else None
    return Photos(lambda preprocessing: images_of(dataset, samples, preprocessing), labels, raw)


def _folder_photos(folder: Path, count: int, end_to_end: bool = False) -> Photos:
    from edgekd.bench.raw_photos import RawPhotosOf
    from edgekd.data.folder import list_unlabelled

    paths = [item.path for item in list_unlabelled(folder).items]
    if not paths:
        raise DataError(f"{folder} holds no photo ({', '.join(FORMATS)}). Give a folder with some")

    def images(preprocessing: Preprocessing) -> NDArray[np.uint8]:
        return np.stack([preprocess(path, str(path), preprocessing) for path in paths[:count]])

    return Photos(images, raw=RawPhotosOf(paths[:count]) if end_to_end else None)
