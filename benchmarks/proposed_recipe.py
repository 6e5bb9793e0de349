"""The recipe that ``edgekd init`` proposes for photos, as a table."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.recipe.proposal import propose


def proposed_table(name: str, photos: Path, pool: Path | None, seed: int) -> dict[str, Any]:
    """The table for labelled photos and a pool without labels, with this seed for the split and the training."""
    places = {"source": str(photos), **({"unlabelled": str(pool)} if pool else {})}
    dataset = load_dataset(photos, unlabelled=pool, policy=SplitPolicy(val=0, test=0))
    table = tomllib.loads(propose(dataset).to_toml(name, places))
    table["data"].setdefault("split", {})["seed"] = seed
    return {**table, "seed": seed}
