"""What was fitted for a file, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def describe_file(summary: Mapping[str, Any]) -> list[str]:
    """One line for the temperature, one for the rejection and one for the thresholds of ``fit_file``'s summary."""
    lines = []
    if (temperature := summary["temperature"]) is not None:
        lines.append(_temperature(temperature, summary["calibration"]))
    if (rejection := summary["rejection"]) is not None:
        lines.append(_rejection(rejection))
    if (thresholds := summary["thresholds"]) is not None:
        values = thresholds["values"]
        shared = (
            f"; too few photos for one of its own: {', '.join(thresholds['shared'])}" if thresholds["shared"] else ""
        )
        lines.append(f"a tag is an answer from {min(values):.3g} to {max(values):.3g} on, by tag{shared}")
    return lines


def _temperature(fitted: Mapping[str, Any], calibration: Mapping[str, Any]) -> str:
    if fitted["value"] == 1.0:
        return str(fitted["note"])
    split = "test" if "test" in calibration else "validation"
    before, after = (calibration[split][when]["calibration_error"] for when in ("before", "after"))
    note = f" ({fitted['note']})" if fitted["note"] else ""
    return (
        f"temperature {fitted['value']:.3g}: calibration error on {split} photos {before['value']:.1%} "
        f"[{before['low']:.1%}, {before['high']:.1%}] before, {after['value']:.1%} "
        f"[{after['low']:.1%}, {after['high']:.1%}] after{note}"
    )


def _rejection(rejection: Mapping[str, Any]) -> str:
    if rejection["reject_below"] is None:
        return f"no threshold of rejection: {rejection['note']}"
    split = "test" if rejection.get("test") else "validation"
    shares = rejection[split]
    parts = [
        f"{word} {share['value']:.1%} [{share['low']:.1%}, {share['high']:.1%}] of {whose}"
        for word, whose, share in (
            ("keeps", f"the {split} photos", shares["own_kept"]),
            ("rejects", "the foreign ones", shares["foreign_rejected"]),
        )
        if share is not None
    ]
    note = f" ({rejection['note']})" if rejection["note"] else ""
    return f"below {rejection['reject_below']:.4g} the answer is none of these, which {' and '.join(parts)}{note}"
