"""The recipe that ``edgekd init`` or ``edgekd fit`` proposes for photos, as a table."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy
from edgekd.recipe.budget import Budget
from edgekd.recipe.proposal import propose


def proposed_table(
    name: str,
    photos: Path | Sequence[Path],
    pool: Path | None,
    seed: int,
    *,
    images: Path | None = None,
    budget: Budget | None = None,
    split: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The table for labelled photos and a pool without labels, with this seed for the split and the training.

    Photos of a CSV lie in ``images``. With a ``budget`` it is what ``fit`` proposes. ``split`` says how photos without
    splits of their own are divided, in place of the proposed shares.
    """
    policy = SplitPolicy(**split, seed=seed) if split else SplitPolicy(val=0, test=0)
    dataset = load_dataset(photos, images=images, unlabelled=pool, policy=policy)
    table = tomllib.loads(propose(dataset, budget).to_toml(name, {}))
    sources = [str(photos)] if isinstance(photos, Path) else [str(folder) for folder in photos]
    table["data"] |= {"source": sources if len(sources) > 1 else sources[0]}
    table["data"] |= {key: str(place) for key, place in (("images", images), ("unlabelled", pool)) if place}
    table["data"]["split"] = {**(split or table["data"].get("split", {})), "seed": seed}
    return {**table, "seed": seed}
