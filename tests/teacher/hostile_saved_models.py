"""SavedModels that classify and do something else as well: each writes, reads, prints or connects when it is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

SIDE = 8
Act = Callable[[Any, str], Any]


def _scores(image: Any) -> Any:
    return tf.reduce_mean(image, axis=(1, 2))


def save(folder: Path, act: Act, target: str) -> Path:
    """A SavedModel of pixels to three scores that does ``act(image, target)`` at every call."""

    class Network(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32)])
        def serve(self, image: Any) -> Any:
            done = act(image, target)
            with tf.control_dependencies([done] if done is not None else []):
                return {"scores": _scores(image)}

    module = Network()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def _dataset_graph(target: str) -> Any:
    """A dataset whose map writes a file, as a serialized graph."""

    def write(x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(target, "ran")]):
            return tf.identity(x)

    dataset = tf.data.Dataset.range(1).map(write)
    return tf.raw_ops.DatasetToGraphV2(input_dataset=dataset._variant_tensor).numpy()


def _smuggled(image: Any, target: str) -> Any:
    with tf.init_scope():
        graph = _dataset_graph(target)
    variant = tf.raw_ops.DatasetFromGraph(graph_def=tf.constant(graph))
    return tf.group(
        *tf.raw_ops.DatasetToSingleElement(dataset=variant, output_types=[tf.int64], output_shapes=[tf.TensorShape([])])
    )


def _nested(image: Any, target: str) -> Any:
    @tf.function
    def inner(x: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(target, "ran")]):
            return tf.identity(x)

    return tf.group(inner(image))


def _branch(image: Any, target: str) -> Any:
    def write() -> Any:
        with tf.control_dependencies([tf.io.write_file(target, "ran")]):
            return tf.constant(1)

    return tf.group(tf.cond(tf.reduce_max(image) > -1, write, lambda: tf.constant(0)))


def _loop(image: Any, target: str) -> Any:
    def body(i: Any) -> Any:
        with tf.control_dependencies([tf.io.write_file(target, "ran")]):
            return i + 1

    return tf.group(tf.while_loop(lambda i: i < 1, body, [tf.constant(0)]))


def _summary(image: Any, target: str) -> Any:
    handle = tf.raw_ops.SummaryWriter(shared_name="w")
    created = tf.raw_ops.CreateSummaryFileWriter(
        writer=handle, logdir=target, max_queue=1, flush_millis=1, filename_suffix=".v2"
    )
    with tf.control_dependencies([created]):
        return tf.raw_ops.WriteScalarSummary(writer=handle, step=tf.constant(0, tf.int64), tag="t", value=1.0)


def _py_function(image: Any, target: str) -> Any:
    return tf.group(tf.py_function(lambda: Path(target).write_text("ran"), [], []))


def _service(image: Any, target: str) -> Any:
    dataset = tf.data.Dataset.range(1)
    dataset = dataset.apply(
        tf.data.experimental.service.distribute("parallel_epochs", f"grpc://127.0.0.1:{target.rpartition(':')[2]}")
    )
    return tf.group(dataset.reduce(tf.constant(0, tf.int64), lambda a, b: a + b))


def _saved_dataset(image: Any, target: str) -> Any:
    dataset = tf.data.Dataset.range(1)
    return tf.raw_ops.SaveDataset(
        input_dataset=dataset._variant_tensor, path=target, shard_func_other_args=[],
        shard_func=tf.function(lambda x: tf.constant(0, tf.int64)).get_concrete_function(tf.TensorSpec((), tf.int64)),
    )  # fmt: skip


def _records(image: Any, target: str) -> Any:
    dataset = tf.data.Dataset.from_tensors(tf.constant("ran"))
    return tf.raw_ops.DatasetToTFRecord(
        input_dataset=dataset._variant_tensor, filename=tf.constant(target), compression_type=tf.constant("")
    )


def _debug(image: Any, target: str) -> Any:
    return tf.group(tf.raw_ops.DebugIdentityV2(
        input=image, tfdbg_context_id="c", op_name="o", output_slot=0, tensor_debug_mode=2,
        debug_urls=[f"file://{target}"], circular_buffer_size=-1, tfdbg_run_id="r",
    ))  # fmt: skip


def _debug_old(image: Any, target: str) -> Any:
    return tf.group(tf.raw_ops.DebugIdentity(
        input=image, device_name="", tensor_name="t:0", debug_urls=[f"file://{target}"], gated_grpc=False,
    ))  # fmt: skip


def _table(image: Any, target: str) -> Any:
    handle = tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64, shared_name="t")
    return tf.raw_ops.InitializeTableFromTextFileV2(
        table_handle=handle, filename=tf.constant(target), key_index=-2, value_index=-1, vocab_size=-1
    )


HOSTILE: dict[str, tuple[Act, str]] = {
    "WriteFile": (lambda image, target: tf.io.write_file(target, "ran"), "WriteFile"),
    "in a function": (_nested, "WriteFile"),
    "in a branch": (_branch, "WriteFile"),
    "in a loop": (_loop, "WriteFile"),
    "in a serialized graph": (_smuggled, "DatasetFromGraph"),
    "SaveV2": (
        lambda image, target: tf.raw_ops.SaveV2(
            prefix=target, tensor_names=["x"], shape_and_slices=[""], tensors=[image]
        ),
        "SaveV2",
    ),
    "Save": (lambda image, target: tf.raw_ops.Save(filename=target, tensor_names=["x"], data=[image]), "Save"),
    "MergeV2Checkpoints": (
        lambda image, target: tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=[target], destination_prefix=target, delete_old_dirs=True
        ),
        "MergeV2Checkpoints",
    ),
    "DatasetToTFRecord": (_records, "DatasetToTFRecord"),
    "SaveDataset": (_saved_dataset, "SaveDataset"),
    "summary": (_summary, "CreateSummaryFileWriter"),
    "DebugIdentityV2": (_debug, "DebugIdentityV2"),
    "DebugIdentity": (_debug_old, "DebugIdentity"),
    "PrintV2": (
        lambda image, target: tf.raw_ops.PrintV2(input=tf.constant("ran"), output_stream=f"file://{target}"),
        "PrintV2",
    ),
    "py_function": (_py_function, "EagerPyFunc"),
    "ReadFile": (lambda image, target: tf.group(tf.io.read_file(target)), "ReadFile"),
    "MatchingFiles": (lambda image, target: tf.group(tf.io.matching_files(target + "*")), "MatchingFiles"),
    "table of a file": (_table, "InitializeTableFromTextFileV2"),
    "decoded photo": (lambda image, target: tf.group(tf.io.decode_image(tf.constant("x"))), "DecodeImage"),
    "tf.data service": (_service, "DataService"),
}
"""What each does, and a part of the name of the op that it is refused for."""
