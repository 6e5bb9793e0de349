"""One command for every stage to stop at: run, train and distill differ in nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from edgekd.cli.ray_option import ray_option, workers_of
from edgekd.pipeline.stage_table import NAMES


def recipe_command(name: str, until: str, text: str) -> click.Command:
    """The command ``name`` that does a recipe's stages up to ``until``; ``text`` is its help."""

    @click.command(
        name, help=text, epilog="Stages whose inputs have not changed are skipped; after a kill, run it again."
    )
    @click.argument("recipe", type=click.Path(path_type=Path))
    @click.option(
        "--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of run directories [runs]."
    )
    @click.option("--accept-weak-teacher", is_flag=True, help="Continue with a teacher that failed its gates.")
    @click.option("--strict", is_flag=True, help="Make every finding about the photos an error.")
    @click.option(
        "--until",
        "stop",
        default=until,
        metavar="STAGE",
        help=f"Do this stage and all that it needs [{until}]: {', '.join(NAMES)}.",
    )
    @ray_option
    @click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
    def command(
        recipe: Path, out: Path, accept_weak_teacher: bool, strict: bool, stop: str, ray: str | None, as_json: bool
    ) -> None:
        from edgekd.cli.run_shared import run_recipe
        from edgekd.recipe import load_recipe

        run_recipe(load_recipe(recipe, strict=strict), out, stop, accept_weak_teacher, as_json, workers=workers_of(ray))

    return command
