"""Keras files that are not loaded: each says why, and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError, UsageError
from edgekd.models.load import import_custom_layers, load_model
from edgekd.models.rebuild import probe_images, run_layers
from edgekd.teacher.saved_model_network import SavedModelNetwork
from edgekd.teacher.settings import InputSettings

LAYER = """
import keras

@keras.saving.register_keras_serializable("{package}")
class Halved(keras.layers.Layer):
    def call(self, x):
        return x / 2
"""


def network(*layers: Any) -> Any:
    flat = [keras.layers.Flatten(), keras.layers.Dense(3, activation="softmax", kernel_regularizer="l2")]
    return keras.Sequential([keras.Input((8, 8, 3)), *layers, *flat])


def edited(path: Path, change: Any) -> Path:
    """The .keras file with its config changed."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_nan_is_named_with_its_layer(tmp_path: Path) -> None:
    model = network(keras.layers.Conv2D(2, 3, name="first"))
    weights = model.get_layer("first").get_weights()
    weights[0][0, 0, 0, 0] = np.nan
    model.get_layer("first").set_weights(weights)
    model.save(tmp_path / "nan.keras")
    with pytest.raises(ModelError, match=r"holds NaN in the weight kernel of the layer first"):
        load_model(tmp_path / "nan.keras")


def test_a_custom_layer_is_named_until_its_module_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "halved_layer.py").write_text(LAYER.format(package="tests_halved"))
    save = (
        "import keras, halved_layer\n"
        "keras.Sequential([keras.Input((8, 8, 3)), halved_layer.Halved(), keras.layers.Flatten(), "
        "keras.layers.Dense(3)]).save('custom.keras')"
    )
    subprocess.run([sys.executable, "-c", save], cwd=tmp_path, check=True, env={"PYTHONPATH": ".", "PATH": ""})
    with pytest.raises(
        ModelError, match=r"uses tests_halved>Halved, which Keras' own networks are not made of.*imports = \["
    ):
        load_model(tmp_path / "custom.keras")
    with pytest.raises(UsageError, match="import halved_layer: ModuleNotFoundError"):
        import_custom_layers(["halved_layer"])
    monkeypatch.syspath_prepend(str(tmp_path))
    import_custom_layers(["halved_layer"])
    assert run_layers(load_model(tmp_path / "custom.keras"), probe_images((None, 8, 8, 3))).shape == (4, 3)


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
def test_a_keras_2_file_is_called_that_and_the_way_out_works(tmp_path: Path, suffix: str) -> None:
    import tf_keras

    layers = tf_keras.layers
    model = tf_keras.Sequential([
        layers.Input((16, 16, 3)), layers.DepthwiseConv2D(3, activation="relu"), layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    ])  # fmt: skip
    path = tmp_path / f"old{suffix}"
    model.save(path)
    with pytest.raises(ModelError, match=r"was saved by Keras 2\.\d+\.\d+\. Keras 3 does not read it") as caught:
        load_model(path)
    command = str(caught.value).split('python -c "')[1].split('"')[0]
    assert f"load_model('{path.name}', compile=False).export('teacher_savedmodel')" in command
    tf_keras.models.load_model(path, compile=False).export(str(tmp_path / "teacher_savedmodel"))
    images = probe_images((None, 16, 16, 3))
    network = SavedModelNetwork(tmp_path / "teacher_savedmodel", InputSettings())
    assert network.run(images) == pytest.approx(np.asarray(model(images)), abs=1e-6)


def test_a_file_that_keras_quantized_is_called_that(tmp_path: Path) -> None:
    model = network()
    model.quantize("int8")
    model.save(tmp_path / "small.keras")
    with pytest.raises(ModelError, match=r"was quantized by Keras .* as it was before model\.quantize"):
        load_model(tmp_path / "small.keras")


def test_a_class_of_another_module_is_not_imported(tmp_path: Path) -> None:
    network().save(tmp_path / "m.keras")

    def change(config: Any) -> None:
        layer = config["config"]["layers"][1]
        layer.update(module="antigravity", class_name="Flatten", registered_name=None)

    with pytest.raises(ModelError, match=r"uses antigravity\.Flatten, which Keras' own networks are not made of"):
        load_model(edited(tmp_path / "m.keras", change))
    assert "antigravity" not in sys.modules


def test_an_archive_that_grows_is_not_unpacked(tmp_path: Path) -> None:
    network().save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/more", bytes(200 << 20))
    with pytest.raises(ModelError, match=r"'assets/more' unpacks from [\d,]+ to 209,715,200 bytes"):
        load_model(tmp_path / "m.keras")


def test_weights_alone_are_not_a_model(tmp_path: Path) -> None:
    network().save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ModelError, match="holds weights without their network"):
        load_model(tmp_path / "m.weights.h5")


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        ("keras.layers", "TFSMLayer", "holds a TFSMLayer layer, which reads other files"),
        ("keras.layers", "TorchModuleWrapper", "holds a TorchModuleWrapper layer, which is Python code"),
        ("keras.utils", "get_file", r"uses keras\.utils\.get_file, which Keras' own networks are not made of"),
        ("builtins", "exec", r"uses builtins\.exec, which Keras' own networks are not made of"),
    ],
)
def test_classes_that_are_not_made_for_networks_are_refused(
    tmp_path: Path, module: str, name: str, message: str
) -> None:
    network().save(tmp_path / "m.keras")

    def change(config: Any) -> None:
        config["config"]["layers"][1].update(module=module, class_name=name, registered_name=None)

    with pytest.raises(ModelError, match=message):
        load_model(edited(tmp_path / "m.keras", change))


def test_a_loss_of_ones_own_does_not_keep_a_model_from_loading(tmp_path: Path) -> None:
    def mine(y: Any, p: Any) -> Any:
        return keras.ops.mean(y - p)

    model = network()
    model.compile("adam", loss=mine)
    model.save(tmp_path / "m.keras")
    assert load_model(tmp_path / "m.keras").output_shape == (None, 3)
