"""One training of the student: a row of the benchmark has one for each seed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from fashion import MIXED, VIEW_SEED, VIEWS, MixedViews, StoredViews, hash_name, load
from networks import multiplications, source_of, student_network
from teacher import NO_VALIDATION, StoredOutputs, teacher_name
from variants import BATCH, WEIGHT_DECAY, Setting, Variant

from edgekd.data.views import ViewPolicy
from edgekd.distill.bind import bind
from edgekd.models.load import load_model
from edgekd.storage import read_json
from edgekd.training.batches import UNLABELLED, BatchStream
from edgekd.training.loop import logits_of, make_deterministic, train
from edgekd.training.schedule import Schedule


def labelled_count(images: int) -> int:
    """How many of the training images have labels: 3,000 of 60,000."""
    return images // 20


def held_out_count(images: int) -> int:
    """How many training images a choice of settings is judged on: 5,000 of 60,000."""
    return images // 12


def policy_of(variant: Variant) -> ViewPolicy:
    """How its views are drawn."""
    return MIXED if variant.mixed else VIEWS


def settings_of(variant: Variant, setting: Setting, seed: int, *, held_out: bool, epochs: int) -> dict[str, Any]:
    """All that decides a run, JSON-able."""
    images = len(load("train").labels)
    return {
        "labels": variant.labels, "photos": variant.photos, "views": variant.views, "labelled": labelled_count(images),
        "policy": policy_of(variant).model_dump(mode="json"), "view_seed": VIEW_SEED,
        "objective": setting.objective.model_dump(mode="json"),
        "confidence": setting.confidence and setting.confidence.model_dump(mode="json"),
        "schedule": _schedule(setting, epochs).model_dump(mode="json"),
        "student": source_of(student_network),
        "teacher": f"{teacher_name()}, mean of mirrored" if variant.distilled else None,
        "seed": seed, "held_out": held_out_count(images) if held_out else 0,
    }  # fmt: skip


def run_name(variant: Variant, setting: Setting, seed: int, *, held_out: bool, epochs: int) -> str:
    """The name of a run's file: readable words, and the hash of all that decides it."""
    settings = settings_of(variant, setting, seed, held_out=held_out, epochs=epochs)
    return f"{'tune' if held_out else 'run'}-{variant.name}-{setting.name}-{seed}-{hash_name(settings)}"


def train_student(
    work: Path, variant: Variant, setting: Setting, seed: int, *, held_out: bool, epochs: int
) -> dict[str, Any]:
    """Train one student; its accuracy on the test images, or with ``held_out`` on 5,000 held-out training images.

    ``seed`` decides which 3,000 images have labels, the student's start and the order of the batches.
    """
    import keras

    train_set, started = load("train"), time.process_time()
    order = np.random.default_rng(seed).permutation(len(train_set.labels))
    few, apart = labelled_count(len(order)), held_out_count(len(order)) if held_out else 0
    pool, held = order[: len(order) - apart], order[len(order) - apart :]
    labels = np.full(len(train_set.labels), UNLABELLED)
    known = pool if variant.labels == "all" else pool[:few]
    labels[known] = train_set.labels[known]
    photos = pool if variant.photos == "all" else pool[:few]
    keras.backend.clear_session()
    make_deterministic(seed)
    student = student_network()
    folder, policy = work / teacher_name(), policy_of(variant)
    teacher = load_model(folder / "teacher.keras") if setting.features else None
    bound = bind(setting.objective, student, teacher, setting.confidence)
    stream = BatchStream(
        (MixedViews if variant.mixed else StoredViews)(work, variant.views, policy), photos, labels,
        StoredOutputs(folder, "mean-logits", policy) if variant.distilled else None,
        batch_size=BATCH, seed=seed, features=[StoredOutputs(folder, "features", policy)] * len(bound.teacher_layers),
    )  # fmt: skip
    schedule = _schedule(setting, epochs)
    name = run_name(variant, setting, seed, held_out=held_out, epochs=epochs)
    checkpoint = work / "checkpoints" / f"{name}.npz"
    history = train(
        student, bound, stream, NO_VALIDATION, schedule, steps_per_epoch=schedule.steps_per_epoch(len(pool)),
        checkpoint=checkpoint, key=name, tapped=bound.tapped,
    )  # fmt: skip
    checkpoint.unlink(missing_ok=True)
    scored = train_set if held_out else load("t10k")
    images, truth = (scored.pixels[held], scored.labels[held]) if held_out else (scored.pixels, scored.labels)
    predictions = logits_of(student, images, 500).argmax(axis=1)
    result = {
        "accuracy": float(np.mean(predictions == truth)), "parameters": student.count_params(), "epochs": epochs,
        "multiplications": multiplications(student),
        "steps": history.steps, "seconds": round(history.seconds, 1), "wait_share": round(history.wait_share, 4),
        "cpu_s": round(time.process_time() - started), "loss": history.epochs[-1]["loss"],
        "settings": settings_of(variant, setting, seed, held_out=held_out, epochs=epochs),
    }  # fmt: skip
    if not held_out:
        result["teacher_agreement"] = float(
            np.mean(predictions == np.asarray(read_json(folder / "mean.json")["answers"]))
        )
    return result


def _schedule(setting: Setting, epochs: int) -> Schedule:
    return Schedule(epochs=epochs, batch_size=BATCH, learning_rate=setting.learning_rate, weight_decay=WEIGHT_DECAY)
