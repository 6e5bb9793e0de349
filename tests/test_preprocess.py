"""The written specification, repeated here without Pillow's help, against what preprocess.py gives."""

from __future__ import annotations

import hashlib
import io
import math
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgekd import photo_input
from edgekd.bench.agents.photo_archive import device_archive
from edgekd.data.traffic_lights import traffic_light_folders
from edgekd.errors import DataError, DecodeError
from edgekd.photo_input import shrink
from edgekd.photo_pixels import StoredPhoto
from edgekd.preprocess import (
    MAX_PIXELS,
    Preprocessing,
    crop_box,
    decode,
    exif_orientation,
    preprocess,
    resample,
    resize,
    turn_upright,
)

# --- the specification, as a port to another language would have it -------------------------------------------------


def spec_coefficients(n: int, m: int) -> list[tuple[int, list[int]]]:
    """Step 5 a to d: for every output, its first input and its 22-bit weights."""
    scale = n / m
    support = max(1.0, scale)
    rows = []
    for i in range(m):
        center = (i + 0.5) * scale
        low = max(0, math.trunc(center - support + 0.5))
        high = min(n, math.trunc(center + support + 0.5))
        weights = []
        total = 0.0
        for j in range(high - low):
            x = abs((j + low - center + 0.5) * (1.0 / support))
            weights.append(1.0 - x if x < 1.0 else 0.0)
            total += weights[-1]
        rows.append((low, [math.trunc(0.5 + (weight / total) * 4194304.0) for weight in weights]))
    return rows


def spec_axis(pixels: np.ndarray, m: int) -> np.ndarray:
    """Step 5 e along the first axis."""
    if pixels.shape[0] == m:
        return pixels
    out = np.empty((m, *pixels.shape[1:]), np.uint8)
    for i, (low, weights) in enumerate(spec_coefficients(pixels.shape[0], m)):
        window = pixels[low : low + len(weights)].astype(np.int64)
        total = 2097152 + np.tensordot(np.array(weights, np.int64), window, axes=(0, 0))
        out[i] = np.clip(total >> 22, 0, 255)
    return out


def spec_resize(pixels: np.ndarray, preprocessing: Preprocessing) -> np.ndarray:
    """Steps 4 and 5."""
    height, width = pixels.shape[:2]
    w, h = preprocessing.width, preprocessing.height
    if preprocessing.crop == "center":
        if width * h > height * w:
            box_w, box_h = max(1, height * w // h), height
        else:
            box_w, box_h = width, max(1, width * h // w)
        left, top = (width - box_w) // 2, (height - box_h) // 2
        pixels = pixels[top : top + box_h, left : left + box_w]
    across = spec_axis(pixels.swapaxes(0, 1), w).swapaxes(0, 1)
    return spec_axis(across, h)


def spec_cmyk(c: int, m: int, y: int, k: int) -> list[int]:
    """Step 2 e."""
    n = 255 - k
    t = [x * n + 128 for x in (c, m, y)]
    return [n - ((v + (v >> 8)) >> 8) for v in t]


# --- helpers ---------------------------------------------------------------------------------------------------------


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG from raw filtered rows, for depths and keys that Pillow does not write."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in parts
    )


def shown(content: bytes, name: str = "photo") -> list[Any]:
    return decode(content, name).pixels.tolist()


# --- resize ----------------------------------------------------------------------------------------------------------

sizes = st.integers(1, 90)


@settings(max_examples=150, deadline=None)
@given(sizes, sizes, st.integers(1, 64), st.integers(1, 64), st.sampled_from(["whole", "center"]), st.integers(0, 9))
def test_resize_is_the_written_specification(
    height: int, width: int, to_height: int, to_width: int, crop: Any, seed: int
) -> None:
    pixels = noise(height, width, seed=seed)
    preprocessing = Preprocessing(height=to_height, width=to_width, crop=crop)
    assert np.array_equal(resize(pixels, preprocessing), spec_resize(pixels, preprocessing))


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3999, 7), (96, 96)])
def test_resize_of_extreme_shapes_is_the_specification(size: tuple[int, int]) -> None:
    for crop in ("whole", "center"):
        preprocessing = Preprocessing(height=33, width=96, crop=crop)
        pixels = noise(*size)
        assert np.array_equal(resize(pixels, preprocessing), spec_resize(pixels, preprocessing))


