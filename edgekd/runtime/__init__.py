"""Run a .tflite or .onnx; never imports TensorFlow."""

from edgekd.runtime.predict import Prediction, predict
from edgekd.runtime.runner import Runner, open_runner

__all__ = ["Prediction", "Runner", "open_runner", "predict"]
