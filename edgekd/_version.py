"""The version, written here alone: the build, the package and every record read it."""

__version__ = "0.2.0"
