"""``edgekd sweep``."""

from __future__ import annotations

from pathlib import Path

import click

from edgekd.cli.ray_option import ray_option, trials_of, workers_of


@click.command(
    "sweep",
    epilog="--pick chooses by the int8 file: size, parameters, accuracy (on the validation photos), latency (over the "
    "teacher's), p50 (p50[ssh:pi@pi5]<=5ms measures there), instructions[emulated:cortex-a76] and agreement (with the "
    "teacher on photos without labels). Exit code 3 where no student fits.",
)
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option("--students", required=True, help="Comma-separated students, each as in a recipe.")
@click.option("--pick", "wanted", help='Name the best that fits, such as "size<=300KB and accuracy>=0.95".')
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), help="Folder of run directories [runs].")
@click.option("--accept-weak-teacher", is_flag=True, help="Continue with a teacher that failed its gates.")
@click.option("--stop-early", is_flag=True, help="With --ray: stop students that fall behind; they get no files.")
@ray_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON to stdout.")
def command(
    recipe: Path, students: str, wanted: str | None, out: Path, accept_weak_teacher: bool, stop_early: bool,
    ray: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Train many students on one teacher's soft targets, and show which are worth their size.

    \b
    Example:
      edgekd sweep road.toml --students slice:3,slice:8,cnn:16@96 --pick "size<=300KB and accuracy>=0.95"
    """
    from edgekd.cli.console import ConsoleWatcher, line, print_json, table
    from edgekd.cli.run_shared import print_place
    from edgekd.errors import GateFailed, UsageError
    from edgekd.pipeline.sweep.pick import parse_pick
    from edgekd.pipeline.sweep.sweep import sweep
    from edgekd.recipe import load_recipe
    from edgekd.report.sweep_render import render_sweep
    from edgekd.report.sweep_text import gate_sentences, pick_sentences, step_sentences, sweep_cells

    if stop_early and ray is None:
        raise UsageError("--stop-early needs --ray: without it students are trained one after the other")
    conditions = parse_pick(wanted) if wanted else ()
    loaded = load_recipe(recipe)
    directory = out / f"{loaded.name}-sweep"
    print_place(loaded, directory)
    watcher = ConsoleWatcher()
    try:
        result = sweep(
            loaded, [part.strip() for part in students.split(",")], directory,
            conditions=conditions, accept_weak_teacher=accept_weak_teacher, watcher=watcher,
            workers=workers_of(ray), trials=trials_of(ray, stop_early),
        )  # fmt: skip
    finally:
        watcher.stop()
    headline = render_sweep(directory)
    if as_json:
        print_json(result.to_json())
    else:
        value = result.to_json()
        cells = sweep_cells(value)
        line("\n", (headline, "bold"), "\n")
        table(cells.header, cells.rows, left=2)
        for sentence in (*pick_sentences(value), *gate_sentences(value), *step_sentences(value)):
            line(sentence)
        line(f"report: {directory / 'report.html'}")
    if conditions and result.winner is None:
        reasons = [f"{one.student}: {'; '.join(one.left_out)}" for one in result.students]
        raise GateFailed("\n  ".join([f"no student meets: {wanted}. Loosen it, or sweep others", *reasons]))
