"""``edgekd run``."""

from __future__ import annotations

from edgekd.cli.recipe_stages import recipe_command

command = recipe_command(
    "run",
    "report",
    """From a recipe's photos to a checked and measured int8 model.

\b
Example:
  edgekd run road.toml
""",
)
