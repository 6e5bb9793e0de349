"""Networks that teachers and students share: building, loading and rebuilding Keras models.

named                networks by their names: the built-in ones and those of keras.applications
load                 a .keras file as a model
logits               a classifier without its trailing softmax or sigmoid; a copy of a model on another input
rebuild              an independent copy of a model, compared with the original
keras_file           which version and which classes a Keras file names, read without Keras
outputs              from the outputs of a classifier in any format to logits
pixel_range          pixel preprocessing as layers of the model
pixel_evidence       which pixel values a model takes, where its first layers show it
pixel_settings       the keys of a recipe that say so where they do not
on_pixels            the user's model as one of pixels 0..255 at a fixed size, to logits
blocks               the blocks of a network, by the names of its layers
applications         networks of ``keras.applications``
efficientnet_lite    EfficientNet-Lite0, -Lite1 and -Lite2 with ImageNet weights
torch_checkpoint     the tensors of a PyTorch checkpoint, read without torch
"""

from edgekd.models.load import load_model
from edgekd.models.logits import logits_model

__all__ = ["load_model", "logits_model"]
