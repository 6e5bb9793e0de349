"""Tables in narrow terminals: every number with its interval, and no line wider than the terminal."""

from __future__ import annotations

import pytest

from edgekd.cli.fitting import cards_of, fit_table, lines_of, table_width

HEADER = (
    "model",
    "parameters",
    "size",
    "balanced accuracy (95\u00a0%)",
    "agreement",
    "latency ratio (95\u00a0%)",
    "p50",
)
ROWS = (
    ("teacher", "3,416,867", "13.4\u00a0MB", "93.0\u00a0% (80.3–97.7)", "–", "1", "4.91\u00a0ms"),
    ("student, labels alone", "11,587", "49.3\u00a0kB", "80.7\u00a0% (67.4–90.1)", "84.8\u00a0% (7 differ)",
     "0.0110 (0.0106–0.0114) ~", "0.192\u00a0ms ✗"),
)  # fmt: skip


@pytest.mark.parametrize("width", [140, 100, 80, 60, 40])
def test_nothing_is_cut_at_any_width(width: int) -> None:
    fitted = fit_table(HEADER, ROWS, width)
    if fitted is None:
        lines = cards_of(HEADER, ROWS)
    elif fitted.apart:
        lines = lines_of(fitted)
    else:
        assert table_width(fitted.header, fitted.rows) <= width
        lines = [part for row in fitted.rows for cell in row for part in cell.split("\n")]
    assert max(map(len, lines)) <= max(width, 57 if fitted is None else 0)
    text = "".join("".join(lines).split())
    for row in ROWS:
        for cell in row:
            for part in cell.replace("\u00a0", "").split(" "):
                assert part in text
    assert (width > 100) == (fitted is not None and fitted.rows == ROWS)


def test_sentences_are_wrapped_and_numbers_are_not() -> None:
    rows = [("a.tflite", "same", "1.02 (1.01–1.03)", "inconclusive; few launches: 5, at least 7 are needed")]
    fitted = fit_table(("file", "bytes", "after / before (95\u00a0%)", "verdict"), rows, 60)
    assert fitted is not None and not fitted.apart
    assert fitted.rows[0][2] == "1.02\n(1.01–1.03)" and "\n" in fitted.rows[0][3]
    assert fitted.rows[0][3].replace("\n", " ") == rows[0][3]
    assert table_width(fitted.header, fitted.rows) <= 60
