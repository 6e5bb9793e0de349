"""Emitters: each translates one kind of TFLite op to ONNX with the same integers.

- ``builder``: collects ONNX nodes; ``context``: the state of one translation; ``layout``: the order of axes
- ``elementwise``, ``tables``, ``hard_swish``: functions of values; ``linear``, ``pooling``: sums over them
- ``moving``, ``slicing``, ``padding``, ``joining``: the values themselves
- ``aligned``, ``grouped_columns``: forms that ONNX Runtime has fast kernels for
"""
