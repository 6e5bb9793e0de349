"""The Keras network against what PyTorch computes with the same weights."""

from __future__ import annotations

import numpy as np
import pytest

from edgekd.models import efficientnet_lite
from edgekd.training.loop import logits_of

# PyTorch 2.13.0, CPU, float32, on the ramp below, fed as (x - 127) / 128.
TOP_5 = [506, 905, 749, 884, 545]
FIRST_16 = [
    0.4005, -2.0763, -0.7398, -1.2142, -0.6249, -0.3516, -2.5161, 0.7104,
    -1.0575, -0.5343, 0.5082, 0.6852, -0.1260, 0.3074, 2.1742, 0.9257,
]  # fmt: skip
MEAN, STD, MAX = -0.09124, 1.49114, 8.4871


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    h, w, c = np.meshgrid(range(224), range(224), range(3), indexing="ij")
    ramp = ((7 * h + 13 * w + 29 * c + h * w // 17) % 256).astype(np.uint8)
    assert int(ramp.sum()) == 19189301
    return logits_of(efficientnet_lite.build(), ramp[None])[0]


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
