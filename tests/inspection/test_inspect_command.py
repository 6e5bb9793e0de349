from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from subjects import FOREIGN

from edgekd.cli.inspect_command import command
from edgekd.errors import GateFailed

KEYS = {
    "schema", "file", "format", "size_bytes", "sha256", "made_by_edgekd", "versions", "subgraphs", "inputs", "outputs",
    "labels", "described_by", "preprocessing", "provenance", "ops", "layers", "totals", "xnnpack", "onnxruntime_ops",
    "ran", "findings", "summary", "parameters", "activation_bytes", "micro_arena_bytes", "heaviest",
    "decision",
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(path.name for path in FOREIGN.iterdir() if path.suffix != ".py"))
def test_every_file_can_be_shown_and_told(name: str) -> None:
    shown = CliRunner().invoke(command, [str(FOREIGN / name), "--no-run"], catch_exceptions=False)
    assert shown.exit_code == 0 and name in shown.output and "not edgekd's" in shown.output
    told = json.loads(CliRunner().invoke(command, [str(FOREIGN / name), "--no-run", "--json"]).output)
    assert set(told) == KEYS and told["schema"] == 1
    assert all(set(finding) == {"rule", "severity", "message", "fix"} for finding in told["findings"])
    for finding in told["findings"]:
        assert finding["rule"] in shown.output


def test_strict_makes_an_error_a_failed_gate() -> None:
    arguments = ["--no-run", "--strict"]
    with pytest.raises(GateFailed, match="softmax-twice"):
        CliRunner().invoke(command, [str(FOREIGN / "softmax_twice.tflite"), *arguments], catch_exceptions=False)
    assert CliRunner().invoke(command, [str(FOREIGN / "float_keras.tflite"), *arguments]).exit_code == 0
