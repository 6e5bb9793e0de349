"""A notebook of ten lines: from photos to a ratio with its interval, by the public API and strings alone."""

from __future__ import annotations

import re
import subprocess
import sys

from support import Project

NOTEBOOK = """\
import edgekd

outcome = edgekd.run("notebook.toml", "runs/notebook")
headline = edgekd.render("runs/notebook")
print(headline)
print(f"verdict: {headline.verdict}; {headline.faster}")
print("gates that failed:", [gate["name"] for gate in outcome.failed_gates])
for prediction in edgekd.predict("runs/notebook/export/student.int8.tflite", "photos/red"):
    print(prediction.label, f"{prediction.probability:.2f}")
"""


def test_ten_lines_go_from_photos_to_a_ratio_with_its_interval(project: Project) -> None:
    recipe = project.recipe("notebook")
    # Seven launches are the fewest that give an interval.
    recipe.write_text(recipe.read_text(encoding="utf-8").replace("launches = 2", "launches = 7"), encoding="utf-8")
    photo = next((project.folder / "photos" / "red").iterdir())
    script = NOTEBOOK.replace("photos/red", str(photo.relative_to(project.folder)))
    argv = [sys.executable, "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=project.folder, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    number = re.search(r"^verdict: faster; Interval\(value=[\d.]+, low=[\d.]+, high=[\d.]+\)$", done.stdout, re.M)
    # Other tests run beside this one: a disturbed measurement has no number, and says so.
    assert number or "speed unknown, the measurement is invalid" in done.stdout
    assert "gates that failed: " in done.stdout
