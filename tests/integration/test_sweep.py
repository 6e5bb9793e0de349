"""``edgekd sweep`` on real photos: one column, several students, a winner."""

from __future__ import annotations

import json
import shlex

from support import LINES, Project


def test_students_share_one_column(project: Project) -> None:
    recipe = project.recipe("litter", epochs=10, teacher_int8=True)
    line = next(line for line in LINES if line.startswith("edgekd sweep"))
    done = project.edgekd(*shlex.split(line)[1:])
    assert done.returncode == 0 or "no student meets" in done.stderr, done.stderr
    asked = ("sweep", recipe, "--students", "cnn:8@32,cnn:12@32", "--json")
    picked = project.edgekd(*asked, "--pick", "size<=1MB and agreement>=1%", without_tensorflow=True)
    assert picked.returncode == 0, picked.stderr
    told = json.loads(picked.stdout)
    folder = project.folder / "runs" / "litter-sweep"
    assert {one["student"] for one in told["students"]} == {"cnn:8@32", "cnn:12@32"}
    assert told["students"][0]["on_front"] and told["students"][0]["size_bytes"] < told["students"][1]["size_bytes"]
    assert told["winner"] is not None and told["pick"]["by"] == "accuracy"
    assert all(0 < one["agreement"] <= 1 and one["left_out"] == [] for one in told["students"])
    keys = [json.loads((folder / one / "soft_targets" / "stage.json").read_text()) for one in ("cnn-8@32", "cnn-12@32")]
    assert keys[0] == keys[1]
    inodes = [
        next((folder / one / "soft_targets").glob("logits-*.npy")).stat().st_ino for one in ("cnn-8@32", "cnn-12@32")
    ]
    assert inodes[0] == inodes[1], "the column was computed twice"
    assert (folder / "report.html").is_file() and (folder / "plots" / "size.png").is_file()
    again = project.edgekd(*asked, "--pick", "size<=1KB", without_tensorflow=True)
    assert again.returncode == 3 and "no student meets: size<=1KB" in again.stderr, again.stderr
    assert "unchanged" in again.stderr and "cnn:8@32: not size<=1KB" in again.stderr
    # Like for like: the teacher in int8 takes a quarter, is made once, and the headline says both ratios.
    report = json.loads((folder / "cnn-8@32" / "report.json").read_text())
    rows = {row["row"]: row for row in report["rows"]}
    assert 0.2 < rows["teacher_int8"]["size_bytes"] / rows["teacher"]["size_bytes"] < 0.4
    assert rows["teacher_int8"]["agreement"]["other"] and rows["teacher_int8"]["latency"]
    assert "smaller" in report["headline"]["text"].partition("like for like")[2]
    assert not any(gate["name"].startswith("teacher_int8") for gate in report["gates"])
    assert [one["row"] for one in told["references"]] == ["teacher", "teacher_int8"]
    assert not (folder / "cnn-12@32" / "export" / "teacher.int8.tflite").exists()
    # A student is what a run of its own makes: nothing of it depends on the sweep.
    alone = ("run", folder / "cnn-8@32" / "recipe.toml", "--out", folder)
    same = project.edgekd(*alone, without_tensorflow=True)
    assert same.returncode == 0 and same.stderr.count("unchanged") == 9, same.stderr


def test_mistakes(project: Project) -> None:
    recipe = project.recipe("mistaken")
    for arguments, message in (
        (("--students", "cnn:4@32"), "at least two different students"),
        (("--students", "cnn:4@32,cnn:4@32"), "at least two different students"),
        (("--students", "cnn:4@32,slize:3"), "slize"),
        (("--students", "cnn:4@32,cnn:6@32", "--pick", "weight<3"), "'weight' is not a quantity to choose by"),
    ):
        done = project.edgekd("sweep", recipe, *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
