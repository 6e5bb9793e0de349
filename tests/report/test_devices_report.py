from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_run import synthetic_bench

from edgekd.bench.plan import BenchPlan
from edgekd.bench.records import HostAnswers, TimeEstimate
from edgekd.bench.result import BenchResult
from edgekd.core_time.accuracy import RECORD
from edgekd.errors import UsageError
from edgekd.report.devices_plots import draw_all
from edgekd.report.devices_render import headline, render_devices
from edgekd.report.devices_report import device_cells, estimate_remarks, findings, join, matrix_cells, reasons


def on(device: str, result: BenchResult | None = None, **facts: Any) -> BenchResult:
    made = result or synthetic_bench()
    return replace(made, device=device, facts_before=facts, facts_after=facts)


def counted(device: str) -> BenchResult:
    made = synthetic_bench()
    measurements = tuple(
        replace(
            one,
            launches=tuple(
                replace(launch, timings_ns=(5, 5), instructions=(one.size_bytes, one.size_bytes))
                for launch in one.launches
            ),
        )
        for one in made.measurements
    )
    return on(device, replace(made, measurements=measurements), emulated=True, cpu_model="Cortex-A76 (emulated)")


def test_it_is_said_what_was_timed_several_at_once() -> None:
    made = synthetic_bench()
    teacher, *others = made.measurements
    launches = tuple(replace(each, inferences_per_sample=7 + k % 2) for k, each in enumerate(others[-1].launches))
    several = replace(others[-1], launches=launches)
    (part,) = join([on("host", replace(made, measurements=(teacher, *others[:-1], several)))]).parts
    (finding,) = findings(part)
    assert finding == f"{several.name}: each timing is the mean of 7 to 8 inferences, which are too short to time alone"


def test_an_estimate_of_time_is_called_one_and_changes_no_ratio(tmp_path: Path) -> None:
    bare = counted("emulated:cortex-a76")
    estimate = TimeEstimate(12.34, 10.0, 5.0, 0.01, 1_000_000, "Raspberry Pi 5", 2400, "neoverse-n1", "19.1.7")
    first, *others = bare.measurements
    joined = join([replace(bare, measurements=(replace(first, estimate=estimate), *others)), on("host")])
    part, plain = joined.parts[0], join([bare]).parts[0]
    cells = device_cells(part)
    place = cells.header.index("estimated time, not measured")
    assert [row[place] for row in cells.rows] == ["≈ 12.3\u00a0ms", *["–"] * len(others)]
    assert [row[:place] + row[place + 1 :] for row in cells.rows] == list(device_cells(plain).rows)
    assert matrix_cells(joined).rows == matrix_cells(join([bare, on("host")])).rows
    (remark,) = estimate_remarks(part)
    assert remark.startswith("estimated time (experimental): calculated for a Raspberry Pi 5 at 2,400 MHz and one")
    assert RECORD.sentence in remark and estimate_remarks(plain) == ()
    render_devices(joined, tmp_path, "title")
    assert all(RECORD.sentence in (tmp_path / f"report.{ending}").read_text() for ending in ("html", "md"))


def test_many_devices_in_one_table() -> None:
    joined = join([on("host", cpu_model="AMD EPYC", cores=2), on("ssh:pi@pi5"), counted("emulated:cortex-a76")])
    cells = matrix_cells(joined)
    assert cells.header == ("file", "host", "ssh:pi@pi5", "emulated:cortex-a76 (instructions)")
    assert cells.rows[0] == ("teacher", "1", "1", "1")
    timed, emulated = device_cells(joined.parts[0]), device_cells(joined.parts[2])
    assert "p50" in timed.header and "p50" not in emulated.header
    assert emulated.header[:2] == ("file", "instructions")
    assert not any("ms" in cell for row in emulated.rows for cell in row)
    assert "on host" in headline(joined) and "emulated" not in headline(joined)


