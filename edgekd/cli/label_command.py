"""``edgekd label``."""

from __future__ import annotations

from pathlib import Path

import click

from edgekd.cli.ray_option import ray_option, workers_of


@click.command(
    "label",
    epilog="A list is text (a photo a line), CSV or Parquet (column filename); it and the soft targets may be "
    "anywhere that pyarrow knows: a path, s3://bucket/key. After a kill, run the same command again.",
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--photos", metavar="LIST", help="Label the photos of this list instead of the recipe's.")
@click.option("--to", "where", metavar="FOLDER", help="Where the soft targets of --photos are stored.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of run directories [runs].")
@ray_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(recipe: Path, photos: str | None, where: str | None, out: Path, ray: str | None, as_json: bool) -> None:
    """Store the soft targets of a recipe's photos, or of any list of photos, however long.

    \b
    Example:
      edgekd label road.toml --photos s3://cameras/photos.parquet --to s3://cameras/soft_targets --ray
    """
    from edgekd.cli.console import ConsoleWatcher, line, print_json
    from edgekd.cli.run_shared import print_place, run_recipe
    from edgekd.errors import UsageError
    from edgekd.pipeline.label_list import FAILED, label_photos
    from edgekd.pipeline.run import run
    from edgekd.recipe import load_recipe

    if (photos is None) != (where is None):
        raise UsageError("--photos and --to go together: a list, and where its soft targets are stored")
    loaded, workers = load_recipe(recipe), workers_of(ray)
    if photos is None or where is None:
        run_recipe(loaded, out, "soft_targets", False, as_json, workers=workers)
        return
    directory, watcher = out / loaded.name, ConsoleWatcher()
    print_place(loaded, directory)
    try:
        run(loaded, directory, until="teacher", watcher=watcher)
        watcher.started("soft_targets")
        summary = label_photos(loaded, directory, photos, where, workers=workers, progress=watcher.progress)
    finally:
        watcher.stop()
    if summary.failed:
        watcher.note(f"{summary.failed} photos could not be read; they are listed in {summary.place}/{FAILED}")
    if as_json:
        print_json(vars(summary))
    else:
        counts = ", ".join(f"{name} {count:,}" for name, count in summary.classes.items())
        now = f"{summary.computed:,} of them now{f' ({counts}, by the teacher)' if counts else ''}"
        line(f"{summary.photos:,} photos labelled, {now}: {summary.place}")
