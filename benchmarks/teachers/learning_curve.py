"""Does the forecast of more labels hold, and which photos of a pool are worth labelling first?

    python benchmarks/teachers/learning_curve.py --set flowers=DIR --set lights=lights --set road=DIR/metadata.csv \
        --work DIR [--seeds 10]

A set is a folder of class folders, a CSV beside its folder Images, or "lights" for the packaged traffic lights. Its
photos go once through EfficientNet-Lite0. A seed then draws 20 labels a class (half of a class that has fewer than 40),
forecasts what twice and four times as many bring, of all classes and of each alone, and a head is fitted to as many
more to see. Photos that nobody was given a label of are the truth; classes count alike. The second part labels 50 and
100 photos of the others by the package's way, by uncertainty alone, by distance alone (k-centre), by gradients (BADGE)
and at random. --short takes few traffic lights at 32 pixels.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Many small matrices: a thread a core costs far more than it brings.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from choosing import by_gradients, k_centre
from common import Parser, machine, run_script, write_results
from small_inputs import labelled_folder

from edgekd.audit.labelled_features import LabelledFeatures, answer, fit_table, rotate
from edgekd.audit.learning_curve import NOMINAL, gain_of_all, gain_of_class
from edgekd.audit.power_law import fit_power_law
from edgekd.audit.rehearsal import rehearse
from edgekd.audit.suggest import choose_photos, probabilities_of, uncertainty_of
from edgekd.data.images import images_of
from edgekd.data.load import load_dataset
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.metrics import wilson
from edgekd.preprocess import Preprocessing

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Choose = Callable[[Floats, Floats, Numbers, Numbers, int, np.random.Generator], Numbers]


@dataclass(frozen=True)
class Sizes:
    """How much one form does."""

    input_size: int
    labels: int
    repeats: int
    counts: tuple[int, ...]


FULL = Sizes(160, 20, 6, (50, 100))
SHORT = Sizes(32, 6, 2, (4,))
RATIOS = (2, 4)


@dataclass(frozen=True, eq=False)
class Photos:
    """A set: features [N, D], class numbers [N], groups of duplicates [N], and the number of classes."""

    name: str
    features: npt.NDArray[np.float32]
    labels: Numbers
    groups: Numbers
    classes: int

    def random_order(self, seed: int) -> list[Numbers]:
        """Rows of each class in the order in which a seed draws them, duplicates one after another."""
        lottery = np.random.default_rng(seed).random(int(self.groups.max()) + 1)[self.groups]
        order = np.argsort(lottery, kind="stable")
        return [order[self.labels[order] == number] for number in range(self.classes)]


def read_set(name: str, source: str, sizes: Sizes, work: Path) -> Photos:
    """A set's photos through the network, or what an earlier call stored of them."""
    path = work / f"{name}-{sizes.input_size}.npz"
    if not path.is_file():
        from edgekd.models import efficientnet_lite
        from edgekd.teacher.transfer import features_of
        from edgekd.training.loop import logits_of

        places = traffic_light_folders() if source == "lights" else source
        images = Path(source).parent / "Images" if source.endswith(".csv") else None
        dataset = load_dataset(places, images=images)
        network = features_of(efficientnet_lite.build(sizes.input_size, name="efficientnet-lite0"))
        preprocessing = Preprocessing(height=sizes.input_size, width=sizes.input_size, crop="center")
        parts = [
            logits_of(network, images_of(dataset, dataset.samples[start : start + 64], preprocessing))
            for start in range(0, len(dataset.samples), 64)
        ]
        np.savez(
            path, features=np.concatenate(parts), labels=dataset.truth_of(dataset.samples),
            groups=[sample.group for sample in dataset.samples], classes=len(dataset.classes),
        )  # fmt: skip
    with np.load(path) as stored:
        return Photos(name, stored["features"], stored["labels"], stored["groups"], int(stored["classes"]))


def right_of(photos: Photos, rows: Numbers, test: Numbers) -> Floats:
    """Whether a head fitted to ``rows`` is right about each photo of ``test``."""
    both = np.concatenate([rows, test])
    x = rotate(photos.features[both], np.arange(len(both)) < len(rows))
    head = fit_table(x[: len(rows)], photos.labels[rows], photos.groups[rows], photos.classes, 0)
    return (answer(x[len(rows) :], head).argmax(axis=1) == photos.labels[test]).astype(np.float64)


def balanced(values: Floats, labels: Numbers) -> tuple[float, float]:
    """The mean over classes of the means of photos' values, and its variance by the photos."""
    parts = [values[labels == number] for number in np.unique(labels)]
    variance = sum(part.var(ddof=1) / len(part) for part in parts) / len(parts) ** 2
    return float(np.mean([part.mean() for part in parts])), float(variance)


