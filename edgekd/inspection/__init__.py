"""Inspects any .tflite or .onnx and lists classic mistakes; never imports TensorFlow.

- ``inspect_file``: reads a file, runs it in a child process, and applies the lint
- ``network``: a common form for both formats' graphs; ``from_tflite`` and ``from_onnx`` read it
- ``description``: a file's metadata: labels, preprocessing, origin
- ``macs``: multiply-accumulates of an op; ``xnnpack``: the ops that XNNPACK takes
- ``probe``: runs a file in a child process, ``probe_child``
- ``lint``: the rules
- ``tables``: an inspection as tables and as JSON
"""

from edgekd.inspection.inspect_file import Inspection, inspect_file
from edgekd.inspection.lint import RULES, Finding
from edgekd.inspection.tables import to_json

__all__ = ["RULES", "Finding", "Inspection", "inspect_file", "to_json"]