def test_answers_on_the_device_are_told() -> None:
    made = synthetic_bench()
    first = made.measurements[0]
    launches = (replace(first.launches[0], check_answers=(0, 1, 1)), *first.launches[1:])
    host = HostAnswers(answers=(0, 1, 0), near_ties=(), labels=(0, 1, 1))
    checked = replace(made, measurements=(replace(first, launches=launches, host=host), *made.measurements[1:]))
    cells = device_cells(join([checked]).parts[0])
    assert cells.header[-1] == "same as the host; accuracy"
    assert cells.rows[0][-1] == "2/3; 100.0\u00a0%"
    assert cells.rows[1][-1] == "–"


def test_a_throttled_device_is_marked_everywhere() -> None:
    joined = join([on("host"), on("ssh:pi@pi5", throttled_now=True, throttling=["under-voltage"])])
    assert all(row[2] == "1" or row[2] == "invalid" for row in matrix_cells(joined).rows)
    assert device_cells(joined.parts[1]).rows[1][8] == "inconclusive (invalid)"
    assert "the device throttles (under-voltage)" in reasons(joined.parts[1])
    assert "pi5" not in headline(joined)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda r: replace(r, baseline="int8_tflite"), "the baseline is 'teacher' in one and 'int8_tflite'"),
        (lambda r: replace(r, plan=BenchPlan(delegate="none")), "delegate is xnnpack in one and none in the other"),
        (lambda r: replace(r, plan=BenchPlan(mode="paced")), "mode is back-to-back in one and paced"),
        (lambda r: _each(r, sha256="f" * 64), "teacher is measured with another file"),
        (lambda r: _each(r, inputs_sha256="f" * 64), "teacher is measured with another photos"),
        (lambda r: _each(r, threads=2), "teacher is measured with another number of threads"),
        (lambda r: replace(r, device="host"), "one device has several results: host, host"),
    ],
)
def test_what_cannot_be_compared_is_not_joined(change: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        join([on("host"), change(on("ssh:pi"))])


def _each(result: BenchResult, **change: Any) -> BenchResult:
    return replace(result, measurements=tuple(replace(one, **change) for one in result.measurements))


def test_the_page_shows_every_device_and_what_failed(tmp_path: Path) -> None:
    errors = {"adb:1": "adb:1 is <not> attached", "ssh:pi": "ssh:pi is gone"}
    joined = join([on("host"), on("ssh:pi"), counted("emulated:cortex-a72")], errors)
    page = render_devices(joined, tmp_path, "my <devices>")
    text = page.read_text(encoding="utf-8")
    assert "adb:1 is &lt;not&gt; attached" in text and "ssh:pi is gone" in text and "my &lt;devices&gt;" in text
    assert "<svg" in text and "http" not in text.replace("http://www.w3.org", "")
    assert (tmp_path / "plots" / "ratios.png").read_bytes().startswith(b"\x89PNG")
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "## emulated:cortex-a72" in markdown and "plots/ratios.png" in markdown
    assert render_devices(joined, tmp_path, "my <devices>").read_text(encoding="utf-8") == text


def test_plots_appear_where_there_is_something_to_draw() -> None:
    made = synthetic_bench()
    assert [plot.name for plot in draw_all(join([made]))] == ["ratios"]
    curve = ((1.0, 100, 1_000_000, 1_100_000), (2.0, 90, 1_200_000, 1_300_000))
    first = made.measurements[0]
    long = replace(first, launches=(replace(first.launches[0], curve=curve),))
    swept = tuple(replace(one, name=f"{one.name}, 2", threads=2) for one in made.measurements)
    whole = replace(made, measurements=(long, *made.measurements[1:], *swept))
    assert [plot.name for plot in draw_all(join([whole]))] == ["ratios", "sustained", "threads"]


def test_a_file_that_one_device_lacks_is_left_open_there() -> None:
    phone = on("adb:1")
    joined = join([replace(phone, measurements=phone.measurements[:-1]), on("host")])
    assert joined.names[-1] == "int8_onnx"
    assert matrix_cells(joined).rows[-1][1] == "–" and matrix_cells(joined).rows[-1][2] != "–"
    assert [plot.name for plot in draw_all(joined)] == ["ratios"]


def test_nothing_was_measured() -> None:
    joined = join([], {"adb:1": "not attached"})
    assert headline(joined) == "Nothing was measured" and draw_all(joined) == ()
