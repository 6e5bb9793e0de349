"""Look into any .tflite or .onnx, and name the classic mistakes; never imports TensorFlow."""

from edgekd.inspection.inspect_file import Inspection, inspect_file
from edgekd.inspection.lint import RULES, Finding
from edgekd.inspection.tables import to_json

__all__ = ["RULES", "Finding", "Inspection", "inspect_file", "to_json"]
