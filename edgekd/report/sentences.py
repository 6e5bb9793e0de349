"""Sentences that Markdown and HTML share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekd.report import format as fmt
from edgekd.report import quantization
from edgekd.report.model import Report


def missing_sentence(report: Report) -> str:
    """What a partial run lacks; empty for a whole one."""
    if not report.missing:
        return ""
    return (
        f"This run is not whole: {', '.join(report.missing)} {'is' if len(report.missing) == 1 else 'are'} not there."
    )


def gates_sentence(report: Report) -> str:
    """The verdict on all gates in one line."""
    failed = sum(not gate.passed for gate in report.gates)
    if not report.gates:
        return "No gate has been checked."
    if failed:
        return f"{failed} of {len(report.gates)} gates failed."
    return "The gate passed." if len(report.gates) == 1 else f"All {len(report.gates)} gates passed."


def reasons(report: Report) -> tuple[str, ...]:
    """What speaks against the latencies, each said once."""
    said = list(report.bench.failures) if report.bench else []
    for row in report.rows:
        said += row.comparison.reasons if row.comparison else ()
    said += report.bench.disturbances if report.bench else ()
    return tuple(dict.fromkeys(said))


def worth_sentence(report: Report) -> str:
    """What the shipped student owes to the teacher; empty where there is no student without it."""
    if report.worth is not None:
        return report.worth.text
    alone = report.repeats is not None and report.repeats.without is None
    return "" if alone else "The two students have not been compared yet."


def repeats_sentences(report: Report) -> tuple[str, ...]:
    """The students over all seeds, in words."""
    return report.repeats.sentences if report.repeats else ()


def ladder_sentence(report: Report) -> str:
    """What the int8 file was allowed to lose, and which step kept to it; empty where nothing was asked for."""
    return quantization.ladder_sentence(report.ladder)


def teacher_sentence(report: Report) -> str:
    """The teacher's own account; empty if there is none."""
    teacher = report.teacher
    if teacher is None:
        return ""
    height, width = teacher.input_size
    time = f", trained in {fmt.duration(teacher.seconds)}" if teacher.seconds else ""
    score = (
        f"{fmt.score(teacher.val_score)} {fmt.metric_name(teacher.metric)} on {teacher.val_n:,} validation photos"
        if teacher.val_score
        else "there were no validation photos to ask it about"
    )
    note = f" {teacher.note}" if teacher.note else ""
    return f"The teacher is {teacher.name} at {height}×{width} pixels{time}: {score}.{note}"


def training_sentence(report: Report) -> str:
    """How long the student's trainings took; empty if there were none."""
    parts = [f"{curve.title} {fmt.duration(curve.seconds)}" for curve in report.curves if curve.seconds is not None]
    shares = [curve.wait_share for curve in report.curves if curve.wait_share is not None]
    waited = f" Models waited for their photos {fmt.percent(max(shares))} of that time at most." if shares else ""
    return f"Training took: {', '.join(parts)}.{waited} The mark is the epoch that was kept." if parts else ""


def bench_sentence(report: Report) -> str:
    """How the latencies were taken."""
    bench = report.bench
    if bench is None:
        return ""
    threads = "1 thread" if bench.threads == 1 else f"{bench.threads} threads"
    return (
        f"{bench.launches} launches each in fresh processes, interleaved in random order, on {bench.photos} of the "
        f"photos, {threads}, {machine_sentence(bench.facts)} ({', '.join(bench.runtimes)}). p50 is the median of the "
        "launches' medians; the ratio is a trimmed mean over rounds, its interval Student's t. Decoding and resizing "
        "are not in it."
    )


def machine_sentence(facts: Mapping[str, Any]) -> str:
    """A machine in a few words."""
    cores, flags = facts.get("cores"), facts.get("cpu_flags") or ()
    parts = [str(facts.get("cpu_model") or "an unnamed CPU"), f"{cores} cores" if cores else ""]
    parts += [flag for flag in flags if "vnni" in flag or flag in ("asimddp", "i8mm", "amx_int8")]
    return ", ".join(part for part in parts if part)


def provenance_pairs(report: Report) -> tuple[tuple[str, str], ...]:
    """Names and values of what made the run."""
    made = report.provenance
    facts = made.machine
    pairs = [
        ("run", made.name),
        ("command", made.command),
        ("edgekd", made.edgekd),
        ("seed", "" if made.seed is None else str(made.seed)),
        ("recipe (SHA-256)", made.recipe_digest),
        ("machine", machine_sentence(facts) if facts else ""),
        ("system", str(facts.get("os") or "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(made.versions.items()))),
    ]
    return tuple(pair for pair in pairs if pair[1])
