"""Opens any .tflite or .onnx as a classifier of photos: exports of edgekd's by their records."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.data.names import clean_name
from edgekd.errors import ModelError, UsageError
from edgekd.foreign.options import FileOptions
from edgekd.foreign.read import ForeignFile, read_foreign
from edgekd.formats.artifact import Artifact, ScoreKind, TensorSpec, has_seal, read_content
from edgekd.formats.coreml_file import is_package
from edgekd.formats.decision import Decision
from edgekd.formats.pixels import Feed
from edgekd.inspection.network import FLOATS, INTEGERS_8, Value
from edgekd.preprocess import Preprocessing
from edgekd.runtime.open import open_runner
from edgekd.teacher.graph_facts import ending_of, parameters_of, pixels_of_graph, step_of
from edgekd.teacher.network import NetworkFacts, NotAClassifierError, layout_of, size_of
from edgekd.teacher.onnx_network import scores_output, single_image_input
from edgekd.teacher.pixels import pixels_of

_ENDINGS: dict[str, ScoreKind] = {
    "softmax": "probabilities", "softmax twice": "probabilities", "log_softmax": "logits", "logits": "logits",
    "sigmoid": "independent",
}  # fmt: skip
_CHOICES: dict[ScoreKind, str] = {
    "probabilities": "its scores sum to 1", "logits": "it gives logits of a softmax",
    "sigmoid": "one probability of two classes", "logit": "one logit of two classes",
}  # fmt: skip
_SUM_TOLERANCE = 1e-2
_TAG_THRESHOLD = 0.5


def open_model(path: str | os.PathLike[str], options: FileOptions | None = None) -> Artifact:
    """Open a .tflite or .onnx of any tool as a classifier of photos.

    Args:
        path: The file. One that edgekd exported says everything itself.
        options: What another tool's file takes and gives, where its metadata does not say.

    Returns:
        An artifact: ``predict``, ``evaluate``, ``open_runner`` and ``measure`` take it like an exported one.

    Raises:
        ModelError: It is not a classifier of RGB photos, or nothing says which pixels it takes; what to add is named.
        ArtifactError: It is missing or damaged.
        UsageError: Options that contradict it.

    Example:
        >>> import edgekd
        >>> options = edgekd.FileOptions(pixel_range=(-1, 1), classes=("cat", "dog"))
        >>> edgekd.predict(edgekd.open_model("mobilenet.tflite", options), "photo.jpg")  # doctest: +SKIP
    """
    path, options = Path(path), options or FileOptions()
    if is_package(path) or has_seal(read_content(path)):
        if options.stated:
            raise UsageError(
                f"{path} was exported by edgekd, and its record says what it takes and gives. Leave out "
                f"{', '.join(options.stated)}"
            )
        return Artifact.open(path)
    try:
        return classifier_of(read_foreign(path), options)
    except NotAClassifierError as error:
        raise ModelError(f"{error}. edgekd inspect and edgekd bench take it as it is") from None


def classifier_of(file: ForeignFile, options: FileOptions) -> Artifact:
    """A file that was read as a classifier of photos. Raises ModelError, UsageError."""
    network, where = file.network, str(file.path)
    image = single_image_input(network, where)
    output = scores_output(network, options, where)
    facts = _facts(file, image, output)
    layout = layout_of(facts, options)
    height, width = size_of(facts, layout, options)
    pixels = pixels_of(
        options, facts.pixels, where, channels=options.channels, hint=options.how_to_add_pixels, source=options.source
    )
    feed = Feed(pixels, facts.dtype, facts.scale, facts.zero_point, layout)
    artifact = Artifact(
        path=file.path,
        format=file.format,
        precision=_precision(file),
        inputs=(_spec(image),),
        outputs=(_spec(output),),
        labels=(),
        preprocessing=Preprocessing(height=height, width=width, crop=options.crop),
        provenance={"made by": "another tool", "parameters": facts.parameters, "pixels": feed.pixels.source},
        sha256=facts.key,
        size_bytes=facts.size_bytes,
        layout=layout,
        feed=feed,
        output_index=network.outputs.index(output.key),
    )
    rows = _rows_of_noise(artifact, output)
    kind = _kind(facts.ending, rows)
    count = 2 if kind in ("sigmoid", "logit") else rows.shape[1]
    labels = options.classes or file.description.labels
    names = _labels(labels, count, options, where)
    decision = _decision(kind, count, options, where)
    return replace(artifact, scores=kind, labels=names, has_labels=labels is not None, decision=decision)


def _facts(file: ForeignFile, image: Value, output: Value) -> NetworkFacts:
    takes = ("float32", "uint8", "int8", *(("float16",) if file.format == "onnx" else ()))
    if image.dtype not in takes:
        raise NotAClassifierError(f"{file.path} takes {image.dtype}, and not pixels ({', '.join(takes)})")
    if output.dtype not in (*FLOATS, *INTEGERS_8):
        raise NotAClassifierError(f"{file.path} gives {output.dtype}, and not class scores")
    quantized = image.dtype in INTEGERS_8 and len(image.scales) == 1
    zeros = image.zero_points
    return NetworkFacts(
        where=str(file.path),
        key=hashlib.sha256(file.content).hexdigest(),
        size_bytes=len(file.content),
        parameters=parameters_of(file.network),
        shape=image.shape or (),
        dtype=image.dtype,
        scale=float(image.scales[0]) if quantized else None,
        zero_point=int(zeros[0]) if quantized and len(zeros) else 0,
        ending=ending_of(file.network, output.key),
        step=step_of(file.network, output.key),
        pixels=pixels_of_graph(file.network, image, file.description),
    )


def _precision(file: ForeignFile) -> str:
    computing = [op.precision for op in file.network.ops if op.kind in ("conv", "depthwise", "dense", "matmul")]
    if not computing:
        return "float32"
    (kind, _), *_ = Counter(precision.split(" ")[0] for precision in computing).most_common(1)
    return "int8" if kind in INTEGERS_8 else kind


def _spec(value: Value) -> TensorSpec:
    quantized = len(value.scales) == 1 and value.dtype in INTEGERS_8
    shape = tuple("N" if isinstance(size, str) or size < 1 else size for size in value.shape or ())
    zero_point = int(value.zero_points[0]) if quantized and len(value.zero_points) else None
    return TensorSpec(value.name, value.dtype, shape, float(value.scales[0]) if quantized else None, zero_point)


def _rows_of_noise(artifact: Artifact, output: Value) -> NDArray[np.float32]:
    """What it gives for two images of noise, as real numbers [2, C]. Raises ModelError where it gives no such rows."""
    sides = (artifact.preprocessing.height, artifact.preprocessing.width, 3)
    images = np.random.default_rng(0).integers(0, 256, (2, *sides), np.uint8)
    shape = output.shape
    sizes = [size for size in (shape or ())[1:] if size != 1]
    if shape is not None and (len(shape) < 2 or len(sizes) > 1):
        raise NotAClassifierError(f"{artifact.path} gives {list(shape)}, and not a row of class scores an image")
    count = sizes[0] if sizes and isinstance(sizes[0], int) and sizes[0] > 0 else None
    if shape is not None and not sizes:
        count = 1
    if count is None:
        raise ModelError(f"{artifact.path} does not say how many class scores it gives")
    # The runner sizes its rows by the labels.
    raw = replace(artifact, scores="independent", labels=tuple(map(str, range(count))))
    return open_runner(raw).run(images)


def _kind(ending: str, rows: NDArray[np.float32]) -> ScoreKind:
    """What the scores are: as the graph's last op says, else as what it gives for noise looks."""
    single = rows.shape[1] == 1
    kind = _ENDINGS.get(ending)
    if kind is None:
        between = bool((rows >= 0).all() and (rows <= 1).all())
        whole = between and bool((np.abs(rows.sum(axis=1) - 1) < _SUM_TOLERANCE).all())
        kind = "probabilities" if whole and not single else "independent" if between else "logits"
    if single:
        return "logit" if kind == "logits" else "sigmoid"
    return kind


