"""The JavaScript port in a headless Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import TESTS

from edgekd.formats.artifact import Artifact


def ask_browser(files: Mapping[str, Artifact], golden: Path, scratch: Path) -> dict[str, Any]:
    """What tests/js/page.html answers, by the page of the tests."""
    from test_javascript import Expected, Page

    models = {file.path.name: file.path for file in files.values()}
    manifest = json.loads((golden / "manifest.json").read_text(encoding="utf-8"))
    chromium = shutil.which("chromium") or "chromium"
    with Page(Expected(golden, models, manifest, {}), TESTS / "js/node_modules") as page:
        log = page.open_in(chromium, scratch, 300)
    if "answers" not in page.result:
        raise SystemExit(f"the page gave no answer: {page.result or log[-1000:]}")
    return page.result
