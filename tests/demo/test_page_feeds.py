"""What a page feeds to another tool's file, and what it makes of its output, number for number as Python does."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgekd.demo import page
from edgekd.formats.artifact import Artifact, ScoreKind, TensorSpec
from edgekd.formats.pixels import Feed, Pixels, of_mean_std
from edgekd.preprocess import Preprocessing
from edgekd.runtime.runner import read_scores

MODULE = Path(page.__file__).parent / "js" / "model.mjs"
RUN = """
import { readFileSync } from 'node:fs';
import { makeModel } from 'MODULE';
const cases = JSON.parse(readFileSync(0, 'utf8'));
const results = [];
for (const { config, tensor, output } of cases) {
  let fed;
  const values = (output.dtype === 'float32' ? Float32Array : output.dtype === 'int8' ? Int8Array : Uint8Array).from(output.values);
  const model = makeModel(async (given, shape) => { fed = { values: Array.from(given), shape }; return values; }, config);
  results.push({ row: Array.from(await model.run(Uint8Array.from(tensor))), fed });
}
process.stdout.write(JSON.stringify(results));
"""  # noqa: E501
IMAGENET = of_mean_std((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "test")
FEEDS = (
    Feed(Pixels()),
    Feed(IMAGENET, layout="nchw"),
    Feed(replace(IMAGENET, bgr=True)),
    Feed(Pixels((1 / 127.5,) * 3, (-1.0,) * 3), "int8", 0.0078125, -1),
    Feed(Pixels((1 / 255,) * 3), "uint8", 0.0117647, 3, "nchw"),
    # Halves, which are rounded to even numbers.
    Feed(Pixels((0.5,) * 3), "uint8", 1.0, 0),
)
SCORES: tuple[tuple[ScoreKind, str, list[float], float | None, int], ...] = (
    ("probabilities", "float32", [0.25, 0.5, 0.25], None, 0),
    ("independent", "uint8", [3, 255, 128], 1 / 256, 0),
    ("logits", "float32", [-3.5, 7.25, 90.125], None, 0),
    ("logits", "int8", [-128, 127, 5], 0.125, -7),
    ("sigmoid", "float32", [0.3], None, 0),
    ("logit", "float32", [-800.5], None, 0),
)


def foreign(feed: Feed, batch: int | str, scores: ScoreKind, dtype: str, scale: float | None, zero: int) -> Artifact:
    labels = ("a", "b") if scores in ("sigmoid", "logit") else ("a", "b", "c")
    return Artifact(
        path=Path("other.onnx"), format="onnx", precision="float32",
        inputs=(TensorSpec("x", feed.dtype, (batch, 5, 7, 3)),),
        outputs=(TensorSpec("y", dtype, (batch, len(labels)), scale, zero),), labels=labels,
        preprocessing=Preprocessing(height=5, width=7), provenance={}, sha256="0" * 64, size_bytes=1, feed=feed,
        scores=scores,
    )  # fmt: skip


def test_feeds_and_scores_are_pythons() -> None:
    if shutil.which("node") is None:
        pytest.skip("needs node: install Node.js 20 or later")
    image: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (1, 5, 7, 3), np.uint8)
    image[0, 0, :3] = [[0, 1, 255], [3, 5, 7], [254, 253, 128]]
    cases: list[dict[str, Any]] = []
    wanted = []
    for number, feed in enumerate(FEEDS):
        scores, dtype, values, scale, zero = SCORES[number]
        batch = (1, "N", 2)[number % 3]
        artifact = foreign(feed, batch, scores, dtype, scale, zero)
        output = np.array([values], dtype)
        config = page.describe_file(artifact, "other", 0.0)
        count = batch if isinstance(batch, int) else 1
        cases.append({
            "config": config, "tensor": image.ravel().tolist(), "output": {"dtype": dtype, "values": values * count},
        })  # fmt: skip
        wanted.append((feed(np.repeat(image, count, axis=0)), read_scores(output, artifact)[0]))
    script = RUN.replace("MODULE", MODULE.as_uri())
    done = subprocess.run(["node", "--input-type=module", "-e", script], input=json.dumps(cases), capture_output=True,
                          text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0, done.stderr
    for feed, (fed, row), result in zip(FEEDS, wanted, json.loads(done.stdout), strict=True):
        assert result["fed"]["shape"] == list(fed.shape), feed
        assert np.array_equal(np.array(result["fed"]["values"], fed.dtype), fed.ravel()), feed
        np.testing.assert_allclose(result["row"], row, rtol=2e-7, atol=0, err_msg=str(feed))
