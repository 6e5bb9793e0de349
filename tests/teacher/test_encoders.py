"""Encoders of every format give the same features, however their output is shaped; useless ones are refused."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from encoder_files import CHANNELS, SIDE, keras_encoder_model, save_encoder
from saved_networks import save_saved_model, save_tflite
from teacher_files import photos_at

from edgekd.errors import ModelError
from edgekd.models.rebuild import PhotosAt
from edgekd.teacher.encoder import Encoder, check_features, keras_encoder, open_encoder
from edgekd.teacher.encoder_teacher import (
    EncoderMember,
    EncoderTeacher,
    FittedHeads,
    MirroredEncoderTeacher,
    average_of,
    open_encoders,
)
from edgekd.teacher.head import LinearHead
from edgekd.teacher.opening import open_fixed_teacher
from edgekd.teacher.settings import TeacherFile, TeacherSection

PHOTOS = photos_at((SIDE, SIDE))
EXPECTED = np.asarray(keras_encoder_model()(PHOTOS / np.float32(255)))


def opened(path: Path, output: str | None = None, photos: PhotosAt = photos_at) -> Encoder:
    return open_encoder(TeacherFile(model=str(path), pixel_range=(0, 1), output=output), photos)


def test_every_format_gives_the_same_features(tmp_path: Path) -> None:
    model = keras_encoder_model()
    files = (
        save_encoder(tmp_path / "e.onnx"), save_tflite(tmp_path / "e.tflite", model),
        save_saved_model(tmp_path / "e", model),
    )  # fmt: skip
    keys = set()
    for path in files:
        encoder = opened(path)
        assert (encoder.dimensions, encoder.input_size) == (CHANNELS, (SIDE, SIDE))
        np.testing.assert_allclose(encoder.features(PHOTOS), EXPECTED, atol=1e-5)
        assert encoder.features(PHOTOS[:0]).shape == (0, CHANNELS)
        keys.add(encoder.key)
    assert len(keys) == 3
    pixels = keras.Input((SIDE, SIDE, 3))
    classifier = keras.Model(pixels, keras.layers.Dense(2)(model(keras.layers.Rescaling(1 / 255)(pixels))))
    np.testing.assert_allclose(keras_encoder(classifier).features(PHOTOS), EXPECTED, atol=1e-5)
    sigmoid = keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(classifier.layers[-1].input))
    sigmoid.save(tmp_path / "e.keras")
    encoder = open_encoder(TeacherFile(model=str(tmp_path / "e.keras")), photos_at)
    np.testing.assert_allclose(encoder.features(PHOTOS), EXPECTED, atol=1e-5)


@pytest.mark.parametrize("output", ["maps", "last", "tokens"])
def test_maps_of_either_layout_and_tokens_are_averaged(tmp_path: Path, output: str) -> None:
    encoder = opened(save_encoder(tmp_path / "e.onnx", [output]))
    np.testing.assert_allclose(encoder.features(PHOTOS), EXPECTED, atol=1e-5)


def test_one_of_several_outputs_is_named(tmp_path: Path) -> None:
    path = save_encoder(tmp_path / "e.onnx", ["tokens", "vector"])
    with pytest.raises(ModelError, match=r"2 outputs\. Add to \[teacher\]: output = the one of features, of tokens, v"):
        opened(path)
    np.testing.assert_allclose(opened(path, "vector").features(PHOTOS), EXPECTED, atol=1e-5)


@pytest.mark.parametrize(
    ("output", "message"),
    [("constant", "the same vector for 24 different photos"), ("nan", "NaN or infinity. Check .teacher. pixel_range")],
)
def test_files_of_useless_features_are_refused(tmp_path: Path, output: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        opened(save_encoder(tmp_path / "e.onnx", [output]))


@pytest.mark.parametrize(
    ("rows", "message"),
    [(1e9 * EXPECTED, r"features of up to .*e\+.*half floats"), (EXPECTED[:, :1], "one number a photo")],
)
def test_features_that_cannot_be_stored_are_refused(rows: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        check_features(rows, "e.onnx")
    check_features(EXPECTED, "e.onnx")


def test_an_encoder_that_is_taken_for_a_classifier_names_the_line_to_add(tmp_path: Path) -> None:
    for output in ("vector", "tokens"):
        path = save_encoder(tmp_path / f"{output}.onnx", [output])
        with pytest.raises(ModelError, match=r"Add to \[teacher\]: train = true$"):
            open_fixed_teacher(TeacherSection(model=str(path), pixel_range=(0, 1)), ("a", "b"), photos_at)
    with pytest.raises(ModelError, match="which pixel values does it expect"):
        open_encoders(TeacherSection(model=str(path), train=True), photos_at)


def test_several_encoders_share_a_head_or_their_heads_are_averaged(tmp_path: Path) -> None:
    files = [str(save_encoder(tmp_path / f"{side}.onnx", side=side)) for side in (SIDE, 16)]
    random = np.random.default_rng(1)

    def head(inputs: int) -> LinearHead:
        return LinearHead(*(random.normal(size=size).astype(np.float32) for size in ((inputs, 2), (2,))), penalty=0.0)

    joined, averaged = (
        TeacherSection.model_validate({"model": files, "train": True, "pixel_range": (0, 1), **more})
        for more in ({}, {"average": "logits"})
    )
    assert (joined.average, average_of(joined), average_of(averaged)) == ("features", None, "logits")
    # As a saved recipe has it, with every default written down.
    assert TeacherSection.model_validate(joined.model_dump()) == joined
    encoders, zeros = open_encoders(joined, photos_at), np.zeros(2 * CHANNELS, np.float32)
    seen = [photos_at(encoder.input_size) for encoder in encoders]
    rows = [EncoderMember(encoder).logits(images) for encoder, images in zip(encoders, seen, strict=True)]
    one = FittedHeads((head(2 * CHANNELS),), zeros, zeros, "key")
    teacher = EncoderTeacher(encoders, one, None, 2, "single-label")
    assert (teacher.input_size, teacher.num_classes) == ((SIDE, SIDE), 2)
    expected = one.heads[0].logits(np.concatenate(rows, axis=1))
    np.testing.assert_array_equal(teacher.combine(rows), expected)
    two = FittedHeads((head(CHANNELS), head(CHANNELS)), zeros, zeros, "key")
    both = EncoderTeacher(encoders, two, "logits", 2, "multi-label")
    expected = (two.heads[0].logits(rows[0]) + two.heads[1].logits(rows[1])) / 2
    np.testing.assert_allclose(both.combine(rows), expected, rtol=1e-6)
    mirrored = MirroredEncoderTeacher(both, "logits", "multi-label")
    flipped = [EncoderMember(e).logits(images[:, :, ::-1]) for e, images in zip(encoders, seen, strict=True)]
    answers = mirrored.combine([m.logits(images) for m, images in zip(mirrored.members, seen * 2, strict=True)])
    np.testing.assert_allclose(answers, (expected + both.combine(flipped)) / 2, rtol=1e-5)
    assert len({teacher.key, both.key, mirrored.key}) == 3
