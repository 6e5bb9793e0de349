"""Makes photo_makers importable from the tests beside it, whatever the working directory."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
