"""``edgekd recipe``."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command("recipe")
@click.argument("key", required=False)
@click.option("--template", "form", flag_value="template", help="Print a commented recipe to start from [the default].")
@click.option("--schema", "form", flag_value="schema", help="Print a JSON schema, with which editors complete recipes.")
@click.option("--reference", "form", flag_value="reference", help="Print a page of Markdown with every key.")
def command(key: str | None, form: str | None) -> None:
    """Print a recipe to start from, or explain one KEY of it.

    KEY is the path of a key or table, or its last part. Given a recipe's FILE.toml instead, check it and print it with
    every default.

    \b
    Example:
      edgekd recipe distill.objective.softmax_temperature
    """
    if key is not None and form is not None:
        raise click.UsageError(f"--{form} takes no KEY")
    click.echo(_text(key, form), nl=False)


def _text(key: str | None, form: str | None) -> str:
    if key is not None and (key.endswith(".toml") or Path(key).is_file()):
        from edgekd.recipe import load_recipe

        return load_recipe(key).to_toml()
    if key is not None:
        from edgekd.recipe.describe import explain_key

        return explain_key(key)
    if form == "schema":
        from edgekd.recipe.json_schema import json_schema

        return json.dumps(json_schema(), indent=1) + "\n"
    if form == "reference":
        from edgekd.recipe.describe import reference

        return reference()
    from edgekd.recipe.template import template

    return template()
