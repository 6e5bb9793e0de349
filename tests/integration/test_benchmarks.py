"""The index of the benchmarks, and the shortest form of those that train; two more files run the others."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from benchmark_scripts import BENCHMARKS, SCRIPTS, TRAINING, run_short

README = (BENCHMARKS / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("script", TRAINING)
def test_a_benchmark_runs_in_its_short_form(script: str, tmp_path: Path) -> None:
    run_short(script, tmp_path / "out")


def test_the_index_names_every_script_and_its_links_exist() -> None:
    folders = {script.split("/")[0] for script in SCRIPTS}
    assert folders == {path.name for path in BENCHMARKS.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert [script for script in SCRIPTS if f"benchmarks/{script}" not in README] == []
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert {link.split("/")[0] for link in links if "/results/" in link} == folders
    assert [link for link in links if not (BENCHMARKS / link).is_file()] == []


@pytest.mark.parametrize(("headline", "link"), re.findall(r"\[([^]]+)\]\((\w+/results/[^)]+)\)", README))
def test_the_figures_of_a_headline_are_those_of_the_results(headline: str, link: str) -> None:
    text = (BENCHMARKS / link).read_text(encoding="utf-8")
    assert [figure for figure in re.findall(r"\d[\d.,]*\d|\d", headline) if figure not in text] == []


@pytest.mark.parametrize("arguments", [(), ("--short", "--out", BENCHMARKS / "road/results")])
def test_the_full_form_names_what_it_needs_and_the_short_form_spares_committed_results(
    arguments: tuple[str | Path, ...],
) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / "road/run.py", *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    wanted = "another" if arguments else r"needs --work, --photos, --unlabelled\. .*--short"
    assert re.search(wanted, done.stderr), done.stderr
