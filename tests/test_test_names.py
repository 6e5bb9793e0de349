"""Test modules are imported by their bare names, so that two of the same name would hide each other."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


def test_every_test_module_has_a_name_of_its_own() -> None:
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if "node_modules" not in path.parts)
    assert {name for name, count in names.items() if count > 1} <= {"conftest.py", "make.py"}