def test_resize_worked_by_hand() -> None:
    # 4 samples to 2: scale 2, centres 1 and 3; weights 1/8, 3/8, 3/8, 1/8 cut at the edge to 3/7, 3/7, 1/7.
    assert spec_coefficients(4, 2) == [(0, [1797559, 1797559, 599186]), (1, [599186, 1797559, 1797559])]
    row = np.array([[[0] * 3, [100] * 3, [200] * 3, [255] * 3]], np.uint8)
    # 100 * 3/7 + 200 * 1/7 = 71.4; 100 * 1/7 + 200 * 3/7 + 255 * 3/7 = 209.3
    assert resample(row, 1, 2)[0, :, 0].tolist() == [71, 209]


def test_resize_of_real_photos_is_the_specification() -> None:
    try:
        folder, _ = traffic_light_folders()
    except DataError as error:
        pytest.skip(str(error))
    for path in sorted(folder.rglob("*.jp*g"))[::120]:
        pixels = decode(path.read_bytes(), path.name).pixels
        for crop in ("whole", "center"):
            preprocessing = Preprocessing(height=96, width=128, crop=crop)
            assert np.array_equal(resize(pixels, preprocessing), spec_resize(pixels, preprocessing)), path.name


@settings(max_examples=150, deadline=None)
@given(sizes, sizes, st.integers(1, 40), st.integers(1, 40), st.sampled_from(["whole", "center"]), st.integers(1, 8))
def test_a_stored_photo_shrinks_to_the_bytes_of_its_upright_pixels(
    height: int, width: int, to_height: int, to_width: int, crop: Any, orientation: int
) -> None:
    pixels = noise(height, width, seed=orientation)
    preprocessing = Preprocessing(height=to_height, width=to_width, crop=crop)
    with pytest.MonkeyPatch.context() as patch:
        # Several bands, the last of them narrower.
        patch.setattr(photo_input, "_BAND", 13)
        shrunk = shrink(StoredPhoto(Image.fromarray(pixels), orientation, ()), preprocessing)
    assert np.array_equal(shrunk, spec_resize(turn_upright(pixels, orientation), preprocessing))


@pytest.mark.parametrize("kind", ["RGB", "L", "CMYK"])
def test_a_jpegs_input_tensor_is_the_specification_in_every_orientation(kind: str) -> None:
    image = Image.fromarray(resample(noise(9, 11), 120, 163)).convert(kind)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(image, "JPEG", exif=exif, quality=90)
        upright = decode(content, "a.jpg").pixels
        for crop in ("whole", "center"):
            preprocessing = Preprocessing(height=48, width=64, crop=crop)
            wanted = spec_resize(upright, preprocessing)
            assert np.array_equal(preprocess(content, "a.jpg", preprocessing), wanted), (orientation, crop)


