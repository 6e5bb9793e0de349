"""The recipe: everything that decides a run's result, typed, in TOML.

sections   the recipe's tables and their keys        load      from a file or a table to a Recipe
mistakes   what is wrong with a recipe, in one line
"""

from edgekd.recipe.load import load_recipe, parse_recipe
from edgekd.recipe.sections import DataSection, DistillSection, ExportSection, Recipe, StudentSection

__all__ = [
    "DataSection",
    "DistillSection",
    "ExportSection",
    "Recipe",
    "StudentSection",
    "load_recipe",
    "parse_recipe",
]
