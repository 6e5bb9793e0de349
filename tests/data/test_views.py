from __future__ import annotations

from pathlib import Path

import numpy as np
import photo_makers as make
import pytest

from edgekd.data import (
    Dataset,
    SplitPolicy,
    View,
    ViewPolicy,
    ViewStore,
    draw_view,
    load_dataset,
    render,
    rendered_batches,
)
from edgekd.data.views import levels
from edgekd.errors import RunError, UsageError
from edgekd.preprocess import Preprocessing, resample, resize

SMALL = Preprocessing(height=8, width=10)
POLICY = ViewPolicy(views=3)
SHA = "ab" * 32


# --- views -----------------------------------------------------------------------------------------------------------


def test_view_zero_is_the_photo() -> None:
    pixels = make.pixels(1)
    view = draw_view(POLICY, 5, SHA, 0)
    assert view == View(0)
    for crop in ("whole", "center"):
        preprocessing = Preprocessing(height=9, width=9, crop=crop)
        assert np.array_equal(render(pixels, view, preprocessing), resize(pixels, preprocessing))
        # An identity under any other number takes the other way and must arrive at the same.
        assert np.array_equal(render(pixels, View(1), preprocessing), resize(pixels, preprocessing))


def test_views_are_a_function_of_sample_seed_and_number() -> None:
    # Pinned: a stored column of teacher outputs belongs to these draws.
    view = draw_view(POLICY, 0, SHA, 1)
    assert view == draw_view(ViewPolicy(views=9), 0, SHA, 1)
    assert view.box == pytest.approx((0.0449742453, 0.0286011617, 0.9888603694, 0.9724872858), abs=1e-9)
    assert (view.flip, view.brightness, view.contrast, view.rotation_deg) == (True, 217, 282, 0.0)
    others = [draw_view(POLICY, 0, SHA, 2), draw_view(POLICY, 1, SHA, 1), draw_view(POLICY, 0, "cd" * 32, 1)]
    assert all(other.box != view.box for other in others)
    with pytest.raises(UsageError, match="view 3 of 3"):
        draw_view(POLICY, 0, SHA, 3)


def test_draws_keep_to_the_policy() -> None:
    policy = ViewPolicy(views=64, crop_scale=(0.5, 0.8), brightness=0.1, contrast=0.3, rotation_deg=10)
    views = [draw_view(policy, seed, SHA, number) for seed in range(20) for number in range(1, 64)]
    areas = np.array([(v.box[2] - v.box[0]) * (v.box[3] - v.box[1]) for v in views])
    assert 0.5 <= areas.min() < 0.505 and 0.795 < areas.max() <= 0.8
    assert all(min(v.box) >= 0 and max(v.box) <= 1 for v in views)
    assert 0.45 < np.mean([v.flip for v in views]) < 0.55
    assert {min(v.brightness for v in views), max(v.brightness for v in views)} == {230, 282}
    assert min(v.contrast for v in views) in (179, 180) and max(v.contrast for v in views) in (332, 333)
    assert 9.9 < max(abs(v.rotation_deg) for v in views) <= 10
    assert not any(draw_view(ViewPolicy(flip=False), s, SHA, 1).flip for s in range(50))


