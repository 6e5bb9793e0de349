"""Too little address space is said before a native library hangs or aborts on it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Set in the child: its own libraries are loaded after the limit.
LIMITED = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv.pop(1)),) * 2); "


@pytest.mark.parametrize(
    ("mib", "code", "what"),
    [
        (300, "runpy.run_module('edgekd', run_name='__main__')", "edgekd needs 512 MiB"),
        (
            1300,
            "from edgekd.errors import MemoryShortage\n"
            "from edgekd.quiet import import_keras\n"
            "try: import_keras()\n"
            "except MemoryShortage as error: sys.exit(f'{error}')",
            "TensorFlow needs 3,072 MiB",
        ),
    ],
)
def test_too_little_address_space_is_refused_with_the_line_that_raises_it(mib: int, code: str, what: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED + code, str(mib << 20), "predict", "model.tflite", "photo.jpg"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and what in done.stderr and "ulimit -v" in done.stderr
    assert "Traceback" not in done.stderr
