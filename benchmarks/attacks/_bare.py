"""Load files into a bare runtime and run them on zeros, each in a fork: ``python _bare.py SECONDS FILE...``.

Prints a line a file: how it ended. This is what a program without any care does with a file.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import time


def run(path: str) -> None:
    """One inference on zeros."""
    import numpy as np

    if path.endswith(".tflite"):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=path, num_threads=1)
        interpreter.allocate_tensors()
        for entry in interpreter.get_input_details():
            interpreter.set_tensor(entry["index"], np.zeros(entry["shape"], entry["dtype"]))
        interpreter.invoke()
        return
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 4, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    sizes = [size if isinstance(size, int) else 1 for size in entry.shape]
    kind = entry.type.removeprefix("tensor(").removesuffix(")").replace("float", "float32")
    session.run(None, {entry.name: np.zeros(sizes, kind)})


def main() -> None:
    """Every file in a fork of this process, which has the runtimes imported."""
    import ai_edge_litert.interpreter  # noqa: F401
    import numpy as np  # noqa: F401
    import onnxruntime  # noqa: F401

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for path in sys.argv[2:]:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            try:
                run(path)
            except Exception:
                os._exit(1)
            os._exit(0)
        end, status = time.monotonic() + float(sys.argv[1]), None
        while status is None and time.monotonic() < end:
            done, raw = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(raw) if done else None
            time.sleep(0.002)
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        print("hangs" if status is None else "runs" if status == 0 else "refused" if status > 0 else f"dies {-status}")


if __name__ == "__main__":
    main()
