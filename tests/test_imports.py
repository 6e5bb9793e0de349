"""Imports go one way, and the doors that only run or measure a model never open onto TensorFlow."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import edgekd

ROOT = Path(edgekd.__file__).parent

# Each layer may import itself and what stands before it.
LAYERS = (
    ("text", "memory", "process_tree", "temporary", "stopping", "errors", "extras", "_version", "__init__"),
    ("storage", "parent_death", "processes", "quiet", "progress", "section", "task"),
    ("metrics", "tag_metrics", "tag_randomization", "scoring"),
    ("photo_formats", "photo_pixels", "photo_input", "preprocess", "frames"),
    ("scale",),
    ("data",),
    ("formats",),
    ("runtime",),
    ("golden",),
    ("inspection",),
    ("training",),
    ("models",),
    ("teacher",),
    ("foreign",),
    ("soft_targets",),
    ("students",),
    ("distill",),
    ("quantize",),
    ("decisions",),
    ("evaluation",),
    ("accelerators",),
    ("export",),
    ("devices",),
    ("bench",),
    ("core_time",),
    ("report",),
    ("demo",),
    ("recipe",),
    ("pipeline", "doctor"),
    ("audit",),
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


def graph() -> dict[str, set[str]]:
    """Every module of edgekd, and the modules of edgekd that it imports, at load or later."""
    modules = {module_name(path): path for path in MODULES}
    arrows: dict[str, set[str]] = {}
    for name, path in modules.items():
        targets = set()
        for imported, _ in imports(path):
            parts = imported.split(".")
            while parts and ".".join(parts) not in modules:
                parts.pop()
            if parts:
                targets.add(".".join(parts))
        arrows[name] = targets - {name}
    return arrows


def module_name(path: Path) -> str:
    """The dotted name of a module; a package is named by its ``__init__``."""
    parts = ["edgekd", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_module_imports_itself_by_way_of_others() -> None:
    arrows = graph()
    order = graphlib.TopologicalSorter(arrows)
    try:
        order.prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"an import cycle: {' -> '.join(reversed(error.args[1]))}")


def test_nothing_inside_imports_the_package_root() -> None:
    assert [name for name, targets in graph().items() if "edgekd" in targets] == []


# A file each is the rule in these, however short it is.
ONE_A_FILE = ("edgekd.distill.", "edgekd.cli.", "edgekd.devices.", "edgekd.bench.agents.", "edgekd.pipeline.stages.")


def test_a_short_module_that_one_other_uses_is_a_part_of_it() -> None:
    arrows, short = graph(), []
    for path in MODULES:
        name = module_name(path)
        lines = len(path.read_text(encoding="utf-8").splitlines())
        users = [user for user, targets in arrows.items() if name in targets and not name.startswith(f"{user}.")]
        if path.name != "__init__.py" and lines < 40 and len(users) == 1 and not name.startswith(ONE_A_FILE):
            short.append(f"{name} ({lines} lines) belongs in {users[0]}")
    assert short == []


@pytest.mark.parametrize("path", [path for path in MODULES if path.name == "__init__.py" and path.parent != ROOT],
                         ids=lambda p: str(p.parent.relative_to(ROOT)))  # fmt: skip
def test_a_package_s_init_is_its_map_and_its_public_names(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = ast.get_docstring(tree) or ""
    rooms = {room.stem for room in path.parent.glob("*.py")} | {
        room.parent.name for room in path.parent.glob("*/__init__.py")
    }
    missing = [room for room in sorted(rooms - {"__init__"}) if not re.search(rf"\b{room}\b", text)]
    assert missing == [], f"{path}: the docstring does not say what these are: {', '.join(missing)}"
    for node in tree.body[1:]:
        is_all = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        assert is_all or isinstance(node, (ast.Import, ast.ImportFrom)), f"{path}:{node.lineno}: code in an __init__"


def test_few_functions_outside_recipe_and_pipeline_take_the_whole_recipe() -> None:
    takers = []
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] in ("recipe", "recipe.py", "pipeline"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and "Recipe" in {
                child.id for child in ast.walk(node) if isinstance(child, ast.Name)
            }:
                takers.append(f"{module_name(path)}.{node.name}")
    assert len(takers) <= 15, takers
