"""Numbers as people read them."""

from __future__ import annotations

from edgekd.bench.statistics import Comparison
from edgekd.metrics import Interval
from edgekd.task import metric_name as metric_name

NBSP = "\u00a0"
DASH = "–"


def size(size_bytes: int | None) -> str:
    """Decimal units: 412,300 bytes are 412 kB."""
    if size_bytes is None:
        return DASH
    if size_bytes < 1000:
        return f"{size_bytes}{NBSP}B"
    value, unit = (size_bytes / 1e3, "kB") if size_bytes < 999_500 else (size_bytes / 1e6, "MB")
    return f"{significant(value)}{NBSP}{unit}"


def count(number: int | None) -> str:
    """With thousands separated."""
    return DASH if number is None else f"{number:,}"


def percent(share: float) -> str:
    """A share of 1 with one decimal."""
    return f"{share * 100:.1f}{NBSP}%"


def score(interval: Interval | None) -> str:
    """``97.1 % (95.2–98.6)``."""
    if interval is None:
        return DASH
    return f"{percent(interval.value)} ({interval.low * 100:.1f}–{interval.high * 100:.1f})"


def significant(value: float, digits: int = 3) -> str:
    """Without an exponent: 0.0123, 1.23, 123."""
    if value == 0:
        return "0"
    # Rounded first: 0.9995 is 1.00 and not 1.000.
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    return f"{value:,.{max(0, digits - 1 - exponent)}f}"


def ratio(interval: Interval | None, estimate: float | None = None) -> str:
    """``0.110 (0.106–0.114)``; an estimate alone where there is no interval."""
    if interval is None:
        return DASH if estimate is None else f"{significant(estimate)} (no interval)"
    return f"{significant(interval.value)} ({significant(interval.low)}–{significant(interval.high)})"


STANDING_LEGEND = "~ is semi-valid and ✗ invalid"
_MARKS = {"valid": "", "semi-valid": " ~", "invalid": " ✗"}


def mark(text: str, standing: str) -> str:
    """A latency with the mark of its standing; ``STANDING_LEGEND`` says what the marks mean."""
    return text if text == DASH else f"{text}{_MARKS[standing]}"


def comparison(compared: Comparison) -> str:
    """A ratio with the mark of its standing; an invalid measurement has no number to give."""
    if compared.verdict == "baseline":
        return "1"
    if compared.standing == "invalid":
        return "invalid"
    return mark(ratio(compared.ratio, compared.estimate), compared.standing)


def verdict(compared: Comparison) -> str:
    """The verdict with its standing: ``faster``, ``faster (semi-valid)``."""
    return compared.verdict if compared.standing == "valid" else f"{compared.verdict} ({compared.standing})"


def factor(value: float) -> str:
    """``18x`` from ten on, ``9.1x`` from two on, ``1.31x`` below."""
    return f"{value:.{_factor_decimals(value)}f}x"


def factor_range(interval: Interval) -> str:
    """``8.8–9.4``, as exact as the factor, or as it takes for the ends to differ."""
    for decimals in range(_factor_decimals(interval.value), 3):
        low, high = f"{interval.low:.{decimals}f}", f"{interval.high:.{decimals}f}"
        if low != high:
            break
    return f"{low}–{high}"


def _factor_decimals(value: float) -> int:
    return 0 if value >= 9.95 else 1 if value >= 1.995 else 2


def milliseconds(value_ms: float | None) -> str:
    """Three digits and the unit; microseconds below 0.1 ms."""
    if value_ms is None:
        return DASH
    if value_ms < 0.1:
        return f"{significant(value_ms * 1000)}{NBSP}µs"
    return f"{significant(value_ms)}{NBSP}ms"


def joules(interval: Interval | None) -> str:
    """``1.23 mJ (1.20–1.26)``, in the unit that fits the value."""
    if interval is None:
        return DASH
    largest = max(abs(interval.value), abs(interval.high))
    scale, unit = next(((s, u) for s, u in ((1.0, "J"), (1e3, "mJ"), (1e6, "µJ")) if largest * s >= 1), (1e9, "nJ"))
    value, low, high = (significant(each * scale) for each in (interval.value, interval.low, interval.high))
    return f"{value}{NBSP}{unit} ({low}–{high})".replace("-", "−")


def watts(interval: Interval | None) -> str:
    """``3.70 W (3.68–3.72)``."""
    if interval is None:
        return DASH
    return f"{significant(interval.value)}{NBSP}W ({significant(interval.low)}–{significant(interval.high)})"


def hours(interval: Interval | None) -> str:
    """``9.4 h (9.2–9.6)``."""
    if interval is None:
        return DASH
    return f"{significant(interval.value)}{NBSP}h ({significant(interval.low)}–{significant(interval.high)})"


def points(difference: float) -> str:
    """A signed difference of shares, in points."""
    return f"{difference * 100:+.1f}".replace("-", "−")


def gain(difference: Interval) -> str:
    """``+0.8 points (−0.3 to +1.9)``."""
    return f"{points(difference.value)} points ({points(difference.low)} to {points(difference.high)})"


def duration(seconds: float | None) -> str:
    """Seconds, or minutes and seconds from two minutes on."""
    if seconds is None:
        return DASH
    if seconds < 120:
        return f"{seconds:.0f}{NBSP}s"
    return f"{int(seconds // 60)}{NBSP}min {int(seconds % 60)}{NBSP}s"
