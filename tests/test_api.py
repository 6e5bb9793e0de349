"""The public API: every name is there, is written down in one place twice over, and takes paths as text."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import edgekd


def declared() -> dict[str, tuple[str, str]]:
    """What a type checker sees: public name, its module and its name there."""
    tree = ast.parse(Path(edgekd.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    names: dict[str, tuple[str, str]] = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom) and node.module is not None
        names |= {alias.asname or alias.name: (node.module, alias.name) for alias in node.names}
    return names


def test_type_checkers_and_python_find_the_same_names() -> None:
    assert declared() == edgekd._HOMES
    assert dir(edgekd) == sorted([*edgekd._HOMES, "__version__"])


@pytest.mark.parametrize("name", sorted(edgekd._HOMES))
def test_a_public_name_comes_from_the_module_that_defines_it(name: str) -> None:
    module, attribute = edgekd._HOMES[name]
    value = getattr(edgekd, name)
    assert value is getattr(importlib.import_module(module), attribute)
    assert (value.__doc__ or "").strip(), f"edgekd.{name} has no docstring"
    home = getattr(value, "__module__", module)
    assert home == module or home.startswith(f"{module}."), f"edgekd.{name} is defined in {home}"


def test_every_error_is_public() -> None:
    from edgekd import errors

    tree = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert tree <= set(edgekd.__all__)
