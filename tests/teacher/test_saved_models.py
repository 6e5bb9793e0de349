"""SavedModel teachers: ordinary classifiers are read without TensorFlow's loader, and no graph does anything else."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hostile_saved_models import HOSTILE, SIDE, save
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from edgekd.errors import ModelError
from edgekd.models.rebuild import probe_images
from edgekd.teacher import saved_model_ops
from edgekd.teacher.saved_model_network import SavedModelNetwork
from edgekd.teacher.settings import InputSettings


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


@pytest.mark.parametrize("name", list(HOSTILE))
def test_what_no_classifier_does_is_refused_by_name(name: str, tmp_path: Path, listener: socket.socket) -> None:
    act, op = HOSTILE[name]
    target = tmp_path / "target"
    where = f"port:{listener.getsockname()[1]}" if name == "tf.data service" else str(target)
    folder = save(tmp_path / "model", act, where)
    assert not target.exists()
    with pytest.raises(ModelError, match=f"holds .*{op}.*, which image classifiers are not made of"):
        SavedModelNetwork(folder, InputSettings())
    assert not list(tmp_path.glob("target*"))
    with pytest.raises(TimeoutError):
        listener.accept()


def test_what_only_loading_would_run_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "target"

    class Starter(tf.saved_model.experimental.TrackableResource):
        def _create_resource(self) -> Any:
            return tf.raw_ops.MutableHashTableV2(key_dtype=tf.int64, value_dtype=tf.int64, shared_name="s")

        def _initialize(self) -> Any:
            return tf.io.write_file(str(target), "ran")

    class Network(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.starter = Starter()
            _ = self.starter.resource_handle

        @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)])
        def serve(self, image: Any) -> Any:
            return {"scores": tf.reduce_mean(image, axis=(1, 2))}

    module = Network()
    tf.saved_model.save(module, str(tmp_path / "model"), signatures={"serving_default": module.serve})
    target.unlink(missing_ok=True)
    network = SavedModelNetwork(tmp_path / "model", InputSettings())
    assert network.run(np.ones((2, SIDE, SIDE, 3), np.float32)).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert not target.exists()
    # TensorFlow's own loader would have.
    tf.saved_model.load(str(tmp_path / "model"))
    assert target.exists()


def test_a_graph_in_an_attribute_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "model", lambda image, target: None, "")
    file = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    graph = tf.compat.v1.GraphDef()
    graph.node.add(name="w", op="WriteFile")
    functions = model.meta_graphs[0].graph_def.library.function
    (mean,) = [node for function in functions for node in function.node_def if node.op == "Mean"]
    mean.attr["extra"].s = graph.SerializeToString()
    file.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="Mean with a long text"):
        SavedModelNetwork(folder, InputSettings())


def test_admitted_ops_are_stateless_but_for_the_few_that_are_named() -> None:
    stateful = set(saved_model_ops._STATEFUL.split())
    for name in saved_model_ops.ADMITTED:
        definition = op_def_registry.get(name)
        assert definition is not None, name
        assert definition.is_stateful == (name in stateful), name
    for name in ("ReadFile", "WriteFile", "ImmutableConst", "DatasetFromGraph", "PrintV2", "XlaLaunch", "VarHandleOp"):
        assert name not in saved_model_ops.ADMITTED


def preprocessed(*augmentation: Any) -> Any:
    keras.utils.set_random_seed(0)
    normalization = keras.layers.Normalization()
    normalization.adapt(probe_images((None, 64, 64, 3)))
    layers = [
        keras.Input((64, 64, 3)), keras.layers.Resizing(48, 48), keras.layers.CenterCrop(40, 40), normalization,
        *augmentation, keras.layers.Conv2D(8, 3, activation="gelu"), keras.layers.LayerNormalization(),
        keras.layers.GroupNormalization(4), keras.layers.UpSampling2D(interpolation="bilinear"),
        keras.layers.GlobalMaxPooling2D(), keras.layers.Dropout(0.5), keras.layers.Dense(3, activation="softmax"),
    ]  # fmt: skip
    return keras.Sequential(layers)


@pytest.mark.parametrize("name", ["preprocessed", "MobileNetV3Small", "EfficientNetB0", "ConvNeXtTiny"])
def test_ordinary_classifiers_give_what_keras_gives(name: str, tmp_path: Path) -> None:
    if name == "preprocessed":
        model = preprocessed()
    else:
        model = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=4)
    model.export(str(tmp_path / "model"), verbose=False)
    network = SavedModelNetwork(tmp_path / "model", InputSettings())
    images = probe_images((None, 64, 64, 3))
    assert network.run(images) == pytest.approx(np.asarray(model(images, training=False)), abs=1e-5)
    assert (network.facts.shape, network.facts.ending) == ((None, 64, 64, 3), "softmax")
    assert network.facts.parameters >= model.count_params() - 10


def test_augmentation_that_is_left_on_is_refused(tmp_path: Path) -> None:
    preprocessed(keras.layers.RandomFlip(), keras.layers.RandomContrast(0.1)).export(str(tmp_path / "m"), verbose=False)
    with pytest.raises(ModelError, match="changes a variable at every call, so it predicts something else each time"):
        SavedModelNetwork(tmp_path / "m", InputSettings())


def test_variables_that_are_not_in_their_files(tmp_path: Path) -> None:
    preprocessed().export(str(tmp_path / "model"), verbose=False)
    data = next((tmp_path / "model" / "variables").glob("*.data*"))
    data.write_bytes(data.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"its variables are declared larger than their files|cannot be read"):
        SavedModelNetwork(tmp_path / "model", InputSettings())
    data.unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        SavedModelNetwork(tmp_path / "model", InputSettings())


def test_a_model_of_tensorflow_1_is_called_that_and_the_way_out_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    v1, old, images = tf.compat.v1, tmp_path / "old", probe_images((None, 16, 16, 3))
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        v1.set_random_seed(1)
        image = v1.placeholder(tf.float32, [None, 16, 16, 3])
        kernel = v1.get_variable("kernel", [3, 3, 3, 4], use_resource=False)
        weights = v1.get_variable("weights", [4, 3], use_resource=False)
        features = tf.nn.relu(tf.nn.conv2d(image / 255, kernel, 2, "SAME"))
        output = tf.nn.softmax(tf.matmul(tf.reduce_mean(features, [1, 2]), weights))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(old), {"image": image}, {"output": output})
        expected = session.run(output, {image: images})
    with pytest.raises(ModelError, match="was saved by TensorFlow 1") as caught:
        SavedModelNetwork(old, InputSettings())
    monkeypatch.chdir(tmp_path)
    exec(str(caught.value).split('python -c "')[1].split('"')[0], {})
    network = SavedModelNetwork(tmp_path / "teacher_savedmodel", InputSettings())
    assert network.run(images) == pytest.approx(expected, abs=1e-6)
