"""File formats, read without a runtime.

- ``artifact``: an exported file, its record and seal
- ``tflite_file``: .tflite; ``sharing_builder``: writes it in fewer bytes; ``onnx_file`` and ``onnx_wire``: .onnx;
  ``ort_file``: .ort; ``coreml_file``: .mlpackage, and ``mil_program`` the ops in it
- ``decision``: from probabilities to an answer; ``pixels``: from photos to what a network is fed
"""

from edgekd.formats.artifact import Artifact, TensorSpec

__all__ = ["Artifact", "TensorSpec"]
