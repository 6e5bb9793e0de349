"""``edgekd audit``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edgekd.audit.doubtful import DoubtfulPhoto
    from edgekd.audit.section import AuditSection
    from edgekd.pipeline.feature_table import FeatureTable


@click.command("audit")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--suggest", type=click.IntRange(1), metavar="N", help="Also name N photos of the pool to label first.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for audit.html and audit.json [RUN/audit].")
@click.option("--json", "as_json", is_flag=True, help="Print audit.json to stdout.")
def command(run: Path, suggest: int | None, out: Path | None, as_json: bool) -> None:
    """Find labels of a run that are probably wrong, and say what to photograph and label next.

    \b
    Example:
      edgekd audit runs/litter
      edgekd audit runs/litter --suggest 50
    """
    # Many small matrices: with a thread a core, OpenBLAS is several times slower, and far more beside other work.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from edgekd.audit.findings import each_once, find_photos
    from edgekd.audit.page import write_page
    from edgekd.audit.section import record_of
    from edgekd.cli.console import ConsoleWatcher, line, note, print_json
    from edgekd.data.dataset import Dataset
    from edgekd.pipeline.feature_table import FOLDER, run_features
    from edgekd.storage import require_writable, write_json

    folder = out or run / FOLDER
    require_writable(folder)
    watcher = ConsoleWatcher()
    try:
        table = run_features(run, watcher)
        findings = find_photos(table, watcher)
        next_sections, to_label = _what_next(run, table, suggest, folder)
        sections = [*findings.sections, *next_sections]
    finally:
        watcher.stop()
    record = record_of(sections, table.source)
    write_json(folder / "audit.json", record)
    read = Dataset.load(run / "data" / "dataset.json").read
    photos = each_once([*to_label, *findings.photos])
    page = write_page(folder / "audit.html", run.resolve().name, table, photos, sections, read, findings.held_out)
    if as_json:
        print_json(record)
        return
    for section in sections:
        for sentence in section.sentences:
            line(sentence)
    if page.note:
        note(page.note)
    line(f"page: {page.path} ({page.photos:,} photos, {page.size_bytes / 1e6:.1f} MB)")


def _what_next(
    run: Path, table: FeatureTable, suggest: int | None, folder: Path
) -> tuple[list[AuditSection], tuple[DoubtfulPhoto, ...]]:
    """What to photograph and to label next, in the order in which it is shown; and the photos to label."""
    from edgekd.audit import next_labels
    from edgekd.audit.learning_curve import forecast_gains
    from edgekd.audit.suggest import suggest_photos
    from edgekd.recipe import load_recipe
    from edgekd.storage import write_text

    recipe = load_recipe(run / "recipe.toml")
    sections = [next_labels.forecast_section(forecast_gains(table, recipe.metric, recipe.seed))]
    if suggest is None:
        return sections, ()
    suggestions = suggest_photos(table, suggest, recipe.metric, recipe.seed)
    write_text(folder / next_labels.SUGGESTIONS, next_labels.suggestions_csv(suggestions))
    sections.insert(0, next_labels.suggestion_section(suggestions, table.are_tags))
    return sections, next_labels.photos_to_label(suggestions, table.are_tags)
