"""Android's own TensorFlow Lite on this machine: the AAR's classes and x86_64 library in a JVM, beside stand-ins for
Android's system libraries.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from common import TESTS, temporary_folder

VERSION = "2.16.1"
_CLIENT = Path(__file__).with_name("AndroidTflite.java")
_LIBRARY = "jni/x86_64/libtensorflowlite_jni.so"


def answers(repository: Path, model: Path, images: Any) -> Any:
    """Probabilities float[N, C] of images uint8[N, 1, H, W, 3].

    Args:
        repository: a folder, such as Maven's, with the two AARs of TensorFlow Lite in it.
        model: a .tflite of one input uint8[1, H, W, 3].
        images: uint8[N, 1, H, W, 3].
    """
    classes, libraries = _unpack(repository)
    stored = temporary_folder() / "images.bin"
    stored.write_bytes(images.tobytes())
    environment = {**os.environ, "LD_PRELOAD": str(libraries / "libc.so"), "LD_LIBRARY_PATH": str(libraries)}
    argv = ["java", "-cp", classes, f"-Djava.library.path={libraries}", _CLIENT, model, stored]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{_CLIENT.name} {model}: {done.stderr[-1000:]}")
    return np.asarray(json.loads(done.stdout.splitlines()[-1]), np.float32)


@functools.cache
def _unpack(repository: Path) -> tuple[str, Path]:
    """The class path, and a folder of libraries that a process on Linux loads."""
    folder = temporary_folder()
    jars = []
    for name in ("tensorflow-lite", "tensorflow-lite-api"):
        with zipfile.ZipFile(next(repository.rglob(f"{name}-{VERSION}.aar"))) as archive:
            jars.append(archive.extract("classes.jar", folder / name))
            if name == "tensorflow-lite":
                library = archive.extract(_LIBRARY, folder)
    make = TESTS / "simulators/android/make.py"
    subprocess.run([sys.executable, make, library, folder / "libraries"], check=True)
    return os.pathsep.join(jars), folder / "libraries"
