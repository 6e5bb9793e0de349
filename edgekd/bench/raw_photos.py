"""Photos as their files are and camera frames as a driver hands them over: what is timed from end to end."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekd.bench.records import EndToEndInputs, Source
from edgekd.data.dataset import Dataset, Sample
from edgekd.errors import UsageError
from edgekd.photo_input import crop_box, resample, shrink
from edgekd.photo_pixels import StoredPhoto, decode, open_photo
from edgekd.preprocess import MAX_BYTES, Preprocessing
from edgekd.storage import read_regular_file

# A camera's preview, as most demo apps and tutorials ask for it.
FRAME = Preprocessing(height=480, width=640, crop="center")
# Photos of a phone's camera have megabytes, and each is sent to every device.
MOST = 4


@dataclass(frozen=True, eq=False)
class RawPhotos:
    """Photos' files (none where the data has pixels only), RGB frames uint8 [n, H, W, 3], and what is made of both."""

    photos: tuple[Path, ...]
    frames: NDArray[np.uint8]
    preprocessing: Preprocessing
    records: tuple[EndToEndInputs, ...]

    @property
    def counts(self) -> tuple[tuple[str, int], ...]:
        """The sources, each with how many photos or frames it has."""
        return tuple((record.source, len(record.sizes)) for record in self.records)


class RawPhotosOf:
    """``RawPhotos`` of the same files or pixels for any input size: called with a ``Preprocessing``.

    Args:
        files: photos' files, of which ``MOST`` are used.
        pixels: upright RGB, uint8 [H, W, 3] each, where there are no files.
    """

    def __init__(self, files: Sequence[Path], pixels: Sequence[NDArray[np.uint8]] = ()) -> None:
        self._files = tuple(files[:MOST])
        self._contents = tuple(_read(path) for path in self._files)
        upright = [decode(content, str(path)).pixels for path, content in zip(self._files, self._contents, strict=True)]
        shown = [*upright, *pixels][:MOST]
        if not shown:
            raise UsageError("there is no photo to be timed from end to end")
        self._sizes = tuple((each.shape[0], each.shape[1]) for each in shown[: len(upright)])
        self._frames = np.stack([_frame(each) for each in shown])

    def __call__(self, preprocessing: Preprocessing) -> RawPhotos:
        """Those for one input size, with the hashes of the inputs that this machine makes of them."""
        photos = [open_photo(content, str(path)) for path, content in zip(self._files, self._contents, strict=True)]
        frames = [StoredPhoto.of_pixels(frame) for frame in self._frames]
        records = [_record("photo", self._sizes, self._contents, photos, preprocessing)] if photos else []
        sizes = tuple(frame.shape[:2] for frame in self._frames)
        records.append(_record("frame", sizes, [frame.tobytes() for frame in self._frames], frames, preprocessing))
        return RawPhotos(self._files, self._frames, preprocessing, tuple(records))


def raw_photos_of(dataset: Dataset, samples: Sequence[Sample]) -> RawPhotosOf:
    """The first photos of a dataset's samples: their files, or their pixels where it is made of arrays."""
    files = [sample.path for sample in samples[:MOST] if sample.index is None]
    pixels = [dataset.read(sample) for sample in samples[:MOST] if sample.index is not None]
    return RawPhotosOf(files, pixels)


def _record(
    source: Source,
    sizes: tuple[tuple[int, int], ...],
    contents: Sequence[bytes],
    photos: Sequence[StoredPhoto],
    preprocessing: Preprocessing,
) -> EndToEndInputs:
    inputs = [shrink(photo, preprocessing).tobytes() for photo in photos]
    return EndToEndInputs(source, sizes, _digest(contents), _digest(inputs))


def _digest(parts: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _frame(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    left, top, width, height = crop_box(pixels.shape[1], pixels.shape[0], FRAME)
    return resample(pixels[top : top + height, left : left + width], FRAME.height, FRAME.width)


def _read(path: Path) -> bytes:
    try:
        return read_regular_file(path, MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}. Give a folder of photos") from None
