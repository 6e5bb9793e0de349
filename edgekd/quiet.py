"""Import Keras and TensorFlow without what their C++ side prints on stderr while it starts."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


def import_keras() -> None:
    """Import keras on TensorFlow; whatever was printed is shown only if that fails."""
    if "keras" in sys.modules:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with held_stderr():
        import keras
        import tensorflow  # noqa: F401

        keras.ops.zeros(1)  # The first op starts the devices, which has its own messages.


@contextmanager
def held_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, by C++ too; shown only if the block raises."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as buffer:
        os.dup2(buffer.fileno(), 2)
        try:
            yield
        except BaseException:
            sys.stderr.flush()
            os.dup2(kept, 2)
            buffer.seek(0)
            os.write(2, buffer.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
