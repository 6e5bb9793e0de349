"""edgekd: from a folder of photos and a big image classifier to a small one that is checked and measured."""

__version__ = "0.1.0"
