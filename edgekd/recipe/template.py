"""A recipe to start from: every key with its first sentence, commented out at its default."""

from __future__ import annotations

import textwrap

from edgekd.recipe.keys import Key, Table, all_tables

_WIDTH = 100
_INTRO = """\
# A recipe for edgekd. Save it as litter.toml, set data.source, and run: edgekd run litter.toml
#
# A line "#key = value" shows the default; remove the # to change it. "# unset" marks an example of a key without one.
# All keys: `edgekd recipe KEY` explains one, in more detail than here.
#
# Editors that use Taplo (VS Code: Even Better TOML) complete and check keys with the schema of
#   edgekd recipe --schema > recipe.schema.json
# and this as the first line of the recipe:
#   #:schema ./recipe.schema.json
"""
# The keys that a first recipe sets, and their values there.
_SET = {"name": '"litter"', "data.source": '"photos"'}


def template() -> str:
    """The recipe as TOML that loads as it is, once ``data.source`` is a folder of photos."""
    paths: set[str] = set()
    parts = [_INTRO]
    for table in all_tables():
        # Of several forms of a table the first is the default one; the entries of lists have no place in a template.
        if table.path in paths or table.listed:
            continue
        paths.add(table.path)
        parts.append(_table(table))
    return "\n".join(parts)


def _table(table: Table) -> str:
    lines = []
    if table.path:
        lines = [f"{'#' if table.optional else ''}[{table.path}]" + ("  # optional" if table.optional else "")]
    for key in table.keys:
        if key.kind == "table" or (key.holds and not key.default):
            continue
        lines += [*_comment(key), _line(key)]
    return "\n".join(lines) + "\n"


def _comment(key: Key) -> list[str]:
    choices = key.kind.removeprefix("list of: ").split(", ") if key.kind.count('"') > 2 else []
    kind = "" if all(choice in key.summary for choice in choices) else f" One of: {', '.join(choices)}."
    return [f"# {line}" for line in textwrap.wrap(key.summary + kind, _WIDTH)]


def _line(key: Key) -> str:
    if key.path in _SET:
        return f"{key.leaf} = {_SET[key.path]}"
    if key.default is None:
        return f"#{key.leaf} = {key.example}  # unset"
    return f"#{key.leaf} = {key.default}"
