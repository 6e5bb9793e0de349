"""What a key means, in words: for one key, and as a reference of all."""

from __future__ import annotations

import inspect
import textwrap

from edgekd.errors import UsageError
from edgekd.recipe.keys import Key, Table, all_keys, all_tables
from edgekd.recipe.mistakes import suggest

_WIDTH = 100
_INTRO = """\
# Recipe keys

A recipe is a TOML file. Only `data.source` is required; every other key has the default that is given here, and
`runs/NAME/recipe.toml` spells all of them out. Paths are relative to the recipe.

`edgekd recipe` prints a commented template, `edgekd recipe KEY` explains one key, and `edgekd recipe --schema` prints a
JSON schema: with it, editors complete and check recipes. This page is what `edgekd recipe --reference` prints.

`student.model = "module:function"` imports that Python module and calls the function. Such a recipe runs the module's
code, so read a recipe from someone else before you run it.

`data.taught` and `quantize.aware`, the former names of `data.soft_labelled` and `quantize.qat`, still work.
"""


def explain_key(name: str) -> str:
    """What ``name`` means: a key's or table's path, or the last part of one. Raises UsageError naming similar keys."""
    path = name.strip().strip("[]")
    keys = [key for key in all_keys() if key.path == path] or [
        key for key in all_keys() if key.leaf == path and not key.listed
    ]
    paths = list(dict.fromkeys(key.path for key in keys))
    if not keys:
        near = suggest(path)
        hint = f"did you mean {', '.join(near)}?" if near else "`edgekd recipe` prints every key"
        raise UsageError(f"a recipe has no key {name!r}; {hint}")
    if len(paths) > 1:
        return "\n".join(f"{path}\n{_indent(_of(keys, path)[0].summary)}" for path in paths) + "\n"
    return _explain(paths[0], keys)


def reference() -> str:
    """All keys as a page of Markdown."""
    parts = [_INTRO]
    for table in all_tables():
        parts.append(f"## {_heading(table)}\n\n{_about(table)}\n")
        parts.append("\n".join(_entry(key) for key in table.keys) + "\n")
    return "\n".join(parts)


def _of(keys: list[Key], path: str) -> list[Key]:
    return [key for key in keys if key.path == path]


def _indent(text: str) -> str:
    return textwrap.indent(textwrap.fill(" ".join(text.split()), _WIDTH - 2), "  ")


def _explain(path: str, keys: list[Key]) -> str:
    groups: dict[tuple[str, str], list[Key]] = {}
    for key in keys:
        groups.setdefault((key.description, f"{key.kind} {key.limits} {key.default}"), []).append(key)
    lines, previous = [path], ""
    for (description, _), same in groups.items():
        if len(groups) > 1:
            lines.append(f"\nwith {' or '.join(key.form for key in same)}:")
        if description != previous:
            lines += [*map(_indent, description.split("\n\n")), ""]
        previous = description
        lines += _facts(same[0])
    inside = [table for table in all_tables() if table.path == path]
    for table in inside:
        lines.append(f"\n[{path}]" + (f" with {table.form}" if table.form else ""))
        lines += [f"  {key.leaf:<22} {key.summary}" for key in table.keys]
    return "\n".join(lines) + "\n"


def _facts(key: Key) -> list[str]:
    kind = f"  type      {key.kind}" + (f", {key.limits}" if key.limits else "")
    if key.holds and key.kind == "table":
        return [kind]
    default = "none: it is required" if key.required else key.default or "unset"
    value = key.default or key.example
    table = [f"[[{key.section}]]" if key.listed else f"[{key.section}]"] if key.section else []
    form = [key.form] if key.form and not key.form.startswith(f"{key.leaf} = ") else []
    written = [*table, *form, f"{key.leaf} = {value}"] if value else []
    example = [f"  {'' if number else 'example':<10}{line}" for number, line in enumerate(written)]
    return [kind, f"  default   {default}", *example]


def _heading(table: Table) -> str:
    if not table.path:
        return "Top level"
    shown = f"`[[{table.path}]]`" if table.listed else f"`[{table.path}]`"
    return f"{shown} with `{table.form}`" if table.form else shown


def _about(table: Table) -> str:
    text = inspect.cleandoc(table.model.__doc__ or "").split("\n\n")[0].replace("``", "`")
    return text + (" This table is optional." if table.optional else "")


def _entry(key: Key) -> str:
    kind = f"{key.kind}; {key.limits}" if key.limits else key.kind
    default = "required" if key.required else f"default `{key.default}`" if key.default else "unset by default"
    facts = key.kind if key.kind == "table" else f"{kind}; {default}"
    return f"- **`{key.leaf}`** ({facts}). {' '.join(key.description.split())}"
