"""The decision that ``--format c`` writes, compiled into a program that is given probabilities."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from c_preprocess import WARNINGS

from edgekd.export.c_array import write_c_array
from edgekd.formats.artifact import Artifact

SOURCE = """#include <stdio.h>

#include "{name}.h"

int main(void) {{
  float row[{upper}_CLASSES];
  while (fread(row, sizeof row, 1, stdin) == 1) {{
    int answer[{upper}_CLASSES];
    const int count = {name}_decide(row, answer);
    for (int i = 0; i < count; ++i) printf("%d ", answer[i]);
    printf("\\n");
  }}
  return 0;
}}
"""


def decide_in_c(artifact: Artifact, rows: Any, folder: Path, compiler: str) -> list[tuple[str, ...]]:
    """The answers for probabilities float32 [N, C] of a .tflite that decides."""
    folder.mkdir(exist_ok=True)
    made = write_c_array(artifact, folder)
    (folder / "decide.c").write_text(SOURCE.format(name=made.name, upper=made.name.upper()))
    argv = [compiler, "-std=c11", *WARNINGS, "decide.c", made.source.name, "-o", "decide"]
    subprocess.run(argv, cwd=folder, check=True, timeout=120)
    done = subprocess.run([folder / "decide"], input=rows.tobytes(), capture_output=True, check=True, timeout=60)
    return [tuple(artifact.labels[int(word)] for word in line.split()) for line in done.stdout.decode().splitlines()]
