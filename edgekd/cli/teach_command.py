"""``edgekd teach``."""

from __future__ import annotations

from pathlib import Path

import click

from edgekd.cli.ray_option import ray_option, workers_of


@click.command(
    "teach",
    epilog="A list is text (a photo a line), CSV or Parquet (column filename); it and the column may be anywhere: a "
    "path, s3://bucket/key and what else pyarrow knows. After a kill, run it again.",
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--photos", metavar="LIST", help="Teach these photos instead of the recipe's own.")
@click.option("--to", "where", metavar="FOLDER", help="Where the column of --photos is kept.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of run directories [runs].")
@ray_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(recipe: Path, photos: str | None, where: str | None, out: Path, ray: str | None, as_json: bool) -> None:
    """Store what a recipe's teacher says of its photos, or of any list of photos, however many.

    \b
    Example:
      edgekd teach road.toml --photos s3://cameras/photos.parquet --to s3://cameras/column --ray
    """
    from edgekd.cli.console import PROGRESS, RESULT, ConsoleWatcher, print_json
    from edgekd.cli.run_shared import run_recipe
    from edgekd.errors import UsageError
    from edgekd.pipeline.label_list import FAILED, label_photos
    from edgekd.pipeline.run import run
    from edgekd.recipe import load_recipe

    if (photos is None) != (where is None):
        raise UsageError("--photos and --to go together: a list, and where its column is kept")
    loaded, workers = load_recipe(recipe), workers_of(ray)
    if photos is None or where is None:
        run_recipe(loaded, out, "soft_targets", False, as_json, workers=workers)
        return
    directory, watcher = out / loaded.name, ConsoleWatcher()
    PROGRESS.print(f"[bold]{loaded.name}[/bold] in {directory}")
    try:
        run(loaded, directory, until="teacher", watcher=watcher)
        watcher.started("soft_targets")
        taught = label_photos(loaded, directory, photos, where, workers=workers, progress=watcher.progress)
    finally:
        watcher.stop()
    if taught.failed:
        watcher.note(f"{taught.failed} photos could not be read; they are listed in {taught.place}/{FAILED}")
    if as_json:
        print_json(vars(taught))
    else:
        RESULT.print(f"{taught.photos:,} photos taught, {taught.computed:,} of them now: {taught.place}", markup=False)
