"""A small student and the files exported from it, made once for all tests that need them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

if "PYTEST_XDIST_WORKER" in os.environ:
    # Threads that wait for others by spinning would take the time of pytest's other processes.
    # Before NumPy is imported: its OpenBLAS reads this once.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")

import numpy as np
import pytest
from chromium import browser  # noqa: F401  a fixture
from decided_files import with_decision
from numpy.typing import NDArray
from sharing import shared
from simulators.arm import arm_root  # noqa: F401  a fixture
from simulators.object_store import running_store, store  # noqa: F401  fixtures
from simulators.phone import adb_server_port, boot_phone, phone, phone_root, phones, refused_serial  # noqa: F401
from simulators.pi import pi, pi_machine  # noqa: F401
from tiny_student import LABELS, SIZE, build_student, smooth_images

from edgekd.formats.decision import Decision


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, None]:
    """Where EDGEKD_NO_SKIP is set, as in CI, a test that skips has failed: something was not installed."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("EDGEKD_NO_SKIP"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"


# Each starts something that stands for another machine: a phone, a Raspberry Pi, an ARM core.
_DEVICE_FIXTURES = {"phone_root", "pi_machine", "arm_root"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by what they use (a single slow test says so itself), and put them in order.

    ``slow``: everything in ``integration``, where whole runs are made. ``device``: what uses a simulated device.
    """
    for item in items:
        if "integration" in item.path.parts:
            item.add_marker(pytest.mark.slow)
        if _DEVICE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.device)
    _put_in_order(items)


def _put_in_order(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no worker is left with one at the end.

    The first makes the finished run; meanwhile the other worker does what needs none. The quickstart is the last: its
    latencies count only where little else runs.
    """
    waiting = {item.path for item in items if "finished" in getattr(item, "fixturenames", ())}

    def rank(item: pytest.Item) -> int:
        if item.path.name == "test_quickstart.py":
            return 4
        if "integration" not in item.path.parts:
            return 3
        return 0 if item.path.name == "test_android.py" else 1 + (item.path in waiting)

    items.sort(key=rank)


@pytest.fixture(scope="session")
def images() -> NDArray[np.uint8]:
    """48 images of the tiny student's size."""
    return smooth_images(48, SIZE)


@pytest.fixture(scope="session")
def student() -> Any:
    """The tiny float student, a Keras 3 model of 3 classes at 48 x 48."""
    import keras

    # Layer names that do not depend on the tests that ran before.
    keras.utils.clear_session()
    return build_student()


@pytest.fixture(scope="session")
def exported(student: Any, images: NDArray[np.uint8], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The four artifacts of the tiny student, by "<precision>.<format>"."""
    from edgekd.formats.artifact import Artifact
    from edgekd.preprocess import Preprocessing

    def make(folder: Path) -> None:
        from edgekd.export.exporter import export

        export(
            student,
            folder,
            "tiny",
            labels=LABELS,
            preprocessing=Preprocessing(height=SIZE, width=SIZE, crop="center"),
            calibration=images,
            provenance={"run": "test"},
        )

    folder = shared(tmp_path_factory, "exported", make)
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".tflite", ".onnx")]
    return {f"{one.precision}.{one.format}": one for one in map(Artifact.open, files)}


@pytest.fixture(scope="session")
def decided(exported: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The four artifacts with tags, "tags.<precision>.<format>", and with answers that are refused, "reject.…"."""
    folder = tmp_path_factory.mktemp("decided")
    rules = {
        "tags": Decision("multi-label", (0.5, 0.6, 0.85), calibration={"method": "by hand"}),
        "reject": Decision(reject_below=0.6, none_label=LABELS[1]),
    }
    return {
        f"{kind}.{name}": with_decision(one, folder / f"{kind}.{name}", rule)
        for kind, rule in rules.items()
        for name, one in exported.items()
    }


@pytest.fixture(scope="session")
def web_runtimes() -> None:
    """What `edgekd demo --fetch` brings, out of the npm packages of tests/js, in the user's cache."""
    from edgekd.demo.runtimes import RUNTIMES, has_runtime, store_runtime

    for runtime in RUNTIMES.values():
        package = Path(__file__).parent / "js" / "node_modules" / runtime.package
        described = package / "package.json"
        if not described.is_file() or json.loads(described.read_text())["version"] != runtime.version:
            pytest.skip(f"needs {runtime.package} {runtime.version}: npm install --prefix tests/js")
        if not has_runtime(runtime):
            store_runtime(runtime, {file.path: (package / file.path).read_bytes() for file in runtime.files.values()})


@pytest.fixture
def copied(exported: dict[str, Any], tmp_path: Path) -> Callable[[str], Path]:
    """Copies one of the exported files, without its sidecar, to where a test may spoil it."""

    def copy(name: str) -> Path:
        path = tmp_path / f"copy.{name}"
        path.write_bytes(exported[name].path.read_bytes())
        return path

    return copy
