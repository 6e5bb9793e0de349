"""The recipe: everything that decides a run's result, typed, in TOML.

sections      the tables and their keys, described    load         from a file or a table to a Recipe
keys          every key, read from the sections       mistakes     what is wrong, and which key was meant
student_sections    those of the student and of its training
file_sections       those of the files and of the rule in them
template      a commented recipe to start from        describe     one key in words, and the reference of all
proposal      a recipe for photos that were looked at          teacher_proposal    which teacher it has
choice        one key of that recipe, and why it has its value
budget        what the student may cost
json_schema   what editors complete and check with
"""

from edgekd.recipe.file_sections import ExportSection
from edgekd.recipe.load import load_recipe, parse_recipe
from edgekd.recipe.sections import DataSection, Recipe
from edgekd.recipe.student_sections import DistillSection, StudentSection

__all__ = [
    "DataSection",
    "DistillSection",
    "ExportSection",
    "Recipe",
    "StudentSection",
    "load_recipe",
    "parse_recipe",
]
