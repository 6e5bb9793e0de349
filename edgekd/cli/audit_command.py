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
    from edgekd.audit.section import record_of
    from edgekd.cli.console import ConsoleWatcher, line, print_json
    from edgekd.pipeline.feature_table import FOLDER, run_features
    from edgekd.storage import require_writable, write_json

    folder = out or run / FOLDER
    require_writable(folder)
    watcher = ConsoleWatcher()
    try:
        table = run_features(run, watcher)
        sections = _sections(table, suggest)
    finally:
        watcher.stop()
    record = record_of(sections, table.source)
    write_json(folder / "audit.json", record)
    if as_json:
        print_json(record)
        return
    for section in sections:
        for sentence in section.sentences:
            line(sentence)


def _sections(table: FeatureTable, suggest: int | None) -> list[AuditSection]:
    """The parts of the result, in the order in which they are shown."""
    return []
