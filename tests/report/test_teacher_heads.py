"""Class words, few labels and both stand side by side in a report; a report without them is as it was."""

from __future__ import annotations

from pathlib import Path

from edgekd.report.collect import collect
from edgekd.report.render import render
from edgekd.storage import read_json, write_json


def test_the_heads_of_an_encoder_stand_side_by_side(run_dir: Path) -> None:
    plain = collect(run_dir).to_json()
    assert plain["teacher"].keys().isdisjoint({"heads", "words"})
    summary = read_json(run_dir / "teacher/summary.json")
    head = {"low": 0.7, "high": 0.9, "loss": 0.5, "n": 40, "cross_validated": True}
    summary["heads"] = [
        {**head, "head": "words", "score": 0.8, "kept": False},
        {**head, "head": "linear", "score": 0.75, "kept": False},
        {**head, "head": "both", "score": 0.85, "kept": True},
    ]
    summary["words"] = {
        "file": "words_of_lights.npz", "prompts": 7, "logit_scale": 100.0, "prior_from": "estimate", "photos": 1_200,
        "converged": True, "prior": {"green": 0.36, "red": 0.6, "yellow": 0.04},
    }  # fmt: skip
    write_json(run_dir / "teacher/summary.json", summary)
    render(run_dir)
    written = read_json(run_dir / "report.json")["teacher"]
    assert [row["head"] for row in written["heads"]] == ["words", "linear", "both"]
    told = (
        "the mean of 7 prompts a class, logit scale 100; shares of the classes, estimated on 1,200 photos: green "
        "36.0%, red 60.0%, yellow 4.0%."
    )
    text, page = (run_dir / "report.md").read_text(), (run_dir / "report.html").read_text()
    assert f"It has class words of words\\_of\\_lights.npz, {told}" in text
    assert f"It has class words of words_of_lights.npz, {told}" in page
    rows = [line for line in text.splitlines() if "40 photos, cross-validated" in line]
    assert [row.split(" | ")[0] for row in rows] == [
        "| class words alone, no label", "| labels alone, linear head", "| class words and labels",
    ]  # fmt: skip
    assert [row.rstrip(" |").endswith("yes") for row in rows] == [False, False, True]
    assert "80.0" in rows[0] and "70" in rows[0]
