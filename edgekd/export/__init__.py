"""Conversion to .tflite and .onnx, what travels inside the file, and the checks that every file passes."""
