"""A shipped file, read without a runtime: the artifact's record, .tflite, .onnx (and its wire format), .ort."""