def _decision(kind: ScoreKind, count: int, options: FileOptions, where: str) -> Decision:
    """One class, or the tags that the options ask for. Raises UsageError where the scores are not a tag's each."""
    if options.task != "multi-label":
        return Decision()
    if kind != "independent":
        raise UsageError(
            f"{where} chooses one of {count} classes ({_CHOICES[kind]}), so tags do not follow from its scores. Leave "
            "out --task multi-label, or give a file that ends in a sigmoid for each tag"
        )
    least = options.threshold or (_TAG_THRESHOLD,)
    if len(least) not in (1, count):
        raise UsageError(f"--threshold takes one number, or one for each of the {count} tags, got {len(least)}")
    return Decision("multi-label", least * count if len(least) == 1 else least)


def _labels(labels: tuple[str, ...] | None, count: int, options: FileOptions, where: str) -> tuple[str, ...]:
    if labels is None:
        return tuple(f"output {index}" for index in range(count))
    if len(labels) != count:
        whose = options.name_of("classes") if options.classes else "its metadata"
        raise UsageError(
            f"{where} gives {count} class scores and {whose} has {len(labels)} names. Give one name a score, in their "
            f"order, with {options.name_of('classes')} (1,001 scores often begin with a background class)"
        )
    names = tuple(map(clean_name, labels))
    counts = Counter(names)
    return tuple(f"{name} ({index})" if counts[name] > 1 else name for index, name in enumerate(names))
