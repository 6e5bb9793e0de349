"""``edgekd init``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args

import click

from edgekd.errors import UsageError
from edgekd.task import Task
from edgekd.text import printable


@click.command("init")
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--unlabelled", type=click.Path(path_type=Path), help="Folder of further photos without labels.")
@click.option("--images", type=click.Path(path_type=Path), help="Where a CSV's photos are, if not beside it.")
@click.option("--none", type=click.Path(path_type=Path), help="Folder of photos that show none of the classes.")
@click.option("--task", type=click.Choice(get_args(Task)), help="One label a photo, or tags [as the photos look].")
@click.option("--out", type=click.Path(path_type=Path), help="The recipe to write [the photos' name, .toml].")
@click.option("--force", is_flag=True, help="Replace a recipe that is there.")
def command(
    photos: Path, unlabelled: Path | None, images: Path | None, none: Path | None, task: Task | None, out: Path | None,
    force: bool,
) -> None:  # fmt: skip
    """Look at PHOTOS and write a recipe for them, with the reason for each choice.

    PHOTOS is a folder with a folder per class, a CSV (filename, label) or an .npz. Nothing is trained. A CSV with tags
    (filename, labels as in "wet|littered", or a column of 0 and 1 for each tag) is seen as one; class folders that
    share photos are read as tags with --task multi-label.

    \b
    Example:
      edgekd init photos --unlabelled more-photos
      edgekd init photos --none other-photos
      edgekd init tags.csv
    """
    from edgekd.cli.console import PROGRESS, line
    from edgekd.cli.photos import look_at_photos
    from edgekd.recipe import parse_recipe
    from edgekd.recipe.proposal import propose
    from edgekd.storage import require_writable, write_text

    name = recipe_name(photos)
    path = Path(f"{name}.toml") if out is None else out
    if path.exists() and not force:
        raise UsageError(f"{path} exists. Name another file with --out, or replace it with --force")
    require_writable(path.parent)
    places = {"source": photos, "images": images, "unlabelled": unlabelled, "none": none}
    proposal = propose(look_at_photos(places, task))
    text = proposal.to_toml(name, {key: place_from(path, place) for key, place in places.items() if place is not None})
    # What is written loads.
    parse_recipe(tomllib.loads(text), path)
    write_text(path, text)
    for fact in proposal.facts:
        line(fact)
    for choice in proposal.choices:
        line(f"{f'{choice.table}.' if choice.table else ''}{choice.assignment}: {choice.reason}")
    line(f"wrote {path}", to=PROGRESS)
    line(f"next: edgekd run {path}", to=PROGRESS)


def recipe_name(photos: Path) -> str:
    """What a recipe for these photos is called."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", photos.absolute().stem).strip(".-") or "photos"


def place_from(recipe: Path, place: Path) -> str:
    """A path as the recipe in that file has it: relative where it is below the recipe's folder, else absolute."""
    absolute, folder = place.absolute(), recipe.parent.absolute()
    text = str(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"{printable(text)}: a recipe is UTF-8 text, and this name is not. Rename it") from None
    return text