def test_what_a_device_runs_needs_numpy_and_pillow_alone(tmp_path: Path) -> None:
    """The modules of ``photo_archive``, as they are sent to a device, where nothing else of edgekd is."""
    content = encoded(Image.fromarray(noise(30, 40)), "JPEG")
    (tmp_path / "photo").write_bytes(content)
    (tmp_path / "modules.zip").write_bytes(device_archive())
    script = """
import hashlib, sys
from types import SimpleNamespace
for name in ("pydantic", "scipy", "click"):
    sys.modules[name] = None
sys.path.insert(0, "modules.zip")
from edgekd.photo_input import shrink
from edgekd.photo_pixels import open_photo
size = SimpleNamespace(height=8, width=9, crop="center")
print(hashlib.sha256(shrink(open_photo(open("photo", "rb").read(), "photo"), size).tobytes()).hexdigest())
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    wanted = preprocess(content, "photo", Preprocessing(height=8, width=9, crop="center"))
    assert done.stdout.strip() == hashlib.sha256(wanted.tobytes()).hexdigest()


def test_centre_crop_formulas() -> None:
    square = Preprocessing(height=96, width=96, crop="center")
    assert crop_box(300, 200, square) == (50, 0, 200, 200)
    assert crop_box(201, 300, square) == (0, 49, 201, 201)
    assert crop_box(5, 1, Preprocessing(height=9, width=1, crop="center")) == (2, 0, 1, 1)
    assert crop_box(300, 200, Preprocessing(height=96, width=96)) == (0, 0, 300, 200)


def test_resize_refuses_other_arrays() -> None:
    with pytest.raises(DataError, match=r"float64 \[4, 4, 3\]"):
        resize(np.zeros((4, 4, 3)), Preprocessing(height=2, width=2))  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"\[0, 4, 3\]"):
        resize(np.zeros((0, 4, 3), np.uint8), Preprocessing(height=2, width=2))


# --- decoding to RGB -------------------------------------------------------------------------------------------------


def test_rgb_and_grey_of_every_format() -> None:
    rgb, grey = noise(5, 7), noise(5, 7, 1)
    for kind, options in {"PNG": {}, "BMP": {}, "TIFF": {}, "WEBP": {"lossless": True}}.items():
        assert np.array_equal(decode(encoded(Image.fromarray(rgb), kind, **options), f"a.{kind}").pixels, rgb)
    for kind in ("PNG", "BMP", "TIFF"):
        pixels = decode(encoded(Image.fromarray(grey), kind), f"a.{kind}").pixels
        assert np.array_equal(pixels, np.stack([grey] * 3, -1))


def test_jpeg_is_decoded_at_full_size() -> None:
    content = encoded(Image.fromarray(noise(64, 80)), "JPEG", quality=80, subsampling=2)
    photo = decode(content, "a.jpg")
    assert photo.notes == ()
    assert np.array_equal(photo.pixels, np.asarray(Image.open(io.BytesIO(content))))


def test_grey_of_few_bits() -> None:
    assert shown(png(4, 1, 1, 0, b"\0\x50")) == [[[v] * 3 for v in (0, 255, 0, 255)]]
    assert shown(png(4, 1, 2, 0, b"\0\x1b")) == [[[v] * 3 for v in (0, 85, 170, 255)]]
    assert shown(png(2, 1, 4, 0, b"\0\x1f")) == [[[v] * 3 for v in (17, 255)]]


def test_sixteen_bits_keep_the_high_byte() -> None:
    grey = np.array([[0x00FF, 0x0100, 0x12FF, 0xFFFF]], np.uint16)
    for kind in ("PNG", "TIFF"):
        photo = decode(encoded(Image.fromarray(grey), kind), "a")
        assert photo.pixels[..., 0].tolist() == [[0, 1, 0x12, 255]]
        assert photo.notes == ("16-bit",)
    big_endian = b"MM\0*\0\0\0\x08" + _tiff_grey16_big_endian([0x12FF, 0x8000])
    assert decode(big_endian, "a.tif").pixels[..., 2].tolist() == [[0x12, 0x80]]
    assert shown(png(1, 1, 16, 2, b"\0" + bytes([1, 255, 2, 255, 3, 0]))) == [[[1, 2, 3]]]
    # 16-bit grey with alpha 0x80: (16 * 128 + 255 * 127 + 127) // 255
    photo = decode(png(1, 1, 16, 4, b"\0" + bytes([16, 255, 128, 255])), "a.png")
    assert photo.pixels.tolist() == [[[135] * 3]]
    assert "16-bit" in photo.notes


def _tiff_grey16_big_endian(values: list[int]) -> bytes:
    tags = [(256, 3, len(values)), (257, 3, 1), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 0), (277, 3, 1)]
    tags += [(278, 3, 1), (279, 4, 2 * len(values))]
    data_at = 8 + 2 + 12 * len(tags) + 4
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", v, 0) if kind == 3 else struct.pack(">I", v or data_at))
        for tag, kind, v in tags
    )
    return struct.pack(">H", len(tags)) + entries + bytes(4) + struct.pack(f">{len(values)}H", *values)


def test_alpha_is_laid_over_white_by_the_formula() -> None:
    colours, alphas = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([colours, 255 - colours, colours // 2, alphas], -1).astype(np.uint8)
    photo = decode(encoded(Image.fromarray(rgba), "PNG"), "a.png")
    expected = (rgba[..., :3].astype(int) * alphas[..., None] + 255 * (255 - alphas[..., None]) + 127) // 255
    assert np.array_equal(photo.pixels, expected)
    assert photo.notes == ("RGBA",)
    grey_alpha = decode(encoded(Image.fromarray(rgba[..., [0, 3]], "LA"), "PNG"), "a.png")
    assert np.array_equal(grey_alpha.pixels[..., 1], expected[..., 0])
    assert grey_alpha.notes == ("LA",)


def test_palettes() -> None:
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.putdata([0, 1, 2])
    plain = decode(encoded(image, "PNG"), "a.png")
    assert plain.pixels.tolist() == [[[10, 20, 30], [40, 50, 60], [70, 80, 90]]]
    assert plain.notes == ("palette",)
    one_clear = decode(encoded(image, "PNG", transparency=1), "a.png")
    assert one_clear.pixels.tolist() == [[[10, 20, 30], [255] * 3, [70, 80, 90]]]
    assert one_clear.notes == ("palette", "transparent colour")
    several = shown(encoded(image, "PNG", transparency=bytes([255, 0, 128])))
    assert several == [[[10, 20, 30], [255] * 3, [(c * 128 + 255 * 127 + 127) // 255 for c in (70, 80, 90)]]]
    assert shown(encoded(image, "GIF", transparency=1)) == [[[10, 20, 30], [255] * 3, [70, 80, 90]]]


def test_transparent_keys() -> None:
    rgb = png(2, 1, 8, 2, b"\0" + bytes([1, 2, 3, 1, 2, 4]), (b"tRNS", bytes([0, 1, 0, 2, 0, 3])))
    assert shown(rgb) == [[[255] * 3, [1, 2, 4]]]
    assert decode(rgb, "a.png").notes == ("transparent colour",)
    deep = png(2, 1, 16, 2, b"\0" + bytes([1, 9, 2, 9, 3, 9, 4, 9, 2, 9, 3, 9]), (b"tRNS", bytes([1, 9, 2, 9, 3, 9])))
    assert shown(deep) == [[[255] * 3, [4, 2, 3]]]
    assert shown(png(2, 1, 8, 0, b"\0\x07\x08", (b"tRNS", b"\0\x07"))) == [[[255] * 3, [8] * 3]]
    assert shown(png(4, 1, 2, 0, b"\0\x1b", (b"tRNS", b"\0\x02"))) == [[[v] * 3 for v in (0, 85, 255, 255)]]
    assert shown(png(2, 1, 4, 0, b"\0\x1f", (b"tRNS", b"\0\x01"))) == [[[255] * 3, [255] * 3]]
    assert shown(png(2, 1, 4, 0, b"\0\x12", (b"tRNS", b"\0\x01"))) == [[[255] * 3, [34] * 3]]
    assert shown(png(2, 1, 1, 0, b"\0\x40", (b"tRNS", b"\0\x00"))) == [[[255] * 3, [255] * 3]]
    exact = png(2, 1, 16, 0, b"\0" + bytes([5, 1, 5, 2]), (b"tRNS", bytes([5, 2])))
    assert shown(exact) == [[[5] * 3, [255] * 3]]


def test_cmyk_integers() -> None:
    values = noise(40, 50, 4, seed=3)
    photo = decode(encoded(Image.fromarray(values, "CMYK"), "TIFF"), "a.tif")
    assert photo.notes == ("CMYK",)
    assert photo.pixels.tolist() == [[spec_cmyk(*map(int, pixel)) for pixel in row] for row in values]
    jpeg = encoded(Image.new("CMYK", (16, 16), (10, 200, 30, 40)), "JPEG", quality=100)
    assert np.abs(decode(jpeg, "a.jpg").pixels[8, 8].astype(int) - spec_cmyk(10, 200, 30, 40)).max() <= 2


# --- orientation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_orientation(kind: str) -> None:
    image = Image.fromarray(noise(6, 9))
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        content = encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
        photo = decode(content, "a")
        expected = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
        assert np.array_equal(photo.pixels, np.asarray(expected.convert("RGB"))), orientation
        assert photo.notes == (("EXIF-rotated",) if orientation > 1 else ())


def test_orientation_in_xmp_alone_is_ignored() -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    image = Image.fromarray(noise(6, 9))
    assert decode(encoded(image, "JPEG", xmp=xmp), "a").pixels.shape == (6, 9, 3)
    assert decode(encoded(image, "TIFF", tiffinfo={700: xmp}), "a").pixels.shape == (6, 9, 3)


def test_turning_by_hand() -> None:
    # A photo of rows "ab", "cd": what each orientation says is stored, turned upright.
    stored = np.frombuffer(b"abcd", np.uint8).reshape(2, 2, 1)
    upright = {1: b"abcd", 2: b"badc", 3: b"dcba", 4: b"cdab", 5: b"acbd", 6: b"cadb", 7: b"dbca", 8: b"bdac"}
    assert {o: turn_upright(stored, o).tobytes() for o in upright} == upright


def test_malformed_exif_is_no_orientation() -> None:
    entry = struct.pack("<HHII", 0x0112, 3, 1, 6)
    good = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry
    assert exif_orientation(good) == 6
    assert exif_orientation(b"Exif\0\0MM\0*" + struct.pack(">IHHHIHH", 8, 1, 0x0112, 3, 1, 8, 0)) == 8
    assert exif_orientation(good.replace(entry, struct.pack("<HHII", 0x0112, 4, 1, 3))) == 3
    for bad in (None, b"", b"Exif\0\0", good[:-4], good.replace(entry, struct.pack("<HHII", 0x0112, 3, 1, 9))):
        assert exif_orientation(bad) == 1
    assert exif_orientation(b"Exif\0\0II*\0" + struct.pack("<IH", 2**31, 1)) == 1


# --- notes and refusals ----------------------------------------------------------------------------------------------


def test_first_frame_and_misnamed() -> None:
    frames = [Image.fromarray(noise(4, 4, seed=i)) for i in range(3)]
    options = {"save_all": True, "append_images": frames[1:]}
    webp = encoded(frames[0], "WEBP", lossless=True, **options)
    photo = decode(webp, "dir.x/a.JPG")
    assert photo.notes == ("WEBP named .jpg", "first of 3 frames")
    assert np.array_equal(photo.pixels, np.asarray(frames[0]))
    assert np.array_equal(decode(encoded(frames[0], "TIFF", **options), "a.tif").pixels, np.asarray(frames[0]))
    assert np.array_equal(decode(encoded(frames[0], "PNG", **options), "a.png").pixels, np.asarray(frames[0]))
    mpo = decode(encoded(frames[0], "MPO", **options), "a.jpg")
    assert mpo.notes == ("first of 3 frames",)
    gif = decode(encoded(frames[0], "GIF", **options), "a.gif")
    assert gif.notes == ("palette", "first of 3 frames")
    assert decode(encoded(frames[0], "PNG"), "no_suffix").notes == ()


def test_refusals_say_what_where_and_what_next() -> None:
    whole = encoded(Image.fromarray(noise(40, 40)), "JPEG")
    for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"):
        content = encoded(Image.fromarray(noise(40, 40)), kind)
        with pytest.raises(DecodeError, match="cut"):
            decode(content[: len(content) // 2], "cut")
    with pytest.raises(DecodeError, match=r"b\.jpg is empty \(0 bytes\)"):
        decode(b"", "b.jpg")
    with pytest.raises(DecodeError, match=r"c\.jpg is not a photo \(it begins with b'<html>"):
        decode(b"<html></html>", "c.jpg")
    with pytest.raises(DecodeError, match=r"d\.jpg is a HEIC photo\. To use such photos, install the plug-in"):
        decode(b"\0\0\0\x18ftypheic" + bytes(50), "d.jpg")
    with pytest.raises(DecodeError, match=r"e\.jpg is damaged or cut short .* JPEG: .*truncated"):
        decode(whole[:-200], "e.jpg")
    with pytest.raises(DecodeError, match="not a photo"):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "f.eps")


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "YCbCr"])
def test_modes_without_one_meaning_are_refused(mode: str) -> None:
    content = encoded(Image.new(mode, (4, 4)), "TIFF")
    with pytest.raises(DecodeError, match=rf"a\.tif holds {mode} samples .*Convert it to 8-bit RGB"):
        decode(content, "a.tif")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_before_decoding() -> None:
    for width in (MAX_PIXELS + 1, 2**31 - 1):
        with pytest.raises(DecodeError, match=r"bomb\.png.*more than 100000000 pixels.*decompression bomb"):
            decode(png(width, 1, 8, 2, b""), "bomb.png")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning", "ignore::UserWarning:PIL")
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_photos_decode_or_raise_decode_error(data: Any) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"]))
    content = bytearray(encoded(Image.fromarray(noise(12, 12)), kind))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(content), "a").pixels.shape[2] == 3
    except DecodeError as error:
        assert str(error).startswith("a ")


# --- the record ------------------------------------------------------------------------------------------------------


def test_preprocessing_records() -> None:
    record = Preprocessing(height=96, width=128, crop="center").to_json()
    assert record == (
        '{"crop": "center", "height": 96, "resize": "pillow-bilinear-antialias", "version": 1, "width": 128}'
    )
    assert Preprocessing.from_json(record) == Preprocessing(height=96, width=128, crop="center")
    for bad in (
        '{"height": 0, "width": 1}',
        '{"height": 1, "width": 1, "mean": 0}',
        "{",
        record.replace(": 1,", ": 2,"),
    ):
        with pytest.raises(DataError, match="preprocessing record"):
            Preprocessing.from_json(bad)


def test_preprocess_is_decode_then_resize() -> None:
    pixels = noise(30, 40)
    preprocessing = Preprocessing(height=8, width=8, crop="center")
    result = preprocess(encoded(Image.fromarray(pixels), "PNG"), "a.png", preprocessing)
    assert result.shape == (8, 8, 3)
    assert np.array_equal(result, spec_resize(pixels, preprocessing))


def test_every_port_names_the_same_version() -> None:
    root = Path(__file__).parents[1]
    ports = {
        "edgekd/export/edgekd_preprocess.h": r"^#define EDGEKD_SPECIFICATION_VERSION (\d+)$",
        "edgekd/js/preprocess.mjs": r"^export const SPECIFICATION_VERSION = (\d+);$",
        "edgekd/dart/src/preprocess.dart": r"^const int specificationVersion = (\d+);$",
        "edgekd/kotlin/classifier/Preprocessing.kt": r"^const val SPECIFICATION_VERSION = (\d+)$",
        "edgekd/preprocess.py": r"^Specification, version (\d+)\.",
    }
    version = Preprocessing(height=1, width=1).version
    for name, line in ports.items():
        assert re.findall(line, (root / name).read_text(encoding="utf-8"), re.MULTILINE) == [str(version)], name
