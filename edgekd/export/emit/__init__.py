"""Emitters: each translates one kind of TFLite op to ONNX with the same integers.

- ``builder``: collects ONNX nodes; ``context``: the state of one translation
- ``elementwise``, ``hard_swish``, ``linear``, ``moving``, ``pooling``, ``tables``: the emitters
"""
