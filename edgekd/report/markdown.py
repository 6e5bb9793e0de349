"""The report as Markdown, with its plots as PNG files beside it."""

from __future__ import annotations

from collections.abc import Sequence

from edgekd.report import sentences
from edgekd.report import table as tables
from edgekd.report.decisions import calibration_caption, decision_sentences
from edgekd.report.end_to_end import CAPTION, end_to_end_table
from edgekd.report.front import step_caption, step_sentences
from edgekd.report.misclassified import Misclassified
from edgekd.report.model import Report
from edgekd.report.plots import Plot
from edgekd.report.search import HEADER, search_rows, search_sentence


def markdown(report: Report, plots: Sequence[Plot], misclassified: Misclassified) -> str:
    """The whole document; plots are linked as ``plots/NAME.png``."""
    parts = [
        f"# {escaped(report.provenance.name)}",
        f"**{escaped(report.headline.text)}**",
        *_notes(report),
        "## Gates",
        sentences.gates_sentence(report),
        "\n".join(
            f"- {'✓' if g.passed else '✗ **failed**'} {escaped(g.name)}: {escaped(g.message)}" for g in report.gates
        ),
        "## Files",
        cells_table(tables.main_cells(report)) if report.rows else "Nothing has been checked or measured yet.",
        tables.caption(report),
        "\n".join(f"- {escaped(step)}" for step in step_sentences(report)),
        step_caption(report),
        *_distillation(report),
        *(f"## {plot.title}\n\n![{plot.alt}](plots/{plot.name}.png)" for plot in plots if plot.name != "curves"),
        *_search(report),
        *_ladder(report),
        *_tags(report),
        *_decisions(report),
        *_misclassified(report, misclassified),
        *_latency(report),
        *_data(report),
        *_provenance(report),
    ]
    curves = next((plot for plot in plots if plot.name == "curves"), None)
    if curves is not None:
        at = next((k for k, part in enumerate(parts) if part == "## Distillation gain"), len(parts))
        after = at + 2 if at < len(parts) else at
        parts[after:after] = [f"![{curves.alt}](plots/curves.png)", sentences.training_sentence(report)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _notes(report: Report) -> list[str]:
    notes = [sentences.missing_sentence(report), *report.problems]
    return [f"> ⚠ {escaped(note)}" for note in notes if note]


def _distillation(report: Report) -> list[str]:
    if report.distillation_gain is None and not report.curves:
        return []
    text = escaped(sentences.gain_sentence(report))
    return [
        "## Distillation gain",
        text,
        *(escaped(sentence) for sentence in sentences.seeds_sentences(report)),
        cells_table(tables.seed_cells(report)) if tables.seed_cells(report).rows else "",
        escaped(report.labels_used),
        sentences.teacher_sentence(report),
        escaped(sentences.words_sentence(report)),
        cells_table(tables.head_cells(report)) if tables.head_cells(report).rows else "",
    ]


def _search(report: Report) -> list[str]:
    if report.search is None:
        return []
    cells = tables.Cells(HEADER, search_rows(report.search))
    return ["## How the student was found", escaped(search_sentence(report.search, report.metric)), cells_table(cells)]


def _ladder(report: Report) -> list[str]:
    cells = tables.ladder_cells(report)
    return (
        ["## Conversion to int8", escaped(sentences.ladder_sentence(report)), cells_table(cells)] if cells.rows else []
    )


def _misclassified(report: Report, misclassified: Misclassified) -> list[str]:
    total = escaped(sentences.misclassified_sentence(report))
    if not total:
        return []
    alt = "Misclassified photos: true class, then predicted class."
    if report.tags is not None:
        alt = "Photos with their tags, then which of these are missing and which are extra."
    sheet = f"![{alt}](plots/misclassified.png)" if misclassified.thumbnails else ""
    title = "## Photos with wrong tags" if report.tags else "## Misclassified photos"
    return [title, f"{total} {escaped(misclassified.note)}".strip(), sheet]


def _decisions(report: Report) -> list[str]:
    decisions, cells = report.decisions or (), tables.calibration_cells(report)
    if not decisions:
        return []
    return [
        "## How sure the files are",
        "\n".join(f"- {escaped(sentence)}" for sentence in decision_sentences(decisions)),
        cells_table(cells) if cells.rows else "",
        calibration_caption(decisions),
    ]


def _tags(report: Report) -> list[str]:
    cells = tables.tag_cells(report)
    return ["## Tags", escaped(sentences.tags_sentence(report)), cells_table(cells)] if cells.rows else []


def _latency(report: Report) -> list[str]:
    if report.bench is None:
        return []
    reasons = "\n".join(f"- ⚠ {escaped(reason)}" for reason in sentences.reasons(report))
    cells, whole = tables.latency_cells(report), end_to_end_table(report)
    text = escaped(sentences.bench_sentence(report))
    rest = [CAPTION, cells_table(whole)] if whole.rows else []
    return ["## Latency", text, cells_table(cells) if cells.rows else "", *rest, reasons]


def _data(report: Report) -> list[str]:
    if report.data is None:
        return []
    warnings = "\n".join(f"- ⚠ {escaped(warning.message)}" for warning in report.data.warnings)
    table = cells_table(tables.split_cells(report)[0])
    return ["## Photos", table, _folded(report), escaped(report.data.duplicates), warnings]


def _folded(report: Report) -> str:
    return tables.split_sentence(report).replace("more classes.", "more classes are in data/summary.json.")


def _provenance(report: Report) -> list[str]:
    pairs = "\n".join(f"- {name}: {escaped(value)}" for name, value in sentences.provenance_pairs(report))
    hashes = "\n".join(f"- {escaped(r.artifact)}: `{r.sha256}`" for r in report.rows if r.artifact and r.sha256)
    return ["## Provenance", pairs, hashes]


def cells_table(cells: tables.Cells) -> str:
    """A table; its first column holds words, the others numbers."""
    rule = ["---", *["---:"] * (len(cells.header) - 1)]
    return "\n".join(f"| {' | '.join(map(escaped, line))} |" for line in (cells.header, rule, *cells.rows))


def escaped(text: str) -> str:
    """Names come from the user's folders: what Markdown would take for markup is escaped."""
    for character in "\\`*_[]<>|#":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split(" ")).replace("\n", " ")