def test_render_cuts_flips_and_colours_in_integers() -> None:
    pixels = make.pixels(2, height=20, width=30)
    view = View(1, box=(0.1, 0.5, 0.5, 1.0), flip=True, brightness=300, contrast=200)
    expected = resample(pixels[10:20, 3:15], 8, 10)[:, ::-1].astype(int)
    expected = np.clip((expected * 300 + 128) // 256, 0, 255)
    expected = np.clip(128 + ((expected - 128) * 200 + 128) // 256, 0, 255)
    assert np.array_equal(render(pixels, view, SMALL), expected)


def test_the_crop_policy_comes_before_the_view() -> None:
    pixels = make.pixels(2, height=20, width=30)
    centred = Preprocessing(height=8, width=8, crop="center")
    expected = resample(pixels[:10, 5:15], 8, 8)
    assert np.array_equal(render(pixels, View(1, box=(0, 0, 0.5, 0.5)), centred), expected)


def test_models_of_two_sizes_see_the_same_part() -> None:
    pixels = make.pixels(3, 200, 300)
    for number in (1, 2):
        view = draw_view(POLICY, 7, SHA, number)
        small = render(pixels, view, Preprocessing(height=24, width=24)).astype(int)
        large = render(pixels, view, Preprocessing(height=96, width=96))
        assert np.abs(resample(large, 24, 24).astype(int) - small).mean() < 2


def test_rotation_keeps_the_centre_and_greys_the_corners() -> None:
    pixels = np.zeros((21, 21, 3), np.uint8)
    pixels[10, 10] = 255
    turned = render(pixels, View(1, rotation_deg=45), Preprocessing(height=21, width=21))
    assert turned[10, 10].tolist() == [255] * 3
    assert turned[0, 0].tolist() == [128] * 3


def test_levels_of_identity_and_extremes() -> None:
    assert levels(256, 256).tolist() == list(range(256))
    assert levels(128, 256)[[0, 100, 255]].tolist() == [0, 50, 128]
    assert levels(256, 512)[[0, 64, 128, 192, 255]].tolist() == [0, 0, 128, 255, 255]


def test_a_tiny_photo_has_views() -> None:
    policy = ViewPolicy(views=20, crop_scale=(0.01, 0.02))
    for number in range(20):
        assert render(np.zeros((1, 2, 3), np.uint8), draw_view(policy, 0, SHA, number), SMALL).shape == (8, 10, 3)


@pytest.mark.parametrize("bad", [{"views": 0}, {"crop_scale": (0, 1)}, {"crop_scale": (0.9, 0.5)}, {"hue": 1}])
def test_policies_are_checked_at_birth(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        ViewPolicy(**bad)  # type: ignore[arg-type]


# --- the store -------------------------------------------------------------------------------------------------------


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    make.class_folders(tmp_path / "photos", {"a": 6, "b": 6})
    return load_dataset(tmp_path / "photos", policy=SplitPolicy())


def test_store_holds_every_view(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekd.data.view_store._SAMPLES_PER_SHARD", 5)
    calls: list[tuple[int, int]] = []
    samples = dataset.samples
    store = ViewStore.build(
        tmp_path / "views", dataset, samples, SMALL, POLICY, 3, progress=lambda a, b: calls.append((a, b))
    )
    assert (len(store), store.views, store.shards, calls) == (12, 3, 3, [(5, 12), (10, 12), (12, 12)])
    indices, numbers = np.array([11, 0, 4, 5, 0]), np.array([2, 0, 1, 1, 0])
    batch = store.gather(indices, numbers)
    assert batch.shape == (5, 8, 10, 3)
    for got, index, number in zip(batch, indices, numbers, strict=True):
        view = draw_view(POLICY, 3, samples[index].sha256, int(number))
        assert np.array_equal(got, render(dataset.read(samples[index]), view, SMALL))
    assert ViewStore.open(tmp_path / "views") == store
    streamed = list(rendered_batches(dataset, samples, SMALL, POLICY, 3, batch_samples=7))
    assert [block.shape[:2] for block in streamed] == [(7, 3), (5, 3)]
    everything = store.gather(np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12))
    assert np.array_equal(np.concatenate(streamed).reshape(36, 8, 10, 3), everything)
    assert store.gather(np.array([], np.int64), np.array([], np.int64)).shape == (0, 8, 10, 3)
    for bad in ((12, 0), (-1, 0), (0, 3), (0, -1)):
        with pytest.raises(UsageError, match="asked for"):
            store.gather(np.array(bad[:1]), np.array(bad[1:]))
    with pytest.raises(UsageError, match="two arrays"):
        store.gather(np.array([1, 2]), np.array([0]))


def test_store_resumes_after_a_kill(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekd.data.view_store._SAMPLES_PER_SHARD", 4)

    def killed(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    place = tmp_path / "views"
    with pytest.raises(KeyboardInterrupt):
        ViewStore.build(place, dataset, dataset.samples, SMALL, POLICY, 0, progress=killed)
    with pytest.raises(RunError, match="not a finished store"):
        ViewStore.open(place)
    kept = {path.name: path.stat().st_mtime_ns for path in place.glob("views-*.npy")}
    assert sorted(kept) == ["views-00000.npy", "views-00001.npy"]
    # A shard that a full disk cut short is made again, a whole one is kept.
    damaged = place / "views-00001.npy"
    damaged.write_bytes(damaged.read_bytes()[:-10])
    read: list[str] = []
    original = Dataset.read
    monkeypatch.setattr(Dataset, "read", lambda self, sample: (read.append(sample.id), original(self, sample))[1])
    store = ViewStore.build(place, dataset, dataset.samples, SMALL, POLICY, 0)
    assert sorted(read) == sorted(sample.id for sample in dataset.samples[4:])
    assert (place / "views-00000.npy").stat().st_mtime_ns == kept["views-00000.npy"]
    fresh = ViewStore.build(tmp_path / "fresh", dataset, dataset.samples, SMALL, POLICY, 0)
    indices, numbers = np.repeat(np.arange(12), 3), np.tile(np.arange(3), 12)
    assert np.array_equal(store.gather(indices, numbers), fresh.gather(indices, numbers))


def test_store_of_other_views_is_made_anew(tmp_path: Path, dataset: Dataset) -> None:
    place = tmp_path / "views"
    first = ViewStore.build(place, dataset, dataset.samples, SMALL, POLICY, 0)
    before = first.gather(np.array([3]), np.array([1]))
    changes = [
        (dataset.samples, SMALL, POLICY, 1),
        (dataset.samples, SMALL, ViewPolicy(views=3, flip=False), 1),
        (dataset.samples, Preprocessing(height=8, width=10, crop="center"), POLICY, 1),
        (dataset.samples[1:], SMALL, POLICY, 1),
    ]
    keys = {first.key}
    for samples, preprocessing, policy, seed in changes:
        store = ViewStore.build(place, dataset, samples, preprocessing, policy, seed)
        keys.add(store.key)
        view = draw_view(policy, seed, samples[3].sha256, 1)
        expected = render(dataset.read(samples[3]), view, preprocessing)
        assert np.array_equal(store.gather(np.array([3]), np.array([1]))[0], expected)
    assert len(keys) == 5
    again = ViewStore.build(place, dataset, dataset.samples, SMALL, POLICY, 0)
    assert np.array_equal(again.gather(np.array([3]), np.array([1])), before)


def test_shards_are_bounded_in_bytes(tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgekd.data.view_store._SHARD_BYTES", 3 * 8 * 10 * 3 * 2)
    store = ViewStore.build(tmp_path / "views", dataset, dataset.samples, SMALL, POLICY, 0)
    assert (store.samples_per_shard, store.shards) == (2, 6)


def test_what_is_no_store_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a store of views"):
        ViewStore.open(tmp_path)
    make.write(tmp_path / "manifest.json", b'{"version": 1}')
    with pytest.raises(RunError, match="not a store of views"):
        ViewStore.open(tmp_path)
