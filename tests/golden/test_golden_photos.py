"""The made photos are what their names say."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from edgekd.golden.encode import bgr_profile, encode_png, interlace_rows, pack_rows
from edgekd.golden.photos import GoldenPhoto, golden_photos, pattern
from edgekd.preprocess import Preprocessing, decode

TARGET = Preprocessing(height=40, width=56)


@pytest.fixture(scope="module")
def photos() -> dict[str, GoldenPhoto]:
    found = golden_photos(TARGET)
    assert len({photo.name for photo in found}) == len(found) == 72
    return {photo.name: photo for photo in found}


def opened(photo: GoldenPhoto) -> Image.Image:
    return Image.open(io.BytesIO(photo.content))


def pixels(photo: GoldenPhoto) -> np.ndarray:
    return decode(photo.content, f"{photo.name}.{photo.kind}").pixels


def test_every_photo_is_of_its_kind_and_the_same_each_time(photos: dict[str, GoldenPhoto]) -> None:
    assert golden_photos(TARGET) == tuple(photos.values())
    for photo in photos.values():
        assert opened(photo).format == photo.kind.upper()
        assert not any("named" in note for note in decode(photo.content, f"a.{photo.kind}").notes)


def test_what_is_special_about_jpegs(photos: dict[str, GoldenPhoto]) -> None:
    assert opened(photos["jpeg-progressive-420"]).info.get("progressive")
    assert not opened(photos["jpeg-baseline-420"]).info.get("progressive")
    sampling = {name: opened(photos[f"jpeg-baseline-{name}"]).layer[0][1:3] for name in ("420", "422", "444")}
    assert sampling == {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
    assert opened(photos["jpeg-grey"]).mode == "L"
    assert [opened(photos[name]).info["adobe_transform"] for name in ("jpeg-cmyk", "jpeg-ycck")] == [0, 2]
    assert [opened(photos[name]).mode for name in ("jpeg-cmyk", "jpeg-ycck")] == ["CMYK", "CMYK"]
    assert not np.array_equal(pixels(photos["jpeg-cmyk"]), pixels(photos["jpeg-ycck"]))
    assert b"\xff\xdd\x00\x04" in photos["jpeg-restart-markers"].content
    assert opened(photos["jpeg-stored-as-rgb"]).info["adobe_transform"] == 0
    # Coefficients clipped by a coarse quantizer are what an inexact inverse transform gets wrong.
    assert len(photos["jpeg-coarse"].content) < 1500


def test_each_orientation_turns_differently(photos: dict[str, GoldenPhoto]) -> None:
    turned = {n: pixels(photos[f"jpeg-orientation-{n}"]) for n in range(2, 9)}
    assert {n: p.shape[:2] for n, p in turned.items()} == {n: (61, 97) if n < 5 else (97, 61) for n in range(2, 9)}
    assert len({p.tobytes() for p in turned.values()}) == 7
    assert np.array_equal(turned[3], turned[2][::-1])
    assert np.array_equal(turned[8], pixels(photos["jpeg-orientation-8-long"]))


def test_what_is_special_about_pngs(photos: dict[str, GoldenPhoto]) -> None:
    plain = pixels(photos["png-rgb"])
    assert np.array_equal(plain, pattern(97, 61, seed=10))
    for name in ("interlaced", "with-profile", "with-gamma"):
        assert np.array_equal(pixels(photos[f"png-{name}"]), plain), name
    assert opened(photos["png-interlaced"]).info["interlace"] == 1
    assert opened(photos["png-with-gamma"]).info["gamma"] == 1.0
    assert np.array_equal(pixels(photos["png-interlaced-rgba"]), pixels(photos["png-rgba"]))
    depth = {name: photos[f"png-{name}"].content[24] for name in ("grey-1-bit", "grey-2-bit", "palette-4-bit")}
    assert depth == {"grey-1-bit": 1, "grey-2-bit": 2, "palette-4-bit": 4}
    for name in ("grey", "rgb", "grey-alpha", "rgba"):
        assert photos[f"png-16-bit-{name}"].content[24] == 16


@pytest.mark.parametrize("name", ["rgb", "grey", "grey-2-bit", "grey-1-bit", "16-bit-grey", "16-bit-rgb"])
def test_a_key_makes_its_pixels_white_and_no_others(photos: dict[str, GoldenPhoto], name: str) -> None:
    photo = photos[f"png-key-{name}"]
    at = photo.content.index(b"tRNS") - 4
    length = 12 + int.from_bytes(photo.content[at : at + 4], "big")
    without = decode(photo.content[:at] + photo.content[at + length :], "a.png").pixels
    changed = (pixels(photo) != without).any(-1)
    assert 0.005 < changed.mean() < 0.9
    assert (pixels(photo)[changed] == 255).all()


def test_sizes_stand_around_the_input(photos: dict[str, GoldenPhoto]) -> None:
    sizes = {name: opened(photo).size for name, photo in photos.items()}
    assert sizes["jpeg-large"] == (117, 127) and sizes["png-size-of-the-input"] == (56, 40)
    assert sizes["png-1x300"] == (1, 300) and sizes["jpeg-1x1"] == (1, 1)
    huge = {p.name: opened(p).size for p in golden_photos(Preprocessing(height=700, width=2000))}
    assert huge["jpeg-large"] == (1200, 1200)


def test_the_profile_would_show_if_it_were_applied() -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(bgr_profile()))
    assert "swapped" in ImageCms.getProfileDescription(profile)
    red = Image.new("RGB", (1, 1), (250, 20, 20))
    seen: Any = ImageCms.profileToProfile(red, profile, ImageCms.createProfile("sRGB"))
    assert seen.getpixel((0, 0))[2] > 200 > 60 > seen.getpixel((0, 0))[0]


def test_pngs_by_hand() -> None:
    samples = np.arange(5 * 9 * 3, dtype=np.uint8).reshape(5, 9, 3)
    for content in (
        encode_png((9, 5), 8, 2, pack_rows(samples, 8)),
        encode_png((9, 5), 8, 2, interlace_rows(samples), interlaced=True),
    ):
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), samples)
    assert pack_rows(np.array([[1, 2, 3, 0, 1]]), 2) == b"\0" + bytes([0b01101100, 0b01000000])
    assert pack_rows(np.array([[0x1234]]), 16) == b"\0\x12\x34"
