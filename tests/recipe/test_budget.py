"""The budget of a student: amounts with units, limits that fit together, and what "auto" needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgekd.errors import RecipeError
from edgekd.recipe import parse_recipe
from edgekd.recipe.budget import Budget, amount


def student(**fields: Any) -> Any:
    return parse_recipe({"data": {"source": "photos"}, "student": fields}, Path("r.toml")).student


def test_amounts_are_read_with_and_without_units() -> None:
    budget = Budget.model_validate(
        {"max_size": "150KB", "max_macs": "2.5M", "max_latency": "0.5s", "max_arena": 200_000, "minutes": 40}
    )
    assert budget.limits() == {"size": 150_000, "macs": 2_500_000, "latency": 500, "arena": 200_000}
    assert budget.where == "host"
    assert [Budget(max_size=text).max_size for text in ("150kb", "0.15MB", " 150 KB ")] == [150_000] * 3  # type: ignore[arg-type]
    assert Budget.model_validate({"max_instructions": "30M"}).where == "emulated:cortex-a76"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_size": "150 pounds"}, "is not an amount"),
        ({"max_size": 0}, "greater than 0"),
        ({"max_size": "150"}, 'in bytes, and no .tflite is that small: "150KB"'),
        ({"max_size": "-5KB"}, "is not an amount"),
        ({"max_macs": "0.4"}, "0.4, not a whole number"),
        ({"max_latency": "5ms", "device": "emulated:cortex-a76"}, "no latency: .* --estimate-time"),
        ({"max_instructions": "5M", "device": "host"}, "emulated core"),
        ({"max_instructions": "5M", "max_latency": "5ms"}, "give one of them"),
        ({"max_size": "5KB", "device": "host"}, "give max_latency or max_instructions"),
        ({"max_latency": "5ms", "device": "shh:pi"}, "did you mean 'ssh:pi@pi5'"),
    ],
)
def test_what_does_not_fit_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        student(model="auto", budget=fields)


def test_auto_needs_a_limit() -> None:
    with pytest.raises(RecipeError, match=r'"auto" needs a limit in \[student.budget\]'):
        student(model="auto")
    with pytest.raises(RecipeError, match=r'"auto" needs a limit'):
        student(model="auto", budget={"minutes": 5})
    assert student(model="auto", budget={"max_size": "90KB"}).is_auto
    # A student that is named may have a budget too: its file is held against it.
    assert not student(model="cnn:8@64", budget={"max_size": "90KB"}).is_auto


def test_a_recipe_without_a_budget_keeps_its_digest() -> None:
    plain = parse_recipe({"data": {"source": "photos"}}, Path("r.toml"))
    assert "budget" not in plain.to_toml()
    assert parse_recipe({"data": {"source": "photos"}, "student": {}}, Path("r.toml")).digest() == plain.digest()


def test_amounts_in_words() -> None:
    assert [amount("size", 149_700), amount("latency", 4.234), amount("macs", 2.5e7), amount("parameters", 900)] == [
        "149.7 KB", "4.23 ms", "25M MACs", "900 parameters",
    ]  # fmt: skip
