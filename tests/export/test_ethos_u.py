from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from edgekd.errors import ExportError, MissingExtraError
from edgekd.export import ethos_u
from edgekd.formats import tflite_file
from edgekd.formats.artifact import Artifact


@pytest.fixture(autouse=True)
def vela() -> None:
    if not os.environ.get(ethos_u.PYTHON) and importlib.util.find_spec("ethosu") is None:
        pytest.skip('pip install "edgekd[ethos-u]"')


def test_a_student_runs_on_the_npu_but_for_its_float_output(exported: dict[str, Any], tmp_path: Path) -> None:
    artifact = exported["int8.tflite"]
    compiled = ethos_u.compile_for_npu(artifact, "ethos-u55-128", tmp_path)
    ops = [op.name for op in tflite_file.read(artifact.content(), "m").ops]
    assert compiled.ops == len(ops)
    # Vela has no DEQUANTIZE.
    assert compiled.on_cpu == {"DEQUANTIZE": 1}
    assert compiled.on_npu["CONV_2D"] == ops.count("CONV_2D")
    assert [op.name for op in tflite_file.read(compiled.path.read_bytes(), "m").ops] == ["CUSTOM ethos-u", "DEQUANTIZE"]
    assert 0 < compiled.sram_bytes < 1 << 20 and 0 < compiled.flash_bytes < 1 << 20
    text = compiled.describe()
    assert f"{len(ops) - 1} of {len(ops)} ops on the NPU (on the CPU: 1 DEQUANTIZE)" in text
    assert "estimate, not a measurement" in text and f"accuracy is that of {artifact.path.name}" in text
    record = json.loads(compiled.path.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["source_sha256"] == artifact.sha256 and record["compiler"].startswith("ethos-u-vela ")


def test_what_vela_refuses_is_said_in_its_words(copied: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = Artifact.open(copied("int8.tflite"))
    monkeypatch.setattr(Artifact, "content", lambda self: b"no model at all, and not a flatbuffer")
    with pytest.raises(ExportError, match=r"Vela does not compile copy\.int8\.tflite for ethos-u85-256: .*Leave out"):
        ethos_u.compile_for_npu(artifact, "ethos-u85-256", tmp_path)
    assert not list(tmp_path.glob("*.ethos-u85-256.*"))


def test_without_vela_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ethos_u.PYTHON, raising=False)
    monkeypatch.setattr("edgekd.extras._is_installed", lambda name: name != "ethosu")
    with pytest.raises(MissingExtraError, match=r"pip install 'edgekd\[ethos-u\]'"):
        ethos_u.check_installed()
