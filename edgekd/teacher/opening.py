"""Opens a fixed teacher (inference only): a file of any format, or the average of several."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NotRequired, TypedDict

from edgekd.errors import ModelError
from edgekd.models.rebuild import PhotosAt
from edgekd.storage import digest, sha256_file
from edgekd.task import Task
from edgekd.teacher.average import AverageTeacher, members_of
from edgekd.teacher.encoder import Encoder, FileEncoder, KerasEncoder
from edgekd.teacher.encoder_teacher import EncoderMember, EncoderTeacher
from edgekd.teacher.file_network import FileNetwork
from edgekd.teacher.file_teacher import FileTeacher
from edgekd.teacher.keras_teacher import KerasTeacher, adopt
from edgekd.teacher.network import folder_hash
from edgekd.teacher.onnx_network import read_with_weights
from edgekd.teacher.protocol import Teacher
from edgekd.teacher.settings import TeacherFile, TeacherSection
from edgekd.teacher.words import read_words


def open_fixed_teacher(
    section: TeacherSection,
    classes: tuple[str, ...],
    photos: PhotosAt,
    crop: str = "whole",
    task: Task = "single-label",
) -> Teacher:
    """The files of ``[teacher]`` as one teacher of ``classes``; ``photos`` are a few real ones, cropped by ``crop``.

    Raises ModelError naming the key of [teacher] to add or correct; ArtifactError where a file is damaged.
    """
    members = [_open(file, classes, photos, crop, task) for file in section.members()]
    if not isinstance(section.model, tuple) and len(members) == 1:
        return members[0]
    assert section.average != "features"  # of encoders alone
    return AverageTeacher(members, section.average, task)


def fingerprint(section: TeacherSection) -> list[str]:
    """Hash of every file of ``[teacher]``, without opening it; of networks that are yet to be trained, none.

    Raises ModelError where one is missing.
    """
    hashes = []
    for file in section.members():
        if file.is_trained:
            continue
        path = Path(file.model)
        if path.is_dir():
            hashes.append(folder_hash(path))
        elif path.is_file():
            # An .onnx may keep its weights in another file.
            whole = file.kind == "onnx"
            hashes.append(hashlib.sha256(read_with_weights(path)).hexdigest() if whole else sha256_file(path))
        else:
            raise ModelError(
                f"{path} does not exist. [teacher] model is efficientnet-lite0 (-lite1, -lite2), keras:NAME (of "
                "keras.applications), or the path, relative to the recipe, of a .keras, .h5, .onnx or "
                ".tflite file or of a SavedModel"
            )
    if section.words is not None:
        hashes.append(read_words(Path(section.words)).key)
    return hashes


class PixelRecord(TypedDict):
    """A pixel 0..255 becomes ``scale * pixel + shift``, channel by channel; ``known_by`` says where that is stated."""

    scale: list[float]
    shift: list[float]
    known_by: str


class OutputRecord(TypedDict):
    """What the outputs are (logits, probabilities ...), and how that is known."""

    are: str
    known_by: str


class FeatureRecord(TypedDict):
    """An encoder's output: D numbers a photo, and what they are: "vector", or the mean of tokens or of maps."""

    dimensions: int
    are: str


class MemberRecord(TypedDict):
    """One teacher file in a run's records; ``input`` is (height, width). The rest is for files that are not Keras'."""

    input: list[int]
    key: str
    file: str
    kind: str
    size_bytes: int
    parameters: int
    classes_known: NotRequired[int]
    features: NotRequired[FeatureRecord]
    layout: NotRequired[str]
    pixels: NotRequired[PixelRecord]
    outputs: NotRequired[OutputRecord]


def describe_teacher(teacher: Teacher) -> list[MemberRecord]:
    """What is known of each member, for a run's records: file, format, input, classes, and how its outputs are read."""
    return [_describe_member(member) for member in members_of(teacher)]


def _open(file: TeacherFile, classes: tuple[str, ...], photos: PhotosAt, crop: str, task: Task) -> Teacher:
    if file.kind == "keras":
        model = adopt(file, classes, photos, task)
        key = digest([sha256_file(Path(file.model)), file.model_dump(mode="json", exclude={"model"}), list(classes)])
        return KerasTeacher(model, key, Path(file.model))
    return FileTeacher(file, classes, photos, crop, task)


def network_of(teacher: Teacher) -> FileNetwork | None:
    """The network in the one .onnx, .tflite or SavedModel that a teacher is made of; None of any other."""
    if isinstance(teacher, FileTeacher):
        return teacher.network
    if not isinstance(teacher, EncoderTeacher) or len(teacher.members) > 1:
        return None
    encoder = teacher.members[0].encoder
    return encoder.network if isinstance(encoder, FileEncoder) else None


def describe_encoder(encoder: Encoder) -> MemberRecord:
    """What is known of an encoder, for a run's records."""
    if isinstance(encoder, FileEncoder):
        features: FeatureRecord = {"dimensions": encoder.dimensions, "are": encoder.pooling}
        return {**_describe_file(encoder.network, encoder.key), "features": features}
    assert isinstance(encoder, KerasEncoder)
    return {**_describe_keras(encoder), "features": {"dimensions": encoder.dimensions, "are": "vector"}}


def _describe_member(member: Teacher) -> MemberRecord:
    if isinstance(member, EncoderMember):
        return describe_encoder(member.encoder)
    if isinstance(member, FileTeacher):
        outputs: OutputRecord = {"are": member.scores.kind, "known_by": member.scores.source}
        record = _describe_file(member.network, member.key)
        return {**record, "classes_known": member.classes_known, "outputs": outputs}
    assert isinstance(member, KerasTeacher)
    return _describe_keras(member)


def _describe_file(network: FileNetwork, key: str) -> MemberRecord:
    facts, pixels = network.facts, network.pixels
    return {
        "input": list(network.size),
        "key": key,
        "file": Path(facts.where).name,
        "kind": network.settings.kind,
        "size_bytes": facts.size_bytes,
        "parameters": facts.parameters,
        "layout": network.layout,
        "pixels": {"scale": list(pixels.scale), "shift": list(pixels.shift), "known_by": pixels.source},
    }


def _describe_keras(network: KerasTeacher | KerasEncoder) -> MemberRecord:
    return {
        "input": list(network.input_size),
        "key": network.key,
        "file": network.path.name if network.path else "",
        "kind": "keras",
        "size_bytes": network.path.stat().st_size if network.path else 0,
        "parameters": int(network.model.count_params()),
    }
