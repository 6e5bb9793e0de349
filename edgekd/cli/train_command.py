"""``edgekd train``."""

from __future__ import annotations

from edgekd.cli.recipe_stages import recipe_command

command = recipe_command(
    "train",
    "teacher",
    """Run a recipe up to its teacher.

\b
Example:
  edgekd train road.toml
""",
)
