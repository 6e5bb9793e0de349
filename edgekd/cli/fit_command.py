"""``edgekd fit``."""

from __future__ import annotations

import contextlib
import functools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from edgekd.cli.init_command import place_from, recipe_name
from edgekd.cli.ray_option import ray_option, workers_of
from edgekd.task import Task

if TYPE_CHECKING:
    from edgekd.recipe import Recipe
    from edgekd.recipe.budget import Budget

_MEASURED = "measured.json"
_LIMITS = (
    ("--max-size", "150KB", "Most bytes of the int8 .tflite."),
    ("--max-parameters", "100K", "Most parameters."),
    ("--max-macs", "20M", "Most multiply-accumulates for one photo."),
    ("--max-latency", "5ms", "Most milliseconds for one photo on --device."),
    ("--max-instructions", "30M", "Most executed instructions for one photo on an emulated --device."),
    ("--max-arena", "200KB", "Most bytes for activations."),
)


def _limits(command: Any) -> Any:
    for option, example, text in reversed(_LIMITS):
        command = click.option(option, metavar="AMOUNT", help=f"{text} For example {example}.")(command)
    return command


@click.command(
    "fit",
    epilog="At least one limit is needed. Exit code 3 where nothing is within the budget, or another gate failed. "
    "After a kill, run it again: what was done is not done again.",
)
@click.argument("photos", type=click.Path(path_type=Path))
@click.option("--unlabelled", type=click.Path(path_type=Path), help="Folder of further photos without labels.")
@click.option("--images", type=click.Path(path_type=Path), help="Where a CSV's photos are, if not beside it.")
@click.option("--none", type=click.Path(path_type=Path), help="Folder of photos that show none of the classes.")
@click.option("--task", type=click.Choice(get_args(Task)), help="One label a photo, or tags [as the photos look].")
@_limits
@click.option("--device", help="Where latency or instructions are measured [host, or emulated:cortex-a76].")
@click.option("--minutes", type=float, help="Most minutes for everything.")
@click.option(
    "--settings", type=click.Path(path_type=Path), metavar="FILE",
    help="A .toml with further keys of a recipe, which take the place of those proposed, such as flip = false.",
)  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of run directories [runs].")
@ray_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    photos: Path, unlabelled: Path | None, images: Path | None, none: Path | None, task: Task | None,
    device: str | None, minutes: float | None, settings: Path | None, out: Path, ray: str | None, as_json: bool,
    **limits: str | None,
) -> None:  # fmt: skip
    """From photos and a budget to the best small model: look at PHOTOS, search, train, measure.

    PHOTOS is a folder with a folder per class, a CSV (filename, label; or with tags, see edgekd init) or an .npz. The
    recipe is written into the run's directory as fit.toml, with the reason for each choice.

    \b
    Example:
      edgekd fit photos --unlabelled more-photos --max-size 150KB --minutes 40
    """
    from edgekd.cli.run_shared import run_recipe

    workers = workers_of(ray)
    places = {"source": photos, "images": images, "unlabelled": unlabelled, "none": none}
    recipe = _propose(places, task, out, {**limits, "device": device, "minutes": minutes}, settings)
    run_recipe(recipe, out, "report", False, as_json, workers=workers)


def _propose(
    places: dict[str, Path | None], task: Task | None, out: Path, limits: dict[str, Any], settings: Path | None
) -> Recipe:
    """The recipe for these photos and limits, written as fit.toml into the run's directory and read from there."""
    from edgekd.cli.console import PROGRESS, line
    from edgekd.cli.fit_settings import names_teacher, with_settings
    from edgekd.cli.photos import look_at_photos
    from edgekd.errors import RecipeError
    from edgekd.recipe import parse_recipe
    from edgekd.recipe.load import read_table
    from edgekd.recipe.proposal import propose
    from edgekd.storage import require_writable, write_text

    budget, source = _budget(limits), places["source"]
    assert source is not None
    own = read_table(settings) if settings else {}
    name = recipe_name(source)
    path = out / name / "fit.toml"
    require_writable(out)
    dataset = look_at_photos(places, task)
    measure = None if names_teacher(own) else functools.partial(_view_seconds, path.parent / _MEASURED)
    proposal = propose(dataset, budget, measure)
    if settings:
        proposal = with_settings(proposal, own, settings, path)
    text = proposal.to_toml(name, {key: place_from(path, place) for key, place in places.items() if place is not None})
    try:
        recipe = parse_recipe(tomllib.loads(text), path)
    except RecipeError as error:
        # What is proposed is right: a mistake is in the settings.
        raise RecipeError(str(error).replace(str(path), str(settings or path))) from None
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    for choice in proposal.choices:
        line(f"{f'{choice.table}.' if choice.table else ''}{choice.assignment}: {choice.reason}", to=PROGRESS)
    line(f"wrote {path}", to=PROGRESS)
    return recipe


def _budget(limits: dict[str, Any]) -> Budget:
    """The budget that the options give. Raises UsageError where one is wrong, or none is given."""
    from pydantic import ValidationError

    from edgekd.errors import UsageError
    from edgekd.recipe.budget import Budget

    try:
        budget = Budget(**{key: value for key, value in limits.items() if value is not None})
    except ValidationError as error:
        raise UsageError("; ".join(_sentence(problem) for problem in error.errors())) from None
    if not budget.limits():
        raise UsageError("give at least one limit, such as --max-size 150KB")
    return budget


def _view_seconds(file: Path, input_size: int, network: str) -> float:
    """How long a built-in teacher takes for a view here; measured once, so that a repeated command goes on."""
    from edgekd.errors import EdgekdError
    from edgekd.extras import require
    from edgekd.pipeline.search.timing import seconds_per_view
    from edgekd.storage import read_json, write_json

    key, measured = f"view_s of {network} at {input_size}", {}
    with contextlib.suppress(EdgekdError, KeyError, TypeError, ValueError):
        measured = dict(read_json(file))
        return float(measured[key])
    require("train", "running a recipe")
    seconds = seconds_per_view(input_size, network)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {**measured, key: seconds})
    return seconds


def _sentence(problem: Any) -> str:
    """A problem with a limit, by its option."""
    place = ".".join(map(str, problem["loc"])).replace("_", "-")
    message = str(problem["msg"]).removeprefix("Value error, ")
    if place:
        return f"--{place}: {message}"
    # A sentence about several keys, as a recipe has them.
    message = re.sub(r"\b(max)_(\w+)( = )?", lambda key: f"--{key[1]}-{key[2]}{' ' if key[3] else ''}", message)
    return re.sub(r"(?<!-)\bdevice = ", "--device ", message)
