"""Run a .tflite or .onnx; never imports TensorFlow."""
