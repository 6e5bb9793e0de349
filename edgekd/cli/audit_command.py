"""``edgekd audit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
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
    from edgekd.audit.findings import find_photos
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
        sections = [*findings.sections, *_next_sections(table, suggest)]
    finally:
        watcher.stop()
    record = record_of(sections, table.source)
    write_json(folder / "audit.json", record)
    read = Dataset.load(run / "data" / "dataset.json").read
    page = write_page(
        folder / "audit.html", run.resolve().name, table, findings.photos, sections, read, findings.held_out
    )
    if as_json:
        print_json(record)
        return
    for section in sections:
        for sentence in section.sentences:
            line(sentence)
    if page.note:
        note(page.note)
    line(f"page: {page.path} ({page.photos:,} photos, {page.size_bytes / 1e6:.1f} MB)")


def _next_sections(table: FeatureTable, suggest: int | None) -> list[AuditSection]:
    """What to photograph and to label next, in the order in which it is shown."""
    return []
