"""Both ratios in one line where they differ by more than a tenth, and neither without its standing."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from test_headline import against, row, semi_valid

from edgekd.bench import BenchResult, Launch
from edgekd.bench.end_to_end import EndToEndLine
from edgekd.bench.records import EndToEnd, EndToEndInputs
from edgekd.bench.statistics import Comparison
from edgekd.report.end_to_end import end_to_end_cells, inference_claim
from edgekd.report.headline import headline
from edgekd.report.render import render


def way(comparison: Comparison, source: str = "photo") -> EndToEndLine:
    return EndToEndLine("int8_tflite", source, {}, comparison)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ways", "claim"),
    [
        ([against(0.9, "faster")], "42x faster in inference (41–43), 1.11x from photo to answer (1.08–1.15)"),
        ([against(0.98, "no difference")], "42x faster in inference (41–43), no difference from photo to answer"),
        ([against(1 / 40, "faster")], "42x faster (41–43)"),
        ([semi_valid(0.5, "faster")],
         "42x faster in inference (41–43), 2.0x from photo to answer (1.9–2.1, semi-valid)"),
        ([against(1.2, "slower")], "42x faster in inference (41–43), 0.83x as fast from photo to answer (0.81–0.86)"),
        ([Comparison(None, None, "inconclusive", ("x",), "invalid")],
         "42x faster in inference (41–43), unknown from photo to answer (invalid)"),
        ([Comparison(0.5, None, "inconclusive", ("few",))],
         "42x faster in inference (41–43), about 2.0x from photo to answer (inconclusive)"),
    ],
)  # fmt: skip
def test_what_is_said_beside_the_inference_alone(ways: list[Comparison], claim: str) -> None:
    inference = against(1 / 42, "faster")
    assert inference_claim("42x faster (41–43)", inference, [way(each) for each in ways]) == claim


def test_the_headline_has_both() -> None:
    student = replace(
        row("int8_tflite", 412_000, 0.971, against(1 / 42, "faster")),
        end_to_end=(way(against(0.9, "faster")), way(against(0.3, "faster"), "frame")),
    )
    found = headline((row("teacher", 7_416_000, 0.98), student), "accuracy", ())
    assert found.text.startswith(
        "18x smaller and 42x faster in inference (41–43), 1.11x from photo to answer (1.08–1.15), 3.3x from camera "
        "frame to answer (3.2–3.4) than the teacher: "
    )
    assert [each.source for each in found.end_to_end] == ["photo", "frame"]


def test_a_runs_report_has_the_stages_and_both_ratios(run_dir: Path) -> None:
    path = run_dir / "bench/bench.json"
    made = BenchResult.load(path)
    ms = 1_000_000

    def whole(launch: Launch) -> Launch:
        inference = (launch.timings_ns[0],) * 2
        photo = EndToEnd("photo", (60 * ms,) * 2, (30 * ms,) * 2, inference, {}, "1" * 64, (0,))
        return replace(launch, end_to_end=(photo,))

    inputs = (EndToEndInputs("photo", ((9, 9),), "0" * 64, "1" * 64),)
    replace(
        made,
        measurements=tuple(
            replace(each, end_to_end=inputs, launches=tuple(map(whole, each.launches))) for each in made.measurements
        ),
    ).save(path)
    headline = render(run_dir)
    assert re.search(
        r"[0-9.]+x faster in inference \(.*\), (no difference|1\.[0-9]+x) from photo to answer", headline.text
    )
    page, text = (run_dir / "report.html").read_text(), (run_dir / "report.md").read_text()
    assert "From end to end" in page and "| int8 TFLite | photo | 60.0 ms | 30.0 ms |" in text.replace("\u00a0", " ")
    assert "Decoding and resizing are timed apart." in text
    shown = json.loads((run_dir / "report.json").read_text())["headline"]["end_to_end"]
    assert [line["source"] for line in shown] == ["photo"]


def test_a_row_for_every_file_and_source() -> None:
    cells = end_to_end_cells([way(against(0.9, "faster")), way(semi_valid(0.3, "faster"), "frame")])
    assert [line[:2] for line in cells.rows] == [("int8_tflite", "photo"), ("int8_tflite", "frame")]
    assert cells.rows[1][-1] == "faster (semi-valid)"
