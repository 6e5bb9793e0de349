"""Fashion-MNIST's images and their augmented views."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from fashion_mnist import SIZE, arrays

from edgekd.data.dataset import Sample
from edgekd.data.views import ViewPolicy, draw_view, render
from edgekd.data.views_mix import Mixing, MixPolicy, mix_views, mixes_of
from edgekd.preprocess import Preprocessing
from edgekd.storage import digest, replacing

CLASSES = 10
MOST_VIEWS = 8
WIDE = ViewPolicy(views=MOST_VIEWS, crop_scale=(0.75, 1.0), flip=True, brightness=0.1, contrast=0.1)
# The garments fill their images: a wide crop cuts sleeves and hems off.
VIEWS = WIDE.model_copy(update={"crop_scale": (0.85, 1.0)})
VIEW_SEED = 0
MIXED = VIEWS.model_copy(update={"mix": MixPolicy(mixup=0.4, cutmix=1.0, share=0.5)})
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Images:
    """``pixels`` uint8 [N, 28, 28, 1], ``labels`` int64 [N]."""

    pixels: Pixels
    labels: npt.NDArray[np.int64]


def load(split: str) -> Images:
    """``train`` (60,000) or ``t10k`` (10,000), in the files' order."""
    pixels, labels = arrays(split)
    return Images(pixels[..., np.newaxis], labels)


def hash_name(*settings: Any) -> str:
    """The first 16 hex digits of the hash of JSON-able settings: the name of a file that they decide."""
    return digest(list(settings))[:16]


def view_file(work: Path, number: int, policy: ViewPolicy = VIEWS) -> Path:
    """View ``number`` of all training images, uint8 [N, 28, 28, 1], rendered when first asked for."""
    path = work / "views" / f"{hash_name(policy.model_dump(mode='json'), VIEW_SEED)}-{number:02d}.npy"
    if path.is_file():
        return path
    if policy.mix.on:
        seen = _mixed(work, number)
    else:
        settings = Preprocessing(height=SIZE, width=SIZE)
        seen = np.empty_like(pixels := load("train").pixels)
        for index, image in enumerate(pixels):
            view = draw_view(policy, VIEW_SEED, f"fashion-mnist/train/{index}", number)
            seen[index] = render(np.repeat(image, 3, axis=2), view, settings)[:, :, :1]
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, seen, allow_pickle=False)
    return path


@cache
def mixing() -> Mixing:
    """Who is mixed with whom: of all images, whether their labels are known or not."""
    samples = [
        Sample(str(i), Path(), i, f"fashion-mnist/train/{i}", None, "unlabelled", i)
        for i in range(len(load("train").labels))
    ]
    return Mixing(MIXED.mix, VIEW_SEED, samples)


def _mixed(work: Path, number: int) -> Pixels:
    plain = _opened(view_file(work, number))
    seen = np.array(plain)
    for index in range(len(seen)):
        if mix := mixing().of(index, number):
            seen[index] = mix_views(plain[index], plain[mix.partner], mix)
    return seen


@cache
def _opened(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


@dataclass(frozen=True)
class StoredViews:
    """The first ``views`` views of every training image, from memory maps; a source for edgekd's BatchStream."""

    work: Path
    views: int
    policy: ViewPolicy = VIEWS

    def gather(self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]) -> Pixels:
        """Views uint8 [B, 28, 28, 1]."""
        batch = np.empty((len(sample_indices), SIZE, SIZE, 1), np.uint8)
        for number in np.unique(view_numbers):
            here = view_numbers == number
            batch[here] = _opened(view_file(self.work, int(number), self.policy))[sample_indices[here]]
        return batch


class MixedViews(StoredViews):
    """Views some of which show two images."""

    def mixes(
        self, sample_indices: npt.NDArray[Any], view_numbers: npt.NDArray[Any]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Partners int64 [B] (-1: none) and the images' own shares float32 [B]."""
        return mixes_of(mixing(), sample_indices, view_numbers)
