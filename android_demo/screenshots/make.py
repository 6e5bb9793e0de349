"""Draw the screens again: python android_demo/screenshots/make.py APP PHOTOS

APP is a module with two models or more, as `edgekd android FILE --into APP` puts them there; PHOTOS has at least twelve
photos. The tests draw every screen in every way; these three are for the README. Needs Maven, Pillow and what
android_demo/build.py asks for. The milliseconds are those of a JVM without XNNPACK and say nothing of a phone.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
SHOWN = ("classify-photo", "compare", "benchmark-done")
WIDTH = 400


def main(app: str, photos: str) -> None:
    """Run the tests that draw, and keep three of the pictures, small."""
    with tempfile.TemporaryDirectory() as scratch:
        maven = ["mvn", "-q", "-f", str(HERE.parent), "test", "-Dtest=ScreenshotsTest"]
        sources = Path(app).resolve() / "src"
        assets = {"assets": sources / "main/assets", "vectors": sources / "androidTest/assets"}
        given = {**assets, "photos": Path(photos).resolve()}
        made = {"buildDirectory": f"{scratch}/build", "screenshots": f"{scratch}/drawn"}
        subprocess.run([*maven, *(f"-D{key}={value}" for key, value in {**given, **made}.items())], check=True)  # noqa: S603
        for name in SHOWN:
            with Image.open(f"{scratch}/drawn/{name}-portrait-light.png") as drawn:
                size = (WIDTH, round(WIDTH * drawn.height / drawn.width))
                small = drawn.convert("RGB").resize(size, Image.Resampling.LANCZOS)
                small.save(HERE / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
