"""Sentences that Markdown and HTML share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgekd.report import format as fmt
from edgekd.report import quantization, tags
from edgekd.report.end_to_end import describe_reasons
from edgekd.report.model import Report


def missing_sentence(report: Report) -> str:
    """What an incomplete run lacks; empty for a complete one."""
    if not report.missing:
        return ""
    return f"This run is incomplete: {', '.join(report.missing)} {'is' if len(report.missing) == 1 else 'are'} missing."


def gates_sentence(report: Report) -> str:
    """The verdict on all gates in one line."""
    failed = sum(not gate.passed for gate in report.gates)
    if not report.gates:
        return "No gate has been checked."
    if failed:
        return f"{failed} of {len(report.gates)} gates failed."
    return "The gate passed." if len(report.gates) == 1 else f"All {len(report.gates)} gates passed."


def reasons(report: Report) -> tuple[str, ...]:
    """What limits the latencies, each once."""
    reasons = list(report.bench.failures) if report.bench else []
    for row in report.rows:
        reasons += row.comparison.reasons if row.comparison else ()
        reasons += [reason for line in row.end_to_end for reason in describe_reasons(line)]
    reasons += report.bench.disturbances if report.bench else ()
    return tuple(dict.fromkeys(reasons))


def gain_sentence(report: Report) -> str:
    """The gain of distillation, and what the choice of the student that ships leaves in doubt.

    Empty where there is no student from scratch.
    """
    if report.distillation_gain is not None:
        several = report.seeds is not None and len(report.seeds.rows) > 1
        notes = "".join(f" {note[0].upper()}{note[1:]}." for note in report.shipping_notes)
        return ("Of the first seed, which ships: " if several else "") + report.distillation_gain.text + notes
    alone = report.seeds is not None and report.seeds.from_scratch is None
    return "" if alone else "The two students have not been compared yet."


def seeds_sentences(report: Report) -> tuple[str, ...]:
    """The students over all seeds, in words."""
    return report.seeds.sentences if report.seeds else ()


def tags_sentence(report: Report) -> str:
    """What the shipped file scores on tags; empty where photos have one label each."""
    row = None if report.tags is None else report.row(report.tags.row)
    if row is None:
        return ""
    names = ("mean_average_precision", "macro_f1", "exact_match")
    return tags.tags_sentence(report.tags, {name: row.score(name) for name in names})


def misclassified_sentence(report: Report) -> str:
    """How many test photos the shipped file gets wrong; empty where it was not run over them."""
    wrong = len(report.misclassified)
    if report.tags is not None:
        return tags.wrong_tags_sentence(report.tags, wrong, report.test_n)
    if report.confusion is None:
        return ""
    return f"{report.confusion.title} misclassifies {wrong} of {report.test_n:,} test photos."


def ladder_sentence(report: Report) -> str:
    """How much the int8 file was allowed to lose, and which step met it; empty without such a bound."""
    return quantization.ladder_sentence(report.ladder)


def teacher_sentence(report: Report) -> str:
    """The teacher's size, score and training time; empty if there is none."""
    teacher = report.teacher
    if teacher is None:
        return ""
    height, width = teacher.input_size
    time = f", trained in {fmt.duration(teacher.seconds)}" if teacher.seconds else ""
    score = (
        f"{fmt.score(teacher.val_score)} {fmt.metric_name(teacher.metric)} on {teacher.val_n:,} validation photos"
        if teacher.val_score
        else "there were no validation photos to score it on"
    )
    note = f" {teacher.note}" if teacher.note else ""
    return f"The teacher is {teacher.name} at {height}×{width} pixels{time}: {score}.{note}"


def words_sentence(report: Report) -> str:
    """Which class words the teacher has; empty where it has none."""
    return (report.teacher.words or "") if report.teacher else ""


def training_sentence(report: Report) -> str:
    """How long the student's trainings took; empty if there were none."""
    parts = [f"{curve.title} {fmt.duration(curve.seconds)}" for curve in report.curves if curve.seconds is not None]
    shares = [curve.wait_share for curve in report.curves if curve.wait_share is not None]
    waited = f" Models waited for their photos {fmt.percent(max(shares))} of that time at most." if shares else ""
    rules = dict.fromkeys(curve.choice for curve in report.curves if curve.choice)
    mark = f"The mark is the epoch that was chosen{''.join(f': {rule}' for rule in rules)}."
    return f"Training took: {', '.join(parts)}.{waited} {mark}" if parts else ""


def bench_sentence(report: Report) -> str:
    """How the latencies were measured."""
    bench = report.bench
    if bench is None:
        return ""
    threads = "1 thread" if bench.threads == 1 else f"{bench.threads} threads"
    return (
        f"{bench.launches} launches each in fresh processes, interleaved in random order, on {bench.photos} of the "
        f"photos, {threads}, {machine_sentence(bench.facts)} ({', '.join(bench.runtimes)}). p50 is the median of the "
        "launches' medians; the ratio is a trimmed mean over rounds, its interval Student's t. "
        f"{_what_is_timed(report)}"
    )


def _what_is_timed(report: Report) -> str:
    if any(row.end_to_end for row in report.rows):
        return "Decoding and resizing are timed apart."
    return "Decoding and resizing are not included."


def machine_sentence(facts: Mapping[str, Any]) -> str:
    """A machine in a few words."""
    cores, flags = facts.get("cores"), facts.get("cpu_flags") or ()
    parts = [str(facts.get("cpu_model") or "an unnamed CPU"), f"{cores} cores" if cores else ""]
    parts += [flag for flag in flags if "vnni" in flag or flag in ("asimddp", "i8mm", "amx_int8")]
    return ", ".join(part for part in parts if part)


def provenance_pairs(report: Report) -> tuple[tuple[str, str], ...]:
    """Names and values of what produced the run."""
    provenance = report.provenance
    facts = provenance.machine
    pairs = [
        ("run", provenance.name),
        ("command", provenance.command),
        ("edgekd", provenance.edgekd),
        ("seed", "" if provenance.seed is None else str(provenance.seed)),
        ("recipe (SHA-256)", provenance.recipe_digest),
        ("machine", machine_sentence(facts) if facts else ""),
        ("system", str(facts.get("os") or "")),
        ("versions", ", ".join(f"{name} {version}" for name, version in sorted(provenance.versions.items()))),
    ]
    return tuple(pair for pair in pairs if pair[1])
