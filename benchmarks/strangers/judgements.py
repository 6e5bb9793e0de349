"""The commands of every case, and what is right: the judgements that the table in cases.py names."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import case_files
from trial import (
    COLOURS,
    Step,
    Trial,
    expect_export,
    expect_refusal,
    expect_success,
    expect_teacher,
    keras_answers,
    write_recipe,
)

# For models that Keras itself has wrong on many photos: there a rounding changes a prediction now and then.
UNSURE = ("--min-agreement", "0.85")
Judge = Callable[[Trial], list[Step]]


def exports(model: str, *options: str, accuracy: float = 1.0, size: int = 32, scale: float = 1.0,
             order: tuple[str, ...] = COLOURS) -> Judge:  # fmt: skip
    """Exports with these options, and both formats predict what Keras does."""

    def judge(trial: Trial) -> list[Step]:
        answers = keras_answers(trial.model(model), trial.photo_list(), size=size, scale=scale)
        return [expect_export(trial, model, *options, accuracy=accuracy, answers=answers, labels=order)]

    return judge


def refuses(model: str, *patterns: str) -> Judge:
    """Is refused by ``export`` with one clear error, and nothing is written."""

    def judge(trial: Trial) -> list[Step]:
        out = trial.work / "refused"
        reply = trial.edgekd("export", trial.model(model), "--int8", "--data", trial.photos, "--out", out)
        return [expect_refusal(reply, *patterns, unwritten=out)]

    return judge


def labels_photos(model: str, accuracy: float = 1.0, **keys: Any) -> Judge:
    """Labels the photos as a teacher."""

    def judge(trial: Trial) -> list[Step]:
        keys_of_table = {"model": str(trial.model(model)), "train": False, "classes": list(COLOURS), **keys}
        return [expect_teacher(trial, "teacher", keys_of_table, accuracy=accuracy)]

    return judge


def trains_and_labels(model: str) -> Judge:
    """A new head for the same classes; what is judged is the saved teacher, loaded again by ``label``."""

    def judge(trial: Trial) -> list[Step]:
        keys = {"model": str(trial.model(model)), "train": True, "fine_tune": {"epochs": 30}}
        return [expect_teacher(trial, "trained", keys, accuracy=0.95)]

    return judge


def refuses_or_exports(model: str, *patterns: str, scale: float = 1.0) -> Judge:
    def judge(trial: Trial) -> list[Step]:
        step = expect_export(trial, model)
        if step.exit_code == 0:
            return [step]
        return refuses(model, *patterns)(trial)

    return judge


def judge_two_classes(trial: Trial) -> list[Step]:
    pair = ("green", "red")
    source = case_files.copy_classes(trial, pair)
    photos = trial.photo_list(pair)
    model = "models/m04_sig1.keras"
    answers = keras_answers(trial.model(model), photos)
    steps = [expect_export(trial, model, data=source, photos=photos, answers=answers, labels=pair)]
    # The .onnx file takes 0..255 and does not say so.
    for name, keys in (("keras", {"model": model}), ("onnx", {"model": "onnx/b1logit.onnx", "pixel_range": [0, 255]})):
        table = {**keys, "model": str(trial.model(str(keys["model"]))), "train": False, "classes": list(pair)}
        steps.append(expect_teacher(trial, name, table, classes=pair, source=source))
    return steps


def judge_numeric_names(trial: Trial) -> list[Step]:
    # In text order, "1", "10", "2": the order of green, red and yellow.
    names = {"green": "1", "red": "10", "yellow": "2"}
    model = "models/m05_logits.keras"
    flat = case_files.copy_classes(trial, COLOURS, rename=names, folder="flat")
    split = case_files.split_classes(trial, names, folder="split")
    return [expect_export(trial, model, data=source) for source in (flat, split)]


def judge_label_order(trial: Trial) -> list[Step]:
    model, order = "models/m35_order.keras", ("red", "yellow", "green")
    # Files that fail this gate may lie there, as with every gate of `export` but that of --max-drop.
    reply = trial.edgekd("export", trial.model(model), "--int8", "--data", trial.photos, "--out", trial.work / "no")
    refusal = expect_refusal(reply, "red, ?yellow, ?green")
    answers = keras_answers(trial.model(model), trial.photo_list())
    return [refusal, expect_export(trial, model, "--classes", ",".join(order), answers=answers, labels=order)]


def judge_pixel_range(trial: Trial) -> list[Step]:
    model = "models/m01_unit.keras"
    refusal = refuses(model, "--pixel-range")(trial)
    answers = keras_answers(trial.model(model), trial.photo_list(), scale=1 / 255)
    return [*refusal, expect_export(trial, model, "--pixel-range", "0,1", answers=answers)]


def judge_free_size(trial: Trial) -> list[Step]:
    model = "models/m11_dyn.keras"
    refusal = refuses(model, "--input-size")(trial)
    answers = keras_answers(trial.model(model), trial.photo_list())
    return [*refusal, expect_export(trial, model, "--input-size", "32", answers=answers)]


def judge_layer_norm(trial: Trial) -> list[Step]:
    """int8 of this one needs float ops: plainly it is exported as Keras, or refused with the option that does it."""
    model = "models/l12_layernorm.keras"
    answers = keras_answers(trial.model(model), trial.photo_list())
    plain = expect_export(trial, model, *UNSURE, accuracy=0.0, answers=answers)
    if not plain.right:
        plain = refuses(model, "--float-op|--max-drop")(trial)[0]
    return [plain, expect_export(trial, model, "--max-drop", "5", *UNSURE, accuracy=0.0, answers=answers)]


def judge_outlier(trial: Trial) -> list[Step]:
    model, out = "models/q01_outlier.keras", trial.work / "bounded"
    reply = trial.edgekd(
        "export", trial.model(model), "--int8", "--data", trial.photos, "--out", out, "--max-drop", "2", "--json"
    )
    if reply.exit_code == 0:
        bounded = expect_export(trial, model, "--max-drop", "2", accuracy=0.98)
    else:
        bounded = expect_refusal(reply, "--ranges|percentile|nearest|closest", unwritten=out)
    return [bounded, expect_export(trial, model, "--ranges", "percentile")]


def judge_nan(trial: Trial) -> list[Step]:
    model = trial.model("models/q07_nan.keras")
    return refuses("models/q07_nan.keras", "nan|not a number|not finite", *case_files.nan_layers(model))(trial)


def judge_keras2(trial: Trial) -> list[Step]:
    """The refusal has a command that converts the file; it is run, and what it writes is a teacher."""
    steps = []
    for name in ("models/k2_dw.keras", "models/k2_dw.h5"):
        refusal = refuses(name, "Keras 2", "tf_keras|Keras 3")(trial)[0]
        steps.append(refusal)
        code = re.search(r'python -c "([^"]+)"', refusal.happened)
        if code is not None:
            folder = trial.work / Path(name).name.replace(".", "-")
            model = case_files.convert_keras2(trial.model(name), folder, code[1])
            keys = {"model": str(model), "train": False, "classes": list(COLOURS), "pixel_range": [0, 255]}
            steps.append(expect_success(trial.edgekd("label", write_recipe(trial, folder.name, keys))))
    return steps


def judge_h5(trial: Trial) -> list[Step]:
    model = "models/m17_keras3.h5"
    steps = exports(model)(trial) + labels_photos(model)(trial)
    recipe = write_recipe(
        trial, "student", {"model": str(trial.model("models/m05_logits.keras")), "train": False, "classes": COLOURS},
        student=str(trial.model(model)),
    )  # fmt: skip
    return [*steps, expect_success(trial.edgekd("run", recipe, "--until", "start"))]


def judge_custom(trial: Trial) -> list[Step]:
    model = "models/l41_custom.keras"
    case_files.write_custom_module(trial.work)
    reply = trial.edgekd("export", trial.model(model), "--int8", "--data", trial.photos, "--out", trial.work / "no")
    refusal = expect_refusal(reply, "Swish1", "--import", unwritten=trial.work / "no")
    answers = keras_answers(trial.model(model), trial.photo_list(), custom=lambda: case_files.import_custom(trial.work))
    return [refusal, expect_export(trial, model, "--import", case_files.CUSTOM, *UNSURE, accuracy=0.0, answers=answers)]


def judge_list_output(trial: Trial) -> list[Step]:
    model = "models/listout.keras"
    answers = keras_answers(trial.model(model), trial.photo_list(), size=64)
    exported = expect_export(trial, model, *UNSURE, accuracy=0.0, answers=answers)
    if exported.exit_code == 3 and "chance" in exported.happened:
        # Its weights are random, and so are Keras' own predictions: the gate is right.
        exported = replace(exported, right=True)
    keys = {"model": str(trial.model(model)), "train": False, "classes": list(COLOURS)}
    taught = expect_teacher(trial, "teacher", keys, answers=answers)
    student = {"model": str(trial.model("models/m05_logits.keras")), "train": False, "classes": list(COLOURS)}
    recipe = write_recipe(trial, "student", student, student=str(trial.model(model)))
    return [exported, taught, expect_success(trial.edgekd("run", recipe, "--until", "distill"))]


def judge_label_dictionary(trial: Trial) -> list[Step]:
    model = trial.model("onnx/o7_dictorder.onnx")
    reply = trial.edgekd("inspect", model, "--all")
    line = next((text.strip() for text in reply.stdout.splitlines() if text.startswith("labels")), reply.message)
    shown = Step(reply.command, reply.exit_code, line, bool(re.search("green, red, yellow", line)))
    keys = {"model": str(model), "train": False, "pixel_range": [0, 255]}
    return [shown, expect_teacher(trial, "teacher", keys)]


def judge_free_dimensions(trial: Trial) -> list[Step]:
    reply = trial.edgekd("inspect", trial.model("onnx/o4_alldyn.onnx"), "--all", "--strict")
    found = [text.strip() for text in reply.stdout.splitlines() if text.startswith("error")]
    ran = "runs           yes" in reply.stdout
    happened = "; ".join(found) or ("runs" if ran else reply.message)
    return [Step(reply.command, reply.exit_code, happened[:300], reply.exit_code == 0 and not found and ran)]


def judge_float_edges(trial: Trial) -> list[Step]:
    reply = trial.edgekd("inspect", trial.model("tflite/t5_floatio.tflite"), "--no-layers")
    texts = [
        " ".join(text.split())
        for text in re.findall(r"^(?:error|warning|note) .*(?:\n +.*)*", reply.stdout, re.MULTILINE)
        if "float" in text and "int" in text
    ]
    return [Step(reply.command, reply.exit_code, "; ".join(texts)[:300] or "no word of it", bool(texts))]


def judge_mutant(trial: Trial) -> list[Step]:
    file, photo = trial.model("tflite/mutant.tflite"), trial.photo_list()[0]
    recipe = write_recipe(
        trial, "mutant", {"model": str(file), "train": False, "classes": list(COLOURS), "pixel_range": [0, 1]}
    )
    replies = [
        trial.edgekd("predict", file, photo), trial.edgekd("check", file, "--data", trial.photos),
        trial.edgekd("bench", file, "--data", trial.photos, "--launches", "1", "--seconds", "0.1"),
        trial.edgekd("label", recipe), trial.edgekd("inspect", file),
    ]  # fmt: skip
    return [expect_refusal(reply, "mutant.tflite") for reply in replies]


def judge_suffixes(trial: Trial) -> list[Step]:
    source = case_files.copy_with_suffixes(trial, {"green": ".jfif", "red": ".jpe", "yellow": ".mpo"})
    step = expect_export(trial, "models/m05_logits.keras", data=source)
    if step.exit_code and re.search(r"\.jfif|\.jpe\b|\.mpo", step.happened):
        return [Step(step.command, step.exit_code, step.happened, True)]
    return [step]


def judge_split_folders(trial: Trial) -> list[Step]:
    """Training/Testing: either they are the splits, or they are refused by name; never classes in silence."""
    source = case_files.split_classes(
        trial, {name: name for name in COLOURS}, folder="source", splits=("Training", "Testing")
    )
    inner = _expect_classes(trial, "splits", source, COLOURS, "Training|Testing")
    odd = case_files.copy_classes(
        trial, COLOURS, rename={"green": "clean", "red": "littered", "yellow": "unlabelled"}, folder="odd"
    )
    return [inner, _expect_classes(trial, "odd", odd, ("clean", "littered"), "unlabelled")]


def _expect_classes(trial: Trial, name: str, source: Path, classes: tuple[str, ...], named: str) -> Step:
    """Right is a line that lists exactly these classes with their counts, or a refusal that has ``named``."""
    from edgekd.storage import read_json

    recipe = write_recipe(trial, name, {"model": str(trial.model("models/m05_logits.keras"))}, source=source)
    reply = trial.edgekd("run", recipe, "--until", "data")
    if reply.exit_code or reply.crash:
        return expect_refusal(reply, named)
    read = read_json(trial.work / "runs" / name / "data" / "dataset.json")["classes"]
    listed = all(re.search(rf"{label}\W+\d+|\d+ {label}", reply.stderr + reply.stdout) for label in classes)
    happened = f"classes {', '.join(read)}; counts {'printed' if listed else 'not printed'}"
    return Step(reply.command, 0, happened, tuple(read) == classes and listed)


def judge_byte_order_mark(trial: Trial) -> list[Step]:
    labels = trial.work / "labels.txt"
    labels.write_bytes(b"\xef\xbb\xbf" + "".join(f"{name}\r\n" for name in COLOURS).encode())
    model = str(trial.model("models/m05_logits.keras"))
    taught = expect_teacher(trial, "teacher", {"model": model, "train": False, "classes": str(labels)})
    return [taught, expect_export(trial, "models/m05_logits.keras", "--classes", labels)]


def judge_windows_csv(trial: Trial) -> list[Step]:
    source = case_files.write_windows_csv(trial)
    step = expect_export(trial, "models/m05_logits.keras", "--images", trial.photos, data=source)
    if step.exit_code and re.search(r"backslash|\\", step.happened) and "Say where" not in step.happened:
        return [Step(step.command, step.exit_code, step.happened, True)]
    return [step]


def judge_hostile(trial: Trial) -> list[Step]:
    target = trial.work / "written-by-the-model"
    model = case_files.save_hostile_model(trial.work / "hostile", target)
    reply = trial.edgekd("label", write_recipe(trial, "hostile", {
        "model": str(model), "train": False, "classes": list(COLOURS), "pixel_range": [0, 255]}))  # fmt: skip
    step = expect_refusal(reply, "DatasetFromGraph|DatasetToSingleElement|op")
    if target.exists():
        return [Step(step.command, step.exit_code, "the model wrote a file", False)]
    return [step]
