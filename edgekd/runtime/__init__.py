"""Running a .tflite, .onnx or .ort; never imports TensorFlow.

open     choosing the runtime by format      runner   what every runtime offers
litert   LiteRT                              ort      ONNX Runtime
predict  from photos to classes
"""

from edgekd.runtime.open import open_runner
from edgekd.runtime.predict import Prediction, predict
from edgekd.runtime.runner import Runner

__all__ = ["Prediction", "Runner", "open_runner", "predict"]
