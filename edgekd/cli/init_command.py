"""``edgekd init``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click

from edgekd.errors import UsageError
from edgekd.text import printable


@click.command("init")
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--unlabelled", type=click.Path(path_type=Path), help="Folder of further photos without labels.")
@click.option("--images", type=click.Path(path_type=Path), help="Where a CSV's photos are, if not beside it.")
@click.option("--out", type=click.Path(path_type=Path), help="The recipe to write [the photos' name, .toml].")
@click.option("--force", is_flag=True, help="Replace a recipe that is there.")
def command(photos: Path, unlabelled: Path | None, images: Path | None, out: Path | None, force: bool) -> None:
    """Look at PHOTOS and write a recipe for them, with the reason for each choice.

    PHOTOS is a folder with a folder per class, a CSV (filename, label) or an .npz. Nothing is trained.

    \b
    Example:
      edgekd init photos --unlabelled more-photos
    """
    from edgekd.cli.console import PROGRESS, line, note
    from edgekd.data.load import load_dataset
    from edgekd.data.splitting import SplitPolicy
    from edgekd.recipe import parse_recipe
    from edgekd.recipe.proposal import propose
    from edgekd.storage import require_writable, write_text

    name = recipe_name(photos)
    path = Path(f"{name}.toml") if out is None else out
    if path.exists() and not force:
        raise UsageError(f"{path} exists. Name another file with --out, or replace it with --force")
    require_writable(path.parent)
    dataset = load_dataset(photos, images=images, unlabelled=unlabelled, policy=SplitPolicy(val=0, test=0))
    note(dataset.summary_line())
    for warning in dataset.warnings:
        note(warning.message)
    proposal = propose(dataset)
    places = {"source": photos, "images": images, "unlabelled": unlabelled}
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
