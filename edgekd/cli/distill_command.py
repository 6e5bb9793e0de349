"""``edgekd distill``."""

from __future__ import annotations

from edgekd.cli.recipe_stages import recipe_command

command = recipe_command(
    "distill",
    "distill",
    """Do a recipe up to its distilled student, and the one without the teacher beside it.

\b
Example:
  edgekd distill road.toml
""",
)
