"""Quantization-aware training of a student of tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from qat_cases import IMAGES, Plain, arguments

from edgekd.distill.bind import bind
from edgekd.distill.hinton import Hinton
from edgekd.quantize.qat import QatSettings, train_qat
from edgekd.quantize.run_tflite import find_task, run_tflite
from edgekd.training.batches import BatchStream
from edgekd.training.loop import Validation, logits_of
from edgekd.training.scores import tag_probabilities


def test_the_int8_file_gives_the_sigmoids_that_were_trained(student: Any, tmp_path: Path) -> None:
    logits = logits_of(student, IMAGES)
    tags = (logits > 0).astype(np.int8)
    stream = BatchStream(Plain(IMAGES), np.arange(len(IMAGES)), tags, logits[:, None], batch_size=16, seed=0)
    validation = Validation(IMAGES[:32], tags[:32], "mean_average_precision")
    section = QatSettings(epochs=1, batch_size=16, learning_rate=1e-4)
    conversion = train_qat(
        student, section, bind(Hinton(), student), stream, validation, task="multi-label", **arguments(tmp_path)
    )
    assert find_task(conversion.content) == "multi-label"
    assert conversion.record["agreement"] > 0.95
    assert "val_macro_f1" in conversion.record["epochs"][0]
    assert np.abs(run_tflite(conversion.content, IMAGES) - tag_probabilities(logits)).mean() < 0.05
