"""``edgekd distill``."""

from __future__ import annotations

from edgekd.cli.recipe_stages import recipe_command

command = recipe_command(
    "distill",
    "distill",
    """Run a recipe up to its distilled student and the same student without the teacher.

\b
Example:
  edgekd distill road.toml
""",
)
