"""One emitter per TFLite op: how it is said in ONNX, with the same integers."""
