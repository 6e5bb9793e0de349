"""Zoom, shift, colour, RandAugment and mixes: the old views stay, the new ones are the same at every size."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import photo_makers as make
import pytest
from PIL import Image, ImageFilter

from edgekd.data import (
    Dataset,
    Mix,
    Mixing,
    MixPolicy,
    RandAugment,
    Renderer,
    SplitPolicy,
    View,
    ViewPolicy,
    draw_view,
    load_dataset,
    mix_views,
    open_views,
    render,
    rendered_batches,
)
from edgekd.data.settings import facts_of
from edgekd.data.views import reduce_to_base
from edgekd.data.views_colour import colour_matrix, recolour
from edgekd.data.views_ops import OPERATIONS, Op, apply_ops, draw_ops, histogram_for
from edgekd.preprocess import Preprocessing, resample, resize
from edgekd.storage import digest

SHA = "ab" * 32
SMALL = Preprocessing(height=32, width=32)
LARGE = Preprocessing(height=64, width=96)
EVERYTHING = ViewPolicy(
    views=5, zoom=0.3, shift=0.2, hue_deg=40, saturation=0.5, rotation_deg=8,
    randaugment=RandAugment(ops=2, magnitude=7), mix=MixPolicy(mixup=0.4, cutmix=1.0, share=0.8),
)  # fmt: skip


def rendered_sha(policy: ViewPolicy) -> str:
    state = hashlib.sha256()
    for seed in range(3):
        for number in range(6):
            view = draw_view(policy, 4, SHA, number)
            for size in (Preprocessing(height=24, width=24), Preprocessing(height=40, width=56, crop="center")):
                state.update(render(make.pixels(seed, 61, 83), view, size).tobytes())
    return state.hexdigest()


def test_recipes_of_before_give_the_same_views_under_the_same_keys() -> None:
    # Pinned before there was a zoom: a stored column and every stage's key belong to these.
    assert rendered_sha(ViewPolicy(views=6)) == "bac505e52a6e5125c4bb9f62d1cdfc90413b7a9901087f998f10c8403bc4aeb4"
    turned = ViewPolicy(views=6, rotation_deg=12)
    assert rendered_sha(turned) == "05dc0e631ca9e3eb0bb76b660d75c21ec5488152163ebe73b24c31f44cb90672"
    old = "d548621fec1e3d14f0d26fb58781386f0c80ae38700bf6d8cb21d5c5b0f529f6"
    assert digest(facts_of(ViewPolicy())) == old
    changed = [{"zoom": 0.1}, {"mix": MixPolicy(mixup=0.2)}, {"randaugment": RandAugment(ops=1)}, {"base_px": 99}]
    assert len({digest(facts_of(ViewPolicy.model_validate(one))) for one in changed} | {old}) == 5


def test_what_is_added_leaves_the_other_draws_alone() -> None:
    plain, more = (draw_view(policy, 7, SHA, 3) for policy in (ViewPolicy(views=5, rotation_deg=8), EVERYTHING))
    for name in ("flip", "brightness", "contrast", "rotation_deg"):
        assert getattr(plain, name) == getattr(more, name)
    assert plain.box != more.box and len(more.ops) == 2 and more.hue_deg != 0


def test_zoom_and_shift_keep_to_the_policy_and_grey_is_out_of_the_photo() -> None:
    policy = ViewPolicy(views=200, crop_scale=(1.0, 1.0), zoom=0.25, shift=0.1)
    boxes = np.array([draw_view(policy, 0, SHA, number).box for number in range(1, 200)])
    sides = boxes[:, 2] - boxes[:, 0]
    assert 0.8 <= sides.min() < 0.82 and 1.3 < sides.max() <= 1 / 0.75
    middles = (boxes[:, 0] + boxes[:, 2]) / 2 - 0.5
    assert 0.09 < (np.abs(middles) / sides).max() <= 0.1
    pixels = np.full((40, 40, 3), 200, np.uint8)
    out = render(pixels, View(1, box=(-0.5, 0.0, 1.5, 1.0)), Preprocessing(height=40, width=80))
    assert out[:, :20].max() == out[:, :20].min() == out[:, 60:].max() == 128 and out[:, 20:60].min() == 200


def test_models_of_two_sizes_see_the_same_of_everything() -> None:
    pixels = make.pixels(3, 300, 300)
    for number in range(1, 5):
        for seed in range(4):
            view = draw_view(EVERYTHING, seed, SHA, number)
            small = render(pixels, view, SMALL).astype(int)
            large = resample(render(pixels, view, Preprocessing(height=128, width=128)), 32, 32)
            # Solarize and posterize break levels apart at edges, so the middle of the differences is held.
            assert np.median(np.abs(large.astype(int) - small)) <= 3


def test_hue_and_saturation_in_integers() -> None:
    assert colour_matrix(0, 256).tolist() == [[4096, 0, 0], [0, 4096, 0], [0, 0, 4096]]
    # No saturation: all three are the luminance 0.213 R + 0.715 G + 0.072 B.
    assert colour_matrix(77, 0)[0].tolist() == [872, 2929, 295]
    assert [sum(row) for row in colour_matrix(33, 300).tolist()] == [4096] * 3
    # By hand at 180 degrees: cos -1, sin 0, so red's own part is 0.213 - 0.787 = -0.574.
    assert colour_matrix(180, 256)[0].tolist() == [-2351, 5857, 590]
    for degrees in range(-180, 181):
        for function in (np.cos, np.sin):
            value = float(function(np.radians(degrees))) * 65536
            assert abs(value % 1 - 0.5) > 1e-4, "a tie that the last bit of a cosine would decide"
    grey = np.full((2, 2, 3), 77, np.uint8)
    assert recolour(grey, 120, 400).tolist() == grey.tolist()
    red = np.array([[[255, 0, 0]]], np.uint8)
    assert recolour(red, 120, 256)[0, 0, 0] < 60 < recolour(red, 120, 256)[0, 0, 1]
    pixels, table = make.pixels(4, 40, 40), colour_matrix(150, 512)
    exact = (pixels.astype(np.int64) @ table.T.astype(np.int64) + 2048) >> 12
    assert np.array_equal(recolour(pixels, 150, 512), np.clip(exact, 0, 255))
    largest = max(int(np.abs(colour_matrix(degrees, 512)).sum(axis=1).max()) for degrees in range(-180, 181))
    assert 255 * largest + 2048 < 2**24
    out = (255 * np.array([-2351, 1745, 1745]) + 2048) >> 12
    assert recolour(red, 180, 256)[0, 0].tolist() == np.clip(out, 0, 255).tolist()


def test_operations_by_hand() -> None:
    ramp = np.repeat(np.arange(40, 56, dtype=np.uint8), 3).reshape(4, 4, 3)
    counts = histogram_for((Op("autocontrast", 0),), ramp)
    assert counts is not None and counts.sum() == 48
    stretched = apply_ops(ramp, (Op("autocontrast", 0),), counts)
    assert stretched[..., 0].ravel().tolist() == [k * 255 // 15 for k in range(16)]
    assert apply_ops(ramp, (Op("solarize", 206),), None)[..., 0].ravel().tolist()[8:12] == [48, 49, 205, 204]
    assert apply_ops(ramp, (Op("posterize", 4),), None)[..., 0].ravel().tolist() == [32] * 8 + [48] * 8
    assert apply_ops(ramp, (Op("identity", 0),), None) is ramp
    # The second table is made of what the first leaves of the photo.
    both = (Op("posterize", 4), Op("autocontrast", 0))
    assert apply_ops(ramp, both, histogram_for(both, ramp))[..., 0].ravel().tolist() == [0] * 8 + [255] * 8
    moved = apply_ops(make.pixels(1, 40, 40), (Op("shift_x", 250),), None)
    assert np.array_equal(moved[:, :30], make.pixels(1, 40, 40)[:, 10:]) and (moved[:, 31:] == 128).all()


def test_equalize_is_pillows() -> None:
    from PIL import Image, ImageOps

    for seed in range(5):
        pixels = make.pixels(seed, 50, 70)
        expected = np.asarray(ImageOps.equalize(Image.fromarray(pixels)))
        op = (Op("equalize", 0),)
        assert np.array_equal(apply_ops(pixels, op, histogram_for(op, pixels)), expected)


def test_operations_are_drawn_from_the_whole_list() -> None:
    policy = RandAugment(ops=2, magnitude=10)
    draws = np.random.default_rng(0).random((400, 4))
    ops = [op for row in draws for op in draw_ops(policy, row.tolist())]
    assert {op.name for op in ops} == set(OPERATIONS)
    assert {op.amount for op in ops if op.name == "rotate"} == {-300, 300}
    assert {op.amount for op in ops if op.name == "posterize"} == {4}
    for name in OPERATIONS:
        pixels = make.pixels(2, 32, 32)
        assert apply_ops(pixels, (Op(name, 3),), histogram_for((Op(name, 3),), pixels)).shape == pixels.shape


def test_the_list_and_its_ranges_are_the_papers() -> None:
    # AutoAugment, arXiv:1805.09501, table 6; posterize keeps 8 to 4 bits, solarize turns levels from 256 down to 0.
    published = {
        "shear_x": 0.3 * 1000, "shear_y": 0.3 * 1000, "shift_x": 150 / 331 * 1000, "shift_y": 150 / 331 * 1000,
        "rotate": 30 * 10, "solarize": 256, "posterize": 8 - 4, "autocontrast": 0, "equalize": 0, "identity": 0,
        "saturation": 0.9 * 256, "contrast": 0.9 * 256, "brightness": 0.9 * 256, "sharpness": 0.9 * 256,
    }  # fmt: skip
    assert set(OPERATIONS) == set(published) and len(OPERATIONS) == 14
    signed = set(OPERATIONS) - {"solarize", "posterize", "autocontrast", "equalize", "identity"}
    for place, name in enumerate(OPERATIONS):
        which = (place + 0.5) / 14
        for magnitude in (0, 5, 10):
            drawn = draw_ops(RandAugment(ops=2, magnitude=magnitude), [which, 0.2, which, 0.8])
            assert [op.name for op in drawn] == [name, name]
            amount = published[name] * magnitude / 10
            expected = [amount, -amount if name in signed else amount]
            assert [op.amount for op in drawn] == pytest.approx(expected, abs=0.51)


def test_sharpness_is_about_a_blur_of_the_same_part_at_any_size() -> None:
    pixels = make.pixels(5, 256, 256)
    assert np.array_equal(apply_ops(pixels, (Op("sharpness", 0),), None), pixels)
    sharper, softer = (apply_ops(pixels, (Op("sharpness", amount),), None).astype(int) for amount in (200, -200))
    # A box of 3 pixels, at 256 of them: what it takes away is added to what is sharpened, and all but gone otherwise.
    blurred = np.asarray(Image.fromarray(pixels).filter(ImageFilter.BoxBlur(1)), int)
    assert np.array_equal(softer, np.clip(blurred + (((pixels - blurred) * 56 + 128) >> 8), 0, 255))
    assert np.abs(np.diff(sharper, axis=0)).mean() > np.abs(np.diff(softer, axis=0)).mean()
    large = apply_ops(np.full((40, 60, 3), 90, np.uint8), (Op("sharpness", 230),), None)
    assert (large == 90).all()


@pytest.mark.parametrize(
    "bad", [{"mix": {"mixup": 0.01}}, {"mix": {"alpha": 1}}, {"randaugment": {"magnitude": 11}}, {"zoom": 0.6}]
)
def test_what_cannot_be_drawn_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        ViewPolicy.model_validate(bad)


# --- mixes -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    make.class_folders(tmp_path / "photos", {"a": 8, "b": 8})
    return load_dataset(tmp_path / "photos", policy=SplitPolicy(labelled_per_class=3))


def test_blend_and_paste_by_hand() -> None:
    own, other = np.full((4, 8, 3), 200, np.uint8), np.full((4, 8, 3), 101, np.uint8)
    assert (mix_views(own, other, Mix(0, 256, None)) == (200 * 64 + 101 * 192 + 128) // 256).all()
    # The right half of the upper half, a quarter of the view.
    mix = Mix(0, 1024 - 256, (16, 0, 32, 16))
    out = mix_views(own, other, mix)
    assert mix.share == 0.75 and (out == 101).mean() == 0.25 and (out[:2, 4:] == 101).all()


def test_partners_depend_on_contents_and_labels_keep_their_worth(dataset: Dataset) -> None:
    samples = dataset.samples
    mixing = Mixing(MixPolicy(cutmix=1.0), 3, samples)
    for index, sample in enumerate(samples):
        assert mixing.of(index, 0) is None
        mixes = [mix for number in range(1, 40) if (mix := mixing.of(index, number))]
        others = {mix.partner for mix in mixes}
        assert index not in others and len(others) > 2
        if sample.label is not None:
            assert all(samples[other].label is not None for other in others)
    drawn = [mixing.of(i, k) for i, sample in enumerate(samples) if sample.label is None for k in range(1, 9)]
    assert {samples[mix.partner].label is None for mix in drawn if mix} == {True, False}
    turned = Mixing(MixPolicy(cutmix=1.0), 3, samples[::-1])
    last = len(samples) - 1
    for index in range(len(samples)):
        one, other = mixing.of(index, 2), turned.of(last - index, 2)
        assert (one is None) == (other is None)
        if one and other:
            assert (one.weight, one.box, one.partner) == (other.weight, other.box, last - other.partner)


def test_weights_follow_beta_and_the_pasted_part(dataset: Dataset) -> None:
    blends = [Mixing(MixPolicy(mixup=0.4), seed, dataset.samples).of(2, 1) for seed in range(600)]
    shares = np.array([1.0 if mix is None else mix.share for mix in blends])
    # Beta(0.4, 0.4): mean 1/2, variance 1 / (4 * 1.8).
    assert shares.mean() == pytest.approx(0.5, abs=0.05) and shares.var() == pytest.approx(1 / 7.2, abs=0.015)
    for seed in range(100):
        mix = Mixing(MixPolicy(cutmix=1.0), seed, dataset.samples).of(2, 1)
        if mix:
            assert mix.box is not None
            left, top, right, bottom = mix.box
            assert mix.share == 1 - (right - left) * (bottom - top) / 1024
    half = [Mixing(MixPolicy(mixup=1.0, share=0.5), seed, dataset.samples).of(2, 1) for seed in range(300)]
    assert 0.4 < np.mean([mix is None for mix in half]) < 0.6


def test_a_mixed_view_is_the_mix_of_its_photos_views_at_either_size(dataset: Dataset) -> None:
    samples, policy = dataset.samples, EVERYTHING
    seen = 0
    for size in (SMALL, LARGE):
        mixing = Mixing(policy.mix, 9, samples)
        (block,) = rendered_batches(dataset, samples, size, policy, 9)
        (alone,) = rendered_batches(dataset, samples, size, policy.model_copy(update={"mix": MixPolicy()}), 9)
        for index in range(len(samples)):
            for number in range(policy.views):
                mix = mixing.of(index, number)
                own = alone[index, number]
                expected = own if mix is None else mix_views(own, alone[mix.partner, number], mix)
                assert np.array_equal(block[index, number], expected)
                seen += mix is not None
    assert seen > 60
    # A range has partners out of the range.
    (part,) = rendered_batches(dataset, samples, LARGE, policy, 9, start=3, stop=7)
    assert np.array_equal(part, block[3:7])


def test_live_views_are_the_stored_ones(tmp_path: Path, dataset: Dataset) -> None:
    samples, policy = dataset.samples, EVERYTHING
    stored = open_views(tmp_path / "views", dataset, samples, SMALL, policy, 1)
    live = open_views(tmp_path / "none", dataset, samples, SMALL, policy, 1, most_bytes=1000)
    assert stored.stored and not live.stored and not (tmp_path / "none").exists()
    assert stored.views == live.views == 5
    indices, numbers = np.repeat(np.arange(16), 5), np.tile(np.arange(5), 16)
    assert np.array_equal(stored.gather(indices, numbers), live.gather(indices, numbers))
    assert live.gather(np.array([], np.int64), np.array([], np.int64)).shape == (0, 32, 32, 3)
    one, other = stored.mixes(indices, numbers), live.mixes(indices, numbers)
    assert one is not None and other is not None
    assert one[0].tolist() == other[0].tolist() and (one[1] < 1).tolist() == (one[0] >= 0).tolist()
    plain = open_views(tmp_path / "plain", dataset, samples, SMALL, policy.plain(), 1)
    assert plain.mixes(indices, numbers) is None


def test_a_cache_that_holds_nothing_changes_nothing(dataset: Dataset) -> None:
    with_cache, without = (Renderer(dataset, dataset.samples, SMALL, EVERYTHING, 1, size) for size in (1 << 20, 0))
    assert all(np.array_equal(with_cache.views(i), without.views(i)) for i in (0, 5, 0))


def test_large_photos_are_reduced_once_for_every_view_but_the_photo_itself(dataset: Dataset) -> None:
    pixels = make.pixels(1, 600, 400)
    assert (
        reduce_to_base(pixels, 100).shape == (150, 100, 3)
        and reduce_to_base(pixels, 500) is pixels
        and reduce_to_base(pixels, None) is pixels
    )
    assert np.array_equal(reduce_to_base(pixels, 100), resample(pixels, 150, 100))
    policy = ViewPolicy(views=2, base_px=32)
    renderer = Renderer(dataset, dataset.samples, Preprocessing(height=16, width=16), policy, 0)
    photo = dataset.read(dataset.samples[0])
    assert np.array_equal(renderer.view(0, 0), resize(photo, renderer.preprocessing))


def test_plain_views_are_few_and_of_one_photo() -> None:
    plain = EVERYTHING.model_copy(update={"views": 400}).plain()
    assert plain.views == 16 and not plain.mix.on and plain.zoom == EVERYTHING.zoom
    assert ViewPolicy().plain() == ViewPolicy()
