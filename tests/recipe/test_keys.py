"""Every key is described; the template, the schema, the reference and the explanations are those of the sections."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

import edgekd
from edgekd import load_recipe
from edgekd.cli.recipe_command import command
from edgekd.errors import RecipeError, UsageError
from edgekd.recipe.describe import explain_key, reference
from edgekd.recipe.file_sections import ExportSection
from edgekd.recipe.json_schema import json_schema
from edgekd.recipe.keys import all_keys, all_tables
from edgekd.recipe.template import template

DEFAULT = re.compile(r"^#([a-z_0-9]+ = .*)$")
SUMMED = """
[distill.objective]
name = "weighted"
[[distill.objective.terms]]
objective = { name = "dkd", other_weight = 4.0 }
[[distill.objective.terms]]
objective = { name = "fitnet", taps = { student = "mid" } }
"""
MINIMAL = '[data]\nsource = "photos"\n'


def loaded(folder: Path, text: str) -> edgekd.Recipe:
    path = folder / "r.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(str(path))


def test_every_key_and_every_table_is_described() -> None:
    assert len(all_keys()) > 160
    assert [key.path for key in all_keys() if not re.fullmatch(r"[A-Z\"](?s:.)+[.\"]", key.description)] == []
    assert [table.path for table in all_tables() if not (table.model.__doc__ or "").strip()] == []


def test_the_page_beside_the_code_is_that_of_the_code() -> None:
    page = Path(edgekd.__file__).parent / "reference" / "recipe.md"
    assert page.read_text(encoding="utf-8") == reference(), "edgekd recipe --reference > edgekd/reference/recipe.md"


def test_the_template_loads_and_shows_the_defaults(tmp_path: Path) -> None:
    plain = loaded(tmp_path, template())
    assert plain.digest() == loaded(tmp_path, MINIMAL).digest()
    # Without the tables that are optional: a default of theirs would switch them on.
    optional = re.findall(r"\n#\[.*?(?=\n#?\[|\Z)", template(), re.DOTALL)
    head = functools.reduce(lambda text, table: text.replace(table, ""), optional, template())
    spelled = "\n".join(line if "# unset" in line else DEFAULT.sub(r"\1", line) for line in head.splitlines())
    assert loaded(tmp_path, spelled).digest() == plain.digest()
    assert tomllib.loads(spelled)["distill"]["objective"]["softmax_temperature"] == 2.0
    names = [part.strip("\n#[").partition("]")[0] for part in optional]
    assert names == ["student.budget", "distill.confidence", "quantize.qat", "quantize.sparsity"]


def test_all_that_the_template_has_commented_out_is_valid(tmp_path: Path) -> None:
    unset = [key for key in all_keys() if key.example and not key.required and not key.listed]
    assert len(unset) > 15
    alone = {"mean", "std", "layout", "channels", "output", "pixel_range", "images", "device"}
    # Bounds of photos with tags, which the least recipe does not have.
    alone |= {"min_mean_average_precision", "min_macro_f1"}
    for key in unset:
        if key.leaf not in alone:
            head = f"[{key.section}]\n"
            table = MINIMAL if head == "[data]\n" else MINIMAL + head
            loaded(tmp_path, f"{table}{key.leaf} = {key.example}\n")
    for table in (table for table in all_tables() if table.optional):
        lines = [f"{key.leaf} = {key.default}" for key in table.keys if key.default is not None]
        loaded(tmp_path, MINIMAL + "\n".join([f"[{table.path}]", *lines]) + "\n")


def test_the_schema_accepts_what_loads_and_refuses_what_does_not() -> None:
    schema = json_schema()
    jsonschema.Draft7Validator.check_schema(schema)
    check = jsonschema.Draft7Validator(schema)
    right = [
        MINIMAL,
        template(),
        MINIMAL + SUMMED,
        MINIMAL + "[distill.objective]\nsoftmax_temperature = 3.0\n",
        MINIMAL + '[distill.objective]\nname = "dkd"\nother_weight = 3.0\n',
        MINIMAL + '[distill.confidence]\nkind = "threshold"\n',
        MINIMAL + '[teacher]\nclasses = "names.txt"\nmodel = ["a.onnx", { model = "b.onnx", mean = [0, 0, 0] }]\n',
        MINIMAL + '[quantize]\nprecisions = ["float16"]\n[quantize.qat]\nepochs = 3\n[data.split]\ntrain = 0.5\n',
    ]
    for text in right:
        assert list(check.iter_errors(tomllib.loads(text))) == [], text
    wrong = [
        'name = "x"\n',
        MINIMAL + "[distill]\ntemperature = 3\n",
        MINIMAL + "[distill.objective]\nsoftmax_temperature = 0\n",
        MINIMAL + '[distill.objective]\nname = "hinton"\nother_weight = 1\n',
        MINIMAL + '[distill.objective]\nname = "fitnet"\n',
        MINIMAL + '[export]\nformats = ["tfjs"]\n',
        MINIMAL + "[data.views]\ncrop_scale = [0.5]\n",
    ]
    for text in wrong:
        assert list(check.iter_errors(tomllib.loads(text))), text


def test_the_schema_describes_every_key() -> None:
    tables = [json_schema(), *json_schema()["definitions"].values()]
    bare = [name for table in tables for name, key in table.get("properties", {}).items() if "description" not in key]
    assert bare == []
    assert [name for name, table in json_schema()["definitions"].items() if not table["description"]] == []


def test_one_key_is_explained() -> None:
    text = explain_key("distill.objective.softmax_temperature")
    for part in ("Temperature", "number, above 0", "default   2.0", 'with name = "dkd":', "default   4.0"):
        assert part in text
    assert "unset" in explain_key("max_drop") and "max_drop = 0.5" in explain_key("quantize.max_drop")
    assert "runs the module's code" in " ".join(explain_key("student.model").split())
    assert "[quantize.qat]" in explain_key("[quantize.qat]") and "epochs" in explain_key("quantize.qat")
    assert "teacher.fine_tune.epochs" in explain_key("epochs")
    with pytest.raises(UsageError, match=r"no key 'temperature'; did you mean distill\.objective\.softmax_temperature"):
        explain_key("temperature")


def test_the_command_s_forms(tmp_path: Path) -> None:
    def text(*arguments: str) -> str:
        done = CliRunner().invoke(command, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    assert text() == text("--template") == template()
    assert json.loads(text("--schema"))["$id"] == json_schema()["$id"]
    assert text("--reference") == reference()
    assert text("seeds").startswith("seeds\n")
    (tmp_path / "mine.toml").write_text(MINIMAL, encoding="utf-8")
    assert tomllib.loads(text(str(tmp_path / "mine.toml")))["distill"]["schedule"]["epochs"] == 20
    with pytest.raises(RecipeError, match="does not exist"):
        text(str(tmp_path / "none.toml"))
    assert CliRunner().invoke(command, ["--schema", "seeds"]).exit_code == 2


def test_the_command_loads_no_tensorflow() -> None:
    code = "import sys; from edgekd.recipe.template import template; template(); print('tensorflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_weights_of_core_ml_are_a_key_of_their_own_only_where_they_are_chosen() -> None:
    """Stages of runs of before they could be chosen stay valid, and so do digests of recipes."""
    assert "coreml_weights" not in ExportSection().stage_facts()
    assert ExportSection(coreml_weights=("int8",)).stage_facts()["coreml_weights"] == ["int8"]
