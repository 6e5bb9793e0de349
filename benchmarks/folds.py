"""Five folds of the road photos, duplicates kept together, each as a CSV that edgekd reads like a user's own."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from edgekd.data.load import load_dataset
from edgekd.data.splitting import SplitPolicy

FOLDS = 5
_VALIDATION_SHARE = 0.15


def write_folds(metadata: Path, images: Path, out: Path, seed: int = 0) -> list[Path]:
    """Write ``fold0.csv`` to ``fold4.csv`` (filename, label, split); every photo is in exactly one test split."""
    dataset = load_dataset(metadata, images=images, policy=SplitPolicy(seed=seed))
    rng = np.random.default_rng(seed)
    groups: dict[int, list[tuple[str, str]]] = {}
    for sample in dataset.samples:
        assert sample.label is not None
        groups.setdefault(sample.group, []).append((sample.id, dataset.classes[sample.label]))
    parts = _deal(list(groups.values()), FOLDS, rng)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for fold in range(FOLDS):
        rest = [group for number, part in enumerate(parts) if number != fold for group in part]
        validation = _deal(rest, round(1 / _VALIDATION_SHARE), rng)[0]
        held = {name for group in validation for name, _ in group}
        test = {name for group in parts[fold] for name, _ in group}
        path = out / f"fold{fold}.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["filename", "label", "split"])
            for group in groups.values():
                for name, label in group:
                    split = "test" if name in test else "val" if name in held else "train"
                    writer.writerow([Path(name).name, label, split])
        paths.append(path)
    return paths


Group = list[tuple[str, str]]


def _deal(groups: list[Group], hands: int, rng: np.random.Generator) -> list[list[Group]]:
    """Deal groups out, the largest first, each to the hand that lacks most of its class."""
    order = sorted(rng.permutation(len(groups)).tolist(), key=lambda i: -len(groups[i]))
    dealt: list[list[Group]] = [[] for _ in range(hands)]
    counts: list[dict[str, int]] = [{} for _ in range(hands)]
    for index in order:
        group = groups[index]
        label = group[0][1]
        hand = min(range(hands), key=lambda h: (counts[h].get(label, 0), sum(counts[h].values()), h))
        dealt[hand].append(group)
        for _, name in group:
            counts[hand][name] = counts[hand].get(name, 0) + 1
    return dealt
