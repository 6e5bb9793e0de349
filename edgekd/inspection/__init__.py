"""Inspects any .tflite or .onnx and lists classic mistakes; never imports TensorFlow.

- ``inspect_file``: reads a file, runs it in a child process, and applies the lint
- ``network``: a common form for both formats' graphs; ``from_tflite`` and ``from_onnx`` read it
- ``description``: a file's metadata: labels, preprocessing, origin
- ``macs``: multiply-accumulates of an op; ``xnnpack``: the ops that XNNPACK takes
- ``probe``: runs a file in a child process, ``probe_child``; ``probe_onnx`` is its part for .onnx, and
  ``probe_shapes`` the sizes to try where a file leaves them free
- ``lint``: the rules
- ``ending``: what a graph ends in; ``memory``: the plan of its activations, ``micro_child`` that of microcontrollers
- ``tables``: an inspection as tables; ``summary``: in one sentence; ``as_json``: everything as JSON
"""

from edgekd.inspection.as_json import to_json
from edgekd.inspection.inspect_file import Inspection, inspect_file
from edgekd.inspection.lint import RULES, Finding

__all__ = ["RULES", "Finding", "Inspection", "inspect_file", "to_json"]
