from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edgekd.quantize.settings import QuantizeSection


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_drop": 1, "ranges": "mse"}, "max_drop chooses ranges and float_ops itself"),
        ({"max_drop": 1, "float_ops": ["ADD"]}, "max_drop chooses ranges and float_ops itself"),
        ({"qat": {}, "ranges": "mse"}, "qat trains its own ranges"),
        ({"qat": {}, "per_channel": False}, "qat trains one scale per channel"),
        ({"max_drop": -1}, "greater than or equal to 0"),
        ({"ranges": "entropy"}, "'min-max', 'percentile' or 'mse'"),
        ({"precisions": ["int4"]}, "'float16', 'dynamic' or 'int16x8'"),
        ({"qat": {"method": "qat2"}}, "'qat', 'pqat', 'cqat' or 'pcqat'"),
        ({"sparsity": {"sparsity": 1.0}}, "less than 1"),
        ({"max_drops": 1}, "Extra inputs are not permitted"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        QuantizeSection.model_validate(settings)


@pytest.mark.parametrize(
    ("settings", "needs_stage", "method"),
    [
        ({}, False, "qat"),
        ({"ranges": "mse", "float_ops": ["ADD"], "precisions": ["float16"]}, False, "qat"),
        ({"max_drop": 0.5}, True, "qat"),
        ({"sparsity": {"method": "prune"}}, True, "pqat"),
        ({"sparsity": {"method": "prune-2:4"}, "max_drop": 1}, True, "pqat"),
        ({"sparsity": {"method": "cluster"}}, True, "cqat"),
        ({"sparsity": {"method": "prune-cluster"}}, True, "pcqat"),
        ({"sparsity": {"method": "cluster"}, "qat": {"method": "qat"}}, True, "qat"),
    ],
)
def test_the_training_in_int8_keeps_what_was_pruned(settings: Any, needs_stage: bool, method: str) -> None:
    section = QuantizeSection.model_validate(settings)
    assert section.needs_stage == needs_stage
    assert section.qat_settings().method == method
