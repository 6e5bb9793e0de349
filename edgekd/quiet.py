"""Keep what TensorFlow and LiteRT print while they start and convert, from C++ too, off the terminal."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from edgekd.extras import require
from edgekd.memory import require_address_space

# Below it TensorFlow aborts the process while it is loaded.
_TENSORFLOW_BYTES = 3 << 30


@functools.cache
def import_keras() -> None:
    """Import keras on TensorFlow, without the messages of either.

    Raises: MissingExtraError: ``edgekd[train]`` is not installed. MemoryShortage.
    """
    require("train", "a Keras model")
    require_address_space(_TENSORFLOW_BYTES, "TensorFlow")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with quiet():
        import keras
        import tensorflow

        keras.ops.zeros(1)  # The first op starts the devices, which has its own messages.
    # Each of many models is traced once, which TensorFlow takes for one that is traced again and again.
    tensorflow.get_logger().addFilter(lambda record: "tf.function retracing" not in record.getMessage())


@contextlib.contextmanager
def quiet() -> Iterator[Callable[[], str]]:
    """Keep what Python and C++ code print off the terminal; yields a function that returns it."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stdout.flush()
    sys.stderr.flush()
    output = io.StringIO()
    with tempfile.TemporaryFile("w+b") as log, contextlib.redirect_stdout(output), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        saved = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(log.fileno(), number)
            yield lambda: _read_log(log)
        finally:
            # Python's buffers are emptied into the log, not into the terminal.
            sys.stdout.flush()
            sys.stderr.flush()
            for number, original in zip((1, 2), saved, strict=True):
                os.dup2(original, number)
                os.close(original)


def reason_of(error: Exception, read_log: Callable[[], str]) -> str:
    """Why something failed: the error's own words, or the end of the suppressed output where it has none."""
    return str(error).strip() or read_log()[-2000:]


def _read_log(log: Any) -> str:
    sys.stdout.flush()
    sys.stderr.flush()
    log.seek(0)
    return str(log.read().decode("utf-8", "replace"))
