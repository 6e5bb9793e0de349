"""The JavaScript port in a headless Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common import TESTS

from edgekd.formats.artifact import Artifact


def ask_browser(files: Mapping[str, Artifact], golden: Path, scratch: Path) -> dict[str, Any]:
    """What tests/js/page.html answers, by the page of the tests."""
    from test_javascript import CHROMIUM, Expected, Page

    models = {file.path.name: file.path for file in files.values()}
    manifest = json.loads((golden / "manifest.json").read_text(encoding="utf-8"))
    chromium = shutil.which("chromium") or "chromium"
    with Page(Expected(golden, models, manifest, {}), TESTS / "js/node_modules") as page:
        argv = [chromium, *CHROMIUM, f"--user-data-dir={scratch / 'profile'}", page.address]
        with (scratch / "log").open("w") as log:
            started = subprocess.Popen(argv, stdout=log, stderr=log)
        try:
            page.answered.wait(300)
        finally:
            started.terminate()
            started.wait(30)
    if "answers" not in page.result:
        raise SystemExit(f"the page gave no answer: {page.result or (scratch / 'log').read_text()[-1000:]}")
    return page.result
