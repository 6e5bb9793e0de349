"""Opens .tflite and .onnx files of other tools: as classifiers of photos, or with made inputs to be timed.

- ``options``: what a user says of such a file, in the words of ``[teacher]``
- ``read``: its graph and metadata, in either format
- ``open_model``: a classifier, with its pixels, labels and scores
- ``plain``: any other file, with inputs of the right types and sizes
"""

from edgekd.foreign.open_model import open_model
from edgekd.foreign.options import FileOptions
from edgekd.foreign.plain import PlainModel, open_any

__all__ = ["FileOptions", "PlainModel", "open_any", "open_model"]