def forecast_rows(photos: Photos, sizes: Sizes, seed: int) -> list[dict[str, Any]]:
    """Forecasts of one seed beside the gains."""
    order, largest = photos.random_order(seed), max(RATIOS)
    usable = [rows[: min(largest * sizes.labels, len(rows) // 2)] for rows in order]
    now = [min(sizes.labels, len(rows) // 2) for rows in usable]
    start = np.concatenate([rows[:count] for rows, count in zip(usable, now, strict=True)])
    used = np.isin(photos.groups, photos.groups[np.concatenate(usable)])
    test = np.flatnonzero(~used)
    shares = np.full(photos.classes, 1 / photos.classes)
    groups = np.unique(photos.groups[start], return_inverse=True)[1]
    labelled = LabelledFeatures(
        photos.features[start], photos.labels[start], groups, np.ones(len(start), np.bool_), shares
    )
    rehearsal = rehearse(labelled, range(photos.classes), sizes.repeats, seed)
    posterior, rng = fit_power_law(rehearsal, photos.classes, seed), np.random.default_rng(seed)
    before, rows = right_of(photos, start, test), []
    for ratio in RATIOS:
        more = [each[count : ratio * count] for each, count in zip(usable, now, strict=True)]
        for number in (None, *range(photos.classes)):
            added = np.concatenate(more) if number is None else more[number]
            after = right_of(photos, np.concatenate([start, added]), test)
            truth, noise = balanced(after - before, photos.labels[test])
            if number is None:
                gain = gain_of_all(posterior, rehearsal, 1 + len(added) / len(start), rng, noise)
            else:
                gain = gain_of_class(posterior, rehearsal, number, 1 + len(added) / now[number], rng, noise)
            rows.append({"seed": seed, "ratio": ratio, "class": number, "labels": len(start), "more": len(added),
                         "truth": truth, "truth_sd": noise**0.5, **vars(gain), "can_tell": gain.can_tell})  # fmt: skip
    return rows


def suggestion_rows(photos: Photos, sizes: Sizes, seed: int) -> list[dict[str, Any]]:
    """The gain of labelling chosen photos, by each way of choosing, of one seed."""
    order = photos.random_order(1000 + seed)
    test = np.concatenate([rows[: len(rows) // 4] for rows in order])
    rest = [rows[~np.isin(photos.groups[rows], photos.groups[test])] for rows in order]
    # As few of a rare class as leave some in the pool.
    start = np.concatenate([rows[: min(sizes.labels, len(rows) // 3)] for rows in rest])
    pool = np.concatenate(rest)
    pool = pool[~np.isin(photos.groups[pool], photos.groups[start])]
    pool = pool[np.sort(np.unique(photos.groups[pool], return_index=True)[1])]
    both = np.concatenate([start, pool])
    x = rotate(photos.features[both], np.arange(len(both)) < len(start))
    of_pool, labels = x[len(start) :], photos.labels[start]
    head = fit_table(x[: len(start)], labels, photos.groups[start], photos.classes, 0)
    probabilities = probabilities_of(answer(of_pool, head), tags=False)
    uncertainty, rng = uncertainty_of(probabilities, tags=False), np.random.default_rng(seed)
    nearest = np.array([((x[: len(start)] - row) ** 2).sum(axis=1).min() for row in of_pool])
    before = balanced(right_of(photos, start, test), photos.labels[test])[0]
    rows = []
    for count in sizes.counts:
        ways = {
            "edgekd": choose_photos(uncertainty, of_pool, count, rng),
            "uncertainty": np.argsort(-uncertainty, kind="stable")[:count],
            "k-centre": k_centre(of_pool, nearest.copy(), count),
            "gradients": by_gradients(of_pool, probabilities, count, rng),
            "random": rng.choice(len(pool), count, replace=False),
        }
        for way, places in ways.items():
            right = right_of(photos, np.concatenate([start, pool[places]]), test)
            gain = balanced(right, photos.labels[test])[0] - before
            rows.append(
                {"seed": seed, "labels": len(start), "count": count, "way": way, "before": before, "gain": gain}
            )
    return rows


def holds(row: dict[str, Any]) -> bool:
    """Whether the interval holds the gain."""
    return bool(row["low"] <= row["truth"] <= row["high"])


def coverage_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for all classes and one for single ones, of each ratio."""
    lines = []
    for ratio in RATIOS:
        for title, alone in (("all classes", False), ("one class", True)):
            part = [row for row in rows if row["ratio"] == ratio and (row["class"] is not None) == alone]
            share = wilson(sum(map(holds, part)), len(part))
            truth, value = (np.array([row[key] for row in part]) for key in ("truth", "value"))
            width = np.mean([row["high"] - row["low"] for row in part])
            telling = sum(row["can_tell"] for row in part)
            lines.append(
                f"| {title}, {ratio} times | {sum(map(holds, part))} of {len(part)} ({share.value:.0%}, "
                f"{share.low:.0%} to {share.high:.0%}) | {truth.mean() * 100:+.1f} | {value.mean() * 100:+.1f} | "
                f"{np.sqrt(((value - truth) ** 2).mean()) * 100:.1f} | {width * 100:.1f} | {telling} of {len(part)} |"
            )
    return lines


def total_line(results: dict[str, Any]) -> str:
    """How many intervals of all sets hold the gain, of all classes and of single ones."""
    rows = [row for of_set in results["sets"].values() for row in of_set["forecasts"]]
    parts = [[row for row in rows if (row["class"] is not None) == alone] for alone in (False, True)]
    of_all, of_one = (f"{sum(map(holds, part))} of {len(part)}" for part in parts)
    return f"Over all sets the intervals hold {of_all} gains of all classes, and {of_one} of one class."


def suggestion_table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each way and count: its gain, and over random choice."""
    lines = []
    for count in sorted({row["count"] for row in rows}):
        gains = {way: np.array([row["gain"] for row in rows if row["count"] == count and row["way"] == way])
                 for way in dict.fromkeys(row["way"] for row in rows)}  # fmt: skip
        for way, values in gains.items():
            over = values - gains["random"]
            wide = 1.96 * over.std(ddof=1) / len(over) ** 0.5 if len(over) > 1 else 0.0
            beside = "" if way == "random" else f"{over.mean() * 100:+.1f} ± {wide * 100:.1f}"
            lines.append(f"| {count} | {way} | {values.mean() * 100:+.1f} | {beside} |")
    return lines


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "# Learning curves and suggestions", "",
        "Points of the mean recall of the classes, of a linear head on features of EfficientNet-Lite0. An interval is "
        f"to hold the gain in {results['nominal']:.0%} of the cases; it has the noise of the photos that measured "
        f"the truth in it. {total_line(results)}", "",
    ]  # fmt: skip
    for name, of_set in results["sets"].items():
        seeds = len({row["seed"] for row in of_set["forecasts"]})
        labels = of_set["forecasts"][0]["labels"]
        lines += [
            f"## {name}: {of_set['photos']:,} photos, {of_set['classes']} classes, {labels} labels, {seeds} seeds", "",
            "| labels of | intervals that hold the gain (95 %) | mean gain | forecast | RMS error | width | can tell |",
            "|---|---|---|---|---|---|---|",
            *coverage_table(of_set["forecasts"]), "",
            f"From {of_set['suggestions'][0]['labels']} labels, by labelling:", "",
            "| photos | chosen by | gain | over random (95 %) |", "|---|---|---|---|",
            *suggestion_table(of_set["suggestions"]), "",
        ]  # fmt: skip
    return "\n".join(lines)


def run_sets(arguments: argparse.Namespace, sets: dict[str, str], sizes: Sizes) -> dict[str, Any]:
    """Both parts over all sets and seeds."""
    results = {}
    for name, source in sets.items():
        photos = read_set(name, source, sizes, arguments.work)
        forecasts, suggestions = [], []
        for seed in range(arguments.seeds):
            forecasts += forecast_rows(photos, sizes, seed)
            suggestions += suggestion_rows(photos, sizes, seed)
            print(f"{name}: seed {seed + 1} of {arguments.seeds}", file=sys.stderr, flush=True)
        results[name] = {
            "photos": len(photos.labels), "classes": photos.classes, "forecasts": forecasts, "suggestions": suggestions,
        }  # fmt: skip
    return results


def main() -> None:
    parser = Parser(__file__, __doc__, work="features of the photos")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=SOURCE", help="photos; may be repeated")
    parser.add_argument("--seeds", type=int, default=10, help="how many draws of labels [10; --short: 1]")
    arguments = parser.parse()
    sizes, started = SHORT if arguments.short else FULL, time.monotonic()
    sets = dict(each.split("=", 1) for each in arguments.set)
    if arguments.short:
        arguments.seeds = 1
        sets = sets or {"lights": str(labelled_folder(arguments.work / "photos", 30))}
    elif not sets:
        parser.error("needs --set NAME=SOURCE. To see whether the script works, use --short alone")
    results = {
        "schema": 1,
        "nominal": NOMINAL,
        "sets": run_sets(arguments, sets, sizes),
        "machine": machine(),
        "seconds": round(time.monotonic() - started, 1),
    }
    write_results(arguments.out, "learning_curve", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
