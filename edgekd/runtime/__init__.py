"""Run a .tflite or .onnx; never imports TensorFlow."""

from edgekd.runtime.open import open_runner
from edgekd.runtime.predict import Prediction, predict
from edgekd.runtime.runner import Runner

__all__ = ["Prediction", "Runner", "open_runner", "predict"]
