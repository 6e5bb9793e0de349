"""Do the built-in EfficientNet-Lite networks do on photos here what was published of them on ImageNet?

    python benchmarks/teachers/imagenet_parity.py --photos DIR [--class daisy=985]

DIR has a folder a class; --class says which number among ImageNet's classes (from 0) a folder's photos have. Each
network answers those photos with its ImageNet head, at the size that it was trained at; how often it gives the class
for photos of the other folders is counted too, and so are the packaged photos of traffic lights (class 920). --short
takes few traffic lights and the smallest network.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import Parser, machine, run_script, write_results
from small_inputs import COLOURS, light_photos

from edgekd.errors import UsageError
from edgekd.metrics import wilson
from edgekd.models import efficientnet_lite
from edgekd.preprocess import Preprocessing, preprocess
from edgekd.training.loop import logits_of

_TRAFFIC_LIGHT, _MOST, _TOP = 920, 400, 5
# Of the authors, float32: parameters in millions, and top-1 on ImageNet's 50,000 validation photos.
# Source: README of models/official/efficientnet/lite in github.com/tensorflow/tpu.
PUBLISHED = {
    "efficientnet-lite0": (4.7, 0.751),
    "efficientnet-lite1": (5.4, 0.767),
    "efficientnet-lite2": (6.1, 0.776),
}
NOTE = """\
What this shows: the checkpoints are read right. The parameters are those published; and with weights, pixels or an
order of channels or classes that were wrong, a photo would get its class by chance, 1 in 1,000.

What it does not show: the published accuracy itself. That is the mean over a thousand classes of ImageNet's 50,000
validation photos, which are not here; a single class may be far above or below it. These photos were not chosen as
ImageNet's were: some may lie in its training set, and some labels are wrong. So neither the distance to the published
figure nor, where the intervals overlap, the order of the three networks means anything here.

Other photos show classes that ImageNet mostly does not have, and a network that must name one of its thousand takes the
most alike: a tulip or a dandelion becomes a daisy. The crops of traffic lights show a lamp or two in a few dozen
pixels, and ImageNet's class whole scenes: they are hardly ever named, and say nothing about the networks."""


@dataclass(frozen=True)
class Known:
    """Photos of one ImageNet class, and photos of others."""

    name: str
    number: int
    photos: tuple[Path, ...]
    others: tuple[Path, ...]


def some_files(paths: Sequence[Path], count: int) -> tuple[Path, ...]:
    """At most ``count`` files, chosen by a seed, in their order."""
    chosen = np.random.default_rng(0).choice(len(paths), min(count, len(paths)), replace=False)
    return tuple(paths[i] for i in sorted(chosen))


def known_classes(folder: Path | None, pairs: Sequence[str], short: bool) -> list[Known]:
    """The photos whose class ImageNet has. Raises UsageError for a class that is not a folder."""
    lights = [path for colour in COLOURS for path in light_photos(colour)]
    if folder is None:
        return [Known("traffic light", _TRAFFIC_LIGHT, some_files(lights, 6 if short else _MOST), ())]
    files = {
        path.name: sorted(file for file in path.iterdir() if file.is_file())
        for path in sorted(folder.iterdir()) if path.is_dir()
    }  # fmt: skip
    known = []
    for pair in pairs:
        name, equals, number = pair.rpartition("=")
        if not equals or not number.isdigit() or name not in files:
            raise UsageError(f"--class {pair}: write FOLDER=NUMBER; the folders are {', '.join(files)}")
        others = [file for other, found in files.items() if other != name for file in found]
        known.append(Known(name, int(number), some_files(files[name], _MOST), some_files(others, _MOST)))
    everything = [file for found in files.values() for file in found]
    return [
        *known,
        Known("traffic light", _TRAFFIC_LIGHT, some_files(lights, _MOST), some_files(everything, _MOST)),
    ]


def judge(name: str, known: Sequence[Known]) -> dict[str, Any]:
    """What one network answers for all classes that are known."""
    size, (millions, top1) = efficientnet_lite.VARIANTS[name].input_size, PUBLISHED[name]
    model = efficientnet_lite.build(size, name=name)
    preprocessing = Preprocessing(height=size, width=size, crop="center")

    def order(paths: Sequence[Path]) -> Any:
        images = np.stack([preprocess(path, path.name, preprocessing) for path in paths])
        return np.argsort(-logits_of(model, images), axis=1)[:, :_TOP]

    rows = []
    for one in known:
        best = order(one.photos)
        right = int((best[:, 0] == one.number).sum())
        called = int((order(one.others)[:, 0] == one.number).sum()) if one.others else None
        rows.append({
            "class": one.name, "number": one.number, "photos": len(best),
            "top1": wilson(right, len(best)).as_json(), "right": right,
            "in_top5": int((best == one.number).any(axis=1).sum()),
            "others": len(one.others), "others_called_so": called, "answers": best[:, 0].tolist(),
        })  # fmt: skip
    return {
        "network": name, "input_size": size,
        "parameters": sum(int(np.prod(value.shape)) for value in model.trainable_variables),
        "published_parameters_millions": millions, "published_top1": top1, "classes": rows,
    }  # fmt: skip


def as_text(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = []
    for network in results["networks"]:
        for row in network["classes"]:
            top1, count = row["top1"], row["photos"]
            others = f"{row['others_called_so']} of {row['others']}" if row["others"] else "–"
            lines.append(
                f"| {network['network']} | {network['input_size']} | {network['parameters']:,} (published "
                f"{network['published_parameters_millions']:.1f} M) | {network['published_top1']:.1%} | "
                f"{row['class']}, {row['number']} | {row['right']} of {count}: {top1['value']:.1%} "
                f"({top1['low']:.1%} to {top1['high']:.1%}) | {row['in_top5']} | {others} |"
            )
    return "\n".join([
        "# ImageNet's own classes among the photos at hand", "",
        "| network | px | trained parameters | published top-1, 1,000 classes | class here | top-1 here (95 %) | among "
        "the first 5 | answered for other photos |",
        "|---|---|---|---|---|---|---|---|", *lines, "", NOTE, "",
    ])  # fmt: skip


def main() -> None:
    parser = Parser(__file__, __doc__)
    parser.input("--photos", help="folder of class folders")
    parser.add_argument("--class", dest="classes", action="append", help="a folder's ImageNet class [daisy=985]")
    arguments = parser.parse()
    known = known_classes(arguments.photos, arguments.classes or ["daisy=985"], arguments.short)
    names = list(PUBLISHED)[: 1 if arguments.short else None]
    results = {"schema": 1, "networks": [judge(name, known) for name in names], "machine": machine()}
    write_results(arguments.out, "imagenet_parity", results, as_text(results))


if __name__ == "__main__":
    run_script(main)
