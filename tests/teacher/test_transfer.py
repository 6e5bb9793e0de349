"""Fine-tuning: what moves and what must not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.models import efficientnet_lite
from edgekd.teacher.labelled_views import LabelledViews
from edgekd.teacher.transfer import fine_tune, frozen_bytes, probe
from edgekd.training.loop import Validation, logits_of, make_deterministic
from edgekd.training.schedule import Schedule

LABELS = np.array([0, 1, 2, 0, 1, 2])


class Colours:
    """Six 32x32 images of plain red, green or blue, twice as views of their own brightness."""

    views = 2

    def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
        images = np.zeros((len(sample_indices), 32, 32, 3), np.uint8)
        for row, (sample, view) in enumerate(zip(sample_indices, view_numbers, strict=True)):
            images[row, :, :, LABELS[sample]] = 150 + 10 * int(sample) + 5 * int(view)
        return images


VALIDATION = Validation(Colours().gather(np.arange(6), np.ones(6)), LABELS.astype(np.int64))


@pytest.fixture
def model() -> Any:
    make_deterministic(0)
    return efficientnet_lite.build(32, 3)


def weights(model: Any) -> dict[str, np.ndarray]:
    return {v.path: v.numpy() for v in model.variables}


def test_a_probe_moves_the_head_alone_and_learns(model: Any) -> None:
    before = weights(model)
    probe(model, LabelledViews(Colours(), LABELS), VALIDATION)
    moved = {path for path, value in weights(model).items() if not np.array_equal(value, before[path])}
    assert moved == {"logits/kernel", "logits/bias"}
    assert (logits_of(model, VALIDATION.images).argmax(axis=1) == LABELS).all()


def test_a_fine_tune_moves_the_last_blocks_and_no_moment(model: Any, tmp_path: Path) -> None:
    before = weights(model)
    fine_tune(
        model, LabelledViews(Colours(), LABELS), VALIDATION, Schedule(epochs=2, batch_size=4), last_blocks=2, seed=0,
        checkpoint=tmp_path / "c.npz", key="k",
    )  # fmt: skip
    moved = {path.split("/")[0] for path, value in weights(model).items() if not np.array_equal(value, before[path])}
    assert moved and {name[:7] for name in moved} <= {"block14", "block15", "head_co", "logits"}
    assert not any(isinstance(model.get_layer(name), keras.layers.BatchNormalization) for name in moved)


def test_more_blocks_than_there_are(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has 16 blocks"):
        fine_tune(
            model, LabelledViews(Colours(), LABELS), VALIDATION, Schedule(epochs=1), last_blocks=17, seed=0,
            checkpoint=tmp_path / "c.npz", key="k",
        )  # fmt: skip


def test_what_is_frozen_is_computed_once_and_the_rest_learns_the_same(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    class Counted(Colours):
        def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
            asked.append(len(sample_indices))
            return super().gather(sample_indices, view_numbers)

    def trained(folder: Path, views: LabelledViews) -> dict[str, np.ndarray]:
        fine_tune(
            model, views, VALIDATION, Schedule(epochs=3, batch_size=4), last_blocks=2, seed=0,
            checkpoint=folder / "c.npz", key="k",
        )  # fmt: skip
        return weights(model)

    start, views = model.get_weights(), LabelledViews(Counted(), LABELS)
    assert frozen_bytes(model, views, 2) == 4 * 192 * 6 * 2 and frozen_bytes(model, views, 16) == 0
    (tmp_path / "kept").mkdir()
    kept = trained(tmp_path / "kept", views)
    assert asked == [6, 6]
    # Its weights are what they were: it is not asked again.
    fine_tune(
        model, views, VALIDATION, Schedule(epochs=1, batch_size=4), last_blocks=2, seed=0,
        checkpoint=tmp_path / "again.npz", key="k",
    )  # fmt: skip
    assert asked == [6, 6]

    model.set_weights(start)
    monkeypatch.setattr("edgekd.teacher.labelled_views._MOST_BYTES", 1)
    whole = trained(tmp_path, LabelledViews(Counted(), LABELS))
    assert len(asked) > 4
    for path, value in whole.items():
        np.testing.assert_allclose(kept[path], value, atol=2e-3)


@pytest.mark.parametrize("around", [False, True])
def test_a_network_that_can_not_be_divided_is_trained_whole(around: bool, tmp_path: Path) -> None:
    layers, image = keras.layers, keras.Input((32, 32, 3))
    first = layers.Conv2D(3, 3, padding="same", name="block1_conv")(image)
    # What goes around the frozen block is a second tensor between the two.
    second = layers.Conv2D(4, 3, name="block2_conv")(layers.Add()([first, image]) if around else first)
    network = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(second)))
    asked: list[int] = []

    class Counted(Colours):
        def gather(self, sample_indices: Any, view_numbers: Any) -> Any:
            asked.append(len(sample_indices))
            return super().gather(sample_indices, view_numbers)

    before = weights(network)
    fine_tune(
        network, LabelledViews(Counted(), LABELS), VALIDATION, Schedule(epochs=3, batch_size=4), last_blocks=1, seed=0,
        checkpoint=tmp_path / "c.npz", key="k",
    )  # fmt: skip
    assert set(asked) == ({4} if around else {6})
    moved = {path.split("/")[0] for path, value in weights(network).items() if not np.array_equal(value, before[path])}
    assert "block2_conv" in moved and "block1_conv" not in moved


def test_outputs_of_changed_weights_and_of_random_layers_are_not_kept() -> None:
    image = keras.Input((32, 32, 3))
    plain = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(image)))
    random = keras.Model(image, keras.layers.Dropout(0.5)(image))
    views = LabelledViews(Colours(), LABELS)
    assert views.kept_bytes(plain) == 4 * 2 * 6 * 2 and not views.kept_bytes(random)
    assert not views.kept_bytes(keras.Model(free := keras.Input((None, None, 3)), free))
    before = views.outputs(plain)
    assert before.shape == (6, 2, 2) and views.outputs(plain) is before
    plain.layers[-1].set_weights([np.ones((3, 2)), np.zeros(2)])
    assert not np.array_equal(views.outputs(plain), before)
