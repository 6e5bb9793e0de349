"""Narrowed slices: which channels go, what the others are solved for, what can be left out."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError, UsageError
from edgekd.models import efficientnet_lite
from edgekd.students.bottleneck import bottlenecks_of
from edgekd.students.build import build_student
from edgekd.students.narrow import eliminate, leave_out, narrow
from edgekd.students.spec import StudentSpec, parse_student


@pytest.fixture(scope="module")
def teacher() -> Any:
    return efficientnet_lite.build(64, 3)


@pytest.fixture(scope="module")
def photos() -> Any:
    """Smooth images, so that the pretrained network sees something."""
    small = np.random.default_rng(0).integers(0, 256, (24, 8, 8, 3)).astype(np.float32)
    return np.asarray(keras.ops.image.resize(small, (64, 64), interpolation="bilinear")).astype(np.uint8)


def body(teacher: Any, layer: str) -> Any:
    return keras.Model(teacher.inputs, teacher.get_layer(layer).output, name="body")


def pooled(model: Any, images: Any) -> Any:
    return np.asarray(model(images.astype(np.float32), training=False))


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("slice:12x0.35@128", StudentSpec("slice", "12", 128, (), (0.35,))),
        ("slice:12-8-11x0.1", StudentSpec("slice", "12", None, (8, 11), (0.1,))),
        ("slice:12-8", StudentSpec("slice", "12", None, (8,))),
        ("slice:block08_depthwise_relux0.5@96", StudentSpec("slice", "block08_depthwise_relu", 96, (), (0.5,))),
        ("slice:12-8x1/0.5/0.25@96", StudentSpec("slice", "12", 96, (8,), (1.0, 0.5, 0.25))),
        ("auto", StudentSpec("auto", "auto", None)),
    ],
)
def test_texts_are_read_and_written_back(text: str, spec: StudentSpec) -> None:
    assert parse_student(text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    "text",
    ["slice:12x1.5", "slice:12x0", "slice:12x0.001", "slice:12--8", "slice:12-x0.5", "slice:12x0.5/", "slice:12x0.5/2"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"slice:12-8-11x0.35|0.01 to 0.99"):
        parse_student(text)


def test_the_channel_that_says_nothing_new_goes() -> None:
    rng = np.random.default_rng(1)
    maps = rng.normal(size=(500, 4))
    maps[:, 2] = maps[:, 0] + maps[:, 1]
    rows = np.c_[maps, np.ones(500)]
    goal = rows @ np.array([[1.0], [1.0], [2.0], [0.5], [3.0]])
    channels, solution = eliminate(rows.T @ rows / 500, rows.T @ goal / 500, 3)
    # Any of the first three is the others' sum or difference; what is left still gives the goal exactly.
    assert 3 in channels and len(channels) == 3
    assert np.c_[rows[:, channels], np.ones(500)] @ solution == pytest.approx(goal, abs=1e-3)


def test_elimination_is_least_squares_of_what_is_left() -> None:
    rng = np.random.default_rng(2)
    rows = np.c_[rng.normal(size=(300, 10)), np.ones(300)]
    goal = rows @ rng.normal(size=(11, 2)) * np.arange(1, 3)
    channels, solution = eliminate(rows.T @ rows / 300, rows.T @ goal / 300, 4)
    expected, *_ = np.linalg.lstsq(rows[:, [*channels, 10]], goal, rcond=None)
    assert solution == pytest.approx(expected, abs=1e-3)


def test_blocks_are_found_with_what_goes_round_them(teacher: Any) -> None:
    blocks = bottlenecks_of(teacher)
    assert [block.depthwise[0] for block in blocks] == [f"block{number:02d}_depthwise" for number in range(1, 16)]
    assert (blocks[1].merged, blocks[1].skip) == ("block02_add", "block01_project_bn")
    assert (blocks[0].merged, blocks[0].output) == (None, "block01_project_bn")


@pytest.mark.parametrize("name", ["MobileNetV2", "MobileNetV3Small"])
def test_blocks_of_other_networks(name: str) -> None:
    arguments = {"weights": None, "input_shape": (64, 64, 3)}
    model = getattr(keras.applications, name)(**arguments, **({"minimalistic": True} if "V3" in name else {}))
    blocks = bottlenecks_of(model)
    # MobileNetV2 has 17 blocks and V3-Small 11; the first of each expands nothing.
    assert len(blocks) == {"MobileNetV2": 16, "MobileNetV3Small": 10}[name]
    # Squeeze-excite looks at the hidden channels.
    assert not [b for b in bottlenecks_of(keras.applications.MobileNetV3Small(**arguments)) if "_0" in b.hidden]


def test_a_narrowed_slice_is_smaller_and_close(teacher: Any, photos: Any) -> None:
    whole = body(teacher, "block04_add")
    half = narrow(whole, whole, [0.5], photos)
    assert half.get_layer("block03_expand_conv").filters == 72
    expected, blocks = pooled(whole, photos), pooled(half, photos)
    error = ((blocks - expected) ** 2).mean() / expected.var()
    assert 0 < error < 0.2
    # The same channels without the projection solved for are much further off.
    naive = narrow(whole, whole, [0.5], photos[:1])
    assert ((pooled(naive, photos) - expected) ** 2).mean() / expected.var() > error


def test_each_block_may_keep_its_own_share(teacher: Any, photos: Any) -> None:
    student = build_student(parse_student("slice:6-3x0.5/1/0.25@64"), teacher, 3, photos=lambda _: photos)
    widths = {block.expand[0]: student.get_layer(block.expand[0]).filters for block in bottlenecks_of(student)}
    # Of 96, 144, 144 (left out), 240 and 240; the last share holds for the last two.
    assert list(widths.values()) == [48, 144, 64, 64]
    with pytest.raises(ModelError, match="5 shares of channels are given, and 4 blocks"):
        build_student(parse_student("slice:6-3x0.5/1/0.25/0.3/0.2@64"), teacher, 3, photos=lambda _: photos)


def test_equal_shares_at_the_end_are_written_once() -> None:
    assert str(parse_student("slice:6x0.5/0.25/0.25")) == "slice:6x0.5/0.25"
    assert str(parse_student("slice:6x1/1")) == "slice:6"


def test_all_channels_are_the_whole(teacher: Any, photos: Any) -> None:
    whole = body(teacher, "block04_add")
    assert pooled(narrow(whole, whole, [0.99], photos), photos) == pytest.approx(pooled(whole, photos), abs=0.2)


def test_left_out_blocks_pass_on_what_they_get(teacher: Any, photos: Any) -> None:
    whole = body(teacher, "block07_add")
    without = leave_out(whole, ["block06", "block07"])
    expected = keras.Model(teacher.inputs, teacher.get_layer("block05_project_bn").output)
    assert pooled(without, photos) == pytest.approx(pooled(expected, photos), abs=1e-4)
    assert without.count_params() == expected.count_params()


def test_what_cannot_be_left_out_is_said(teacher: Any) -> None:
    with pytest.raises(ModelError, match=r"block03 can't be left out.*block02_add"):
        leave_out(body(teacher, "block04_add"), ["block03"])
    with pytest.raises(ModelError, match="no block 17"):
        build_student(parse_student("slice:8-17"), teacher, 3)


def test_no_blocks_no_narrowing(photos: Any) -> None:
    plain = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(8, 3)])
    with pytest.raises(ModelError, match="no inverted residual blocks"):
        narrow(keras.Model(plain.inputs, plain.outputs[0]), plain, [0.5], photos)


def test_a_student_needs_photos_for_it(teacher: Any, photos: Any) -> None:
    with pytest.raises(ModelError, match="there are no photos"):
        build_student(parse_student("slice:6x0.5"), teacher, 3)
    sizes: list[tuple[int, int]] = []
    student = build_student(
        parse_student("slice:9-8x0.25@64"),
        teacher,
        3,
        freeze_blocks=2,
        photos=lambda size: sizes.append(size) or photos,
    )
    assert sizes == [(64, 64)]
    assert "block07_add" not in [layer.name for layer in student.layers]
    assert student.get_layer("block08_expand_conv").filters == 120
    assert not student.get_layer("block01_expand_conv").trainable
    assert student.get_layer("block02_expand_conv").trainable
