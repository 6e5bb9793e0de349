"""What is in a Keras file, read without Keras: which version saved it, which classes it names, how large it gets.

Admitted are what networks of Keras are made of (`_MODULES`), but no layer that runs or reads something else (`_CODE`,
`_FILES`), and classes that are registered by modules already imported; and no archive that grows far beyond its size
when it is unpacked.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekd.errors import ModelError
from edgekd.memory import find_bomb
from edgekd.storage import require_regular_file
from edgekd.text import first_line, one_line

_MODULES = (
    "keras.layers", "keras.activations", "keras.initializers", "keras.regularizers", "keras.constraints", "keras.ops",
    "keras.dtype_policies", "keras.random", "keras.models", "keras.src.layers", "keras.src.models", "keras.src.engine",
    "keras.src.ops", "keras.src.activations", "keras.src.initializers", "keras.src.dtype_policies", "keras.src.backend",
    "keras.src.random", "keras.applications", "keras.src.applications",
)  # fmt: skip
_LAMBDA = "Lambda"
_CODE = ("__lambda__", "Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
_FILES = ("TFSMLayer", "StringLookup", "IntegerLookup", "TextVectorization")
_MOST_GROWTH = 20
_LARGEST_CONFIG = 64 << 20
_HDF5 = b"\x89HDF\r\n\x1a\n"
_KERAS_2 = (
    'Keras 3 does not read it. Convert it with Keras 2, which is installed as tf_keras: python -c "import tf_keras; '
    "tf_keras.models.load_model('{name}', compile=False).export('teacher_savedmodel')\", and give the directory "
    "teacher_savedmodel"
)


@dataclass(frozen=True)
class KerasFile:
    """``version`` of the Keras that saved it, "" where it does not say; ``classes`` that are not Keras' own."""

    path: Path
    version: str
    classes: tuple[str, ...]

    def explain(self, error: Exception | None) -> ModelError:
        """Why it is not loaded, with what to do next; ``error`` is that of Keras."""
        if self.version.startswith("2."):
            way_out = _KERAS_2.format(name=self.path.name)
            return ModelError(f"{self.path} was saved by Keras {one_line(self.version)}. {way_out}")
        if self.classes:
            return ModelError(
                f"{self.path} uses {one_line(', '.join(self.classes))}, which Keras' own networks are not made of. "
                'Import the Python module that registers it, which runs its code: imports = ["MODULE"] at the top of '
                "the recipe, or export --import MODULE"
            )
        return ModelError(
            f"{self.path} cannot be loaded as a Keras 3 model: {first_line(error) if error else 'no reason'}"
        )


def check_keras_file(path: Path) -> KerasFile:
    """What the file says of itself. Raises ModelError where it is damaged, carries code, or unpacks to too much."""
    try:
        require_regular_file(path)
        version, config = _of_zip(path) if zipfile.is_zipfile(path) else _of_hdf5(path)
    except ModelError:
        raise
    except Exception as error:  # zipfile, h5py and json raise many kinds on a damaged file.
        raise ModelError(f"{path} cannot be loaded as a Keras 3 model: {first_line(error)}") from None
    classes = []
    for module, name, registered in _named_classes(config):
        if name in _CODE:
            raise ModelError(
                f"{path} holds a {_LAMBDA if name == '__lambda__' else name} layer, which is "
                "Python code, and code from a file is never run. Save the model with a layer class of your own instead"
            )
        if module == "keras.quantizers":
            raise ModelError(
                f"{path} was quantized by Keras ({one_line(name)}). Save the model as it was before model.quantize(...)"
            )
        if name in _FILES:
            raise ModelError(f"{path} holds a {name} layer, which reads other files. Save the network without it")
        # What users register has the name of a package before its own: "Custom>Blur".
        foreign = ">" in registered or not (_is_of_keras(module) or _is_function(module, name))
        if foreign and not _is_registered(registered):
            classes.append(registered or f"{module}.{name}")
    return KerasFile(path, version, tuple(dict.fromkeys(classes)))


def _is_of_keras(module: str) -> bool:
    return module == "keras" or any(module == known or module.startswith(f"{known}.") for known in _MODULES)


def _is_function(module: str, name: str) -> bool:
    """Whether it names a function of Keras, such as an activation, by its name alone."""
    return (module, name) == ("builtins", "function")


def _of_zip(path: Path) -> tuple[str, Any]:
    with zipfile.ZipFile(path) as archive:
        bomb = find_bomb(archive, _MOST_GROWTH)
        if bomb is not None:
            raise ModelError(
                f"{path}: {one_line(bomb.filename)!r} unpacks from {bomb.compress_size:,} to {bomb.file_size:,} bytes, "
                "which no Keras model does. It is not opened"
            )
        for name in ("config.json", "metadata.json"):
            if archive.getinfo(name).file_size > _LARGEST_CONFIG:
                raise ModelError(f"{path}: {name!r} has more than {_LARGEST_CONFIG >> 20} MiB. It is not opened")
        metadata = json.loads(archive.read("metadata.json"))
        return str(metadata.get("keras_version", "")), json.loads(archive.read("config.json"))


def _of_hdf5(path: Path) -> tuple[str, Any]:
    import h5py

    with path.open("rb") as stream:
        if stream.read(len(_HDF5)) != _HDF5:
            raise ModelError(
                f"{path} is not a Keras file: it is neither a .keras archive nor HDF5. Save the model again by "
                "model.save('model.keras')"
            )
    with h5py.File(path, "r") as file:
        if "model_config" not in file.attrs:
            raise ModelError(
                f"{path} holds weights without their network. Save the whole model: model.save('model.keras')"
            )
        config = file.attrs["model_config"]
        return str(file.attrs.get("keras_version", "")), json.loads(config)


def _named_classes(config: Any) -> Iterator[tuple[str, str, str]]:
    """(module, class, registered name) of everything in a config that names a class."""
    if isinstance(config, dict):
        if isinstance(config.get("class_name"), str):
            module, registered = config.get("module"), config.get("registered_name")
            yield str(module or "keras"), config["class_name"], str(registered or "")
        for key, value in config.items():
            # Models are loaded without their losses and optimizers.
            if key != "compile_config":
                yield from _named_classes(value)
    elif isinstance(config, list):
        for value in config:
            yield from _named_classes(value)


def _is_registered(name: str) -> bool:
    """Whether a module that is imported already has registered the class."""
    keras = sys.modules.get("keras")
    return keras is not None and keras.saving.get_registered_object(name) is not None
