"""Imports go one way, and the doors that only run or measure a model never open onto TensorFlow."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import edgekd

ROOT = Path(edgekd.__file__).parent

# Each layer may import itself and what stands before it.
LAYERS = (
    ("errors", "_version", "__init__"),
    ("storage", "quiet", "preprocess", "metrics"),
    ("scale",),
    ("data",),
    ("formats",),
    ("runtime",),
    ("golden",),
    ("inspection",),
    ("training",),
    ("models",),
    ("teacher",),
    ("soft_targets",),
    ("students",),
    ("distill",),
    ("quantize",),
    ("evaluation",),
    ("export",),
    ("devices",),
    ("bench",),
    ("report",),
    ("recipe",),
    ("pipeline", "quickstart", "doctor"),
    ("cli", "__main__"),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
HEAVY = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization")
# The packages that may name TensorFlow or Keras at all; the rest runs and measures.
TRAINS = (
    "quiet",
    "training",
    "models",
    "teacher",
    "soft_targets",
    "students",
    "distill",
    "quantize",
    "export",
    "pipeline",
)


def imports(path: Path) -> list[tuple[str, bool]]:
    """Names of imported modules; True where the import runs when the module is loaded."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy = {
        child
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        or (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
        for child in ast.walk(node)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node not in lazy) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            found += [(f"{node.module}.{alias.name}", node not in lazy) for alias in node.names]
    return found


def layer(name: str) -> str:
    return name.split(".")[1] if name.count(".") else "__init__"


MODULES = sorted(ROOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts[0]
    assert own in RANK, f"{path}: say in LAYERS where {own} stands"
    for name, _ in imports(path):
        if name.startswith("edgekd") and own != "__init__":
            other = layer(name)
            other = other if other in RANK else "__init__"
            assert RANK[other] <= RANK[own], f"{path} imports {name}, which stands after it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_are_loaded_where_they_are_used(path: Path) -> None:
    own = path.relative_to(ROOT).with_suffix("").parts[0]
    for name, at_load in imports(path):
        root = name.split(".")[0]
        if root in HEAVY:
            assert own in TRAINS, f"{path} imports {root}, but {own} only runs or measures"
            assert not at_load, f"{path} imports {root} when it is loaded; import it in the function that needs it"
        if root in ("tf_keras", "tensorflow_model_optimization"):
            assert own == "quantize", f"{path}: tf_keras and TFMOT are imported in quantize alone"


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sorted(sys.modules))"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in done.stdout.split()}


def test_import_edgekd_is_light() -> None:
    assert not loaded("import edgekd; dir(edgekd)") & {*HEAVY, "numpy", "pydantic", "PIL", "rich", "onnxruntime"}


def test_help_loads_click_and_little_else() -> None:
    code = "from edgekd.cli import group\ngroup.main(['--help'], standalone_mode=False)"
    assert not loaded(code) & {*HEAVY, "numpy", "pydantic", "PIL", "rich", "matplotlib", "onnxruntime"}


def test_no_public_name_is_also_a_module() -> None:
    # Importing edgekd.export would put the package where a function of that name was.
    assert not {path.stem for path in ROOT.iterdir()} & set(edgekd.__all__)


def test_every_public_name_is_there() -> None:
    assert not loaded("import edgekd\nfor name in edgekd.__all__: getattr(edgekd, name)") & set(HEAVY)
