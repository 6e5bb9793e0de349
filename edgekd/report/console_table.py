"""A table of text for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgekd.report.table import Cells

if TYPE_CHECKING:
    from rich.table import Table


def console_table(cells: Cells) -> Table:
    """The first column to the left, the others to the right."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, header_style="dim")
    for index, name in enumerate(cells.header):
        drawn.add_column(name, justify="right" if index else "left", no_wrap=index == 0)
    for row in cells.rows:
        drawn.add_row(*row)
    return drawn
