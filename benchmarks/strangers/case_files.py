"""What the cases need and the folder of cases does not hold: copies of photos, a CSV, a module, a hostile model."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trial import Trial

from edgekd.storage import write_text

CUSTOM = "own_layers"
_CUSTOM_SOURCE = """
import keras


@keras.saving.register_keras_serializable("mine")
class Swish1(keras.layers.Layer):
    def call(self, x):
        return x * keras.ops.sigmoid(x)
"""
# Every so manieth photo is a test photo in split folders.
_TEST_STEP = 4


def copy_classes(
    trial: Trial, classes: Sequence[str], *, rename: Mapping[str, str] | None = None, folder: str = "source"
) -> Path:
    """A folder of class folders, with other names where ``rename`` has them."""
    for name in classes:
        shutil.copytree(trial.photos / name, trial.work / folder / (rename or {}).get(name, name))
    return trial.work / folder


def split_classes(
    trial: Trial, rename: Mapping[str, str], *, folder: str, splits: tuple[str, str] = ("train", "test")
) -> Path:
    """Two split folders of class folders; every fourth photo is in the second."""
    for name, new in rename.items():
        for number, photo in enumerate(trial.photo_list([name])):
            place = trial.work / folder / splits[number % _TEST_STEP == 0] / new
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(photo, place / photo.name)
    return trial.work / folder


def copy_with_suffixes(trial: Trial, suffixes: Mapping[str, str]) -> Path:
    """The photos with other suffixes; an .mpo holds two pictures, as cameras write it."""
    folder = trial.work / "suffixes"
    for name, suffix in suffixes.items():
        (folder / name).mkdir(parents=True)
        for photo in trial.photo_list([name]):
            target = folder / name / f"{photo.stem}{suffix}"
            if suffix == ".mpo":
                with Image.open(photo) as picture:
                    rgb = picture.convert("RGB")
                rgb.save(target, "MPO", quality=95, save_all=True, append_images=[rgb])
            else:
                shutil.copy(photo, target)
    return folder


def write_windows_csv(trial: Trial) -> Path:
    """A list as a program on Windows writes it."""
    rows = [f"{photo.parent.name}\\{photo.name},{photo.parent.name}\r\n" for photo in trial.photo_list()]
    path = trial.work / "photos.csv"
    write_text(path, "".join(["filename,label\r\n", *rows]))
    return path


def convert_keras2(model: Path, folder: Path, code: str) -> Path:
    """Run the code that the error names beside a copy of the file; returns the folder that it wrote."""
    folder.mkdir()
    shutil.copy(model, folder)
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    return next(path for path in folder.iterdir() if path.is_dir())


def write_custom_module(folder: Path) -> None:
    """The module that registers the custom layer."""
    write_text(folder / f"{CUSTOM}.py", _CUSTOM_SOURCE)


def import_custom(folder: Path) -> None:
    """Register the custom layer in this process."""
    sys.path.insert(0, str(folder))
    importlib.import_module(CUSTOM)
    sys.path.remove(str(folder))


def nan_layers(path: Path) -> list[str]:
    """Names of the layers of a model that hold NaN."""
    from edgekd.quiet import import_keras

    import_keras()
    import keras

    network = keras.saving.load_model(path, compile=False)
    return [layer.name for layer in network.layers if any(np.isnan(value).any() for value in layer.get_weights())]


def save_hostile_model(folder: Path, target: Path) -> Path:
    """A SavedModel that classifies, and whose serialized dataset writes the file ``target`` at every call."""
    from edgekd.quiet import import_keras, quiet

    import_keras()
    import tensorflow as tf

    def write(number: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(str(target), "written")]):
            return tf.identity(number)

    dataset = tf.data.Dataset.range(1).map(write)
    graph = tf.raw_ops.DatasetToGraphV2(input_dataset=dataset._variant_tensor).numpy()

    class Network(tf.Module):
        """Three scores of pixels 0..255."""

        @tf.function(input_signature=[tf.TensorSpec((None, 32, 32, 3), tf.float32)])
        def serve(self, image: Any) -> dict[str, Any]:
            """The mean of each channel, and a side effect."""
            variant = tf.raw_ops.DatasetFromGraph(graph_def=tf.constant(graph))
            done = tf.raw_ops.DatasetToSingleElement(
                dataset=variant, output_types=[tf.int64], output_shapes=[tf.TensorShape([])]
            )
            with tf.control_dependencies(done):
                return {"scores": tf.reduce_mean(image, axis=(1, 2))}

    module = Network()
    with quiet():
        tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    target.unlink(missing_ok=True)
    return folder
