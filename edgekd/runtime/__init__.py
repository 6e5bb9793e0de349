"""Running an exported file: images in, probabilities out. Imports no TensorFlow.

open       which runtime a file needs, opened
runner     what every runtime does: uint8 images to float32 probabilities
litert     LiteRT, for .tflite
ort        ONNX Runtime, for .onnx and .ort
coreml     .mlpackage, op by op; mil_ops: the ops in NumPy
predict    photos by path, with labels
"""

from edgekd.runtime.open import open_runner
from edgekd.runtime.predict import Prediction, predict
from edgekd.runtime.runner import Runner

__all__ = ["Prediction", "Runner", "open_runner", "predict"]
