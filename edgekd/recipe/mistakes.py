"""What is wrong with a recipe, in one line per mistake, and which key was probably meant."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel

from edgekd.recipe.keys import all_keys, form_of, models_in
from edgekd.recipe.sections import Recipe

_MOST = 5
# Names that people use for keys: what they may mean, by the ends of keys' paths, the likeliest first.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "temperature": ("softmax_temperature",),
    "temp": ("softmax_temperature",),
    "tau": ("softmax_temperature",),
    "t": ("softmax_temperature",),
    "alpha": ("label_weight",),
    "kd_weight": ("label_weight",),
    "loss": ("distill.objective",),
    "method": ("distill.objective", "quantize.qat.method", "quantize.sparsity.method"),
    "lr": ("learning_rate",),
    "wd": ("weight_decay",),
    "warmup": ("warmup_share",),
    "warmup_epochs": ("warmup_share",),
    "num_epochs": ("epochs",),
    "steps": ("distill.schedule.epochs",),
    "max_steps": ("distill.schedule.epochs",),
    "patience": ("distill.schedule.epochs",),
    "early_stopping": ("distill.schedule.epochs",),
    "batch": ("batch_size", "export.batch"),
    "batchsize": ("batch_size",),
    "image_size": ("student.model", "teacher.input_size"),
    "img_size": ("student.model", "teacher.input_size"),
    "imgsz": ("student.model", "teacher.input_size"),
    "resolution": ("student.model", "teacher.input_size"),
    "size": ("student.model", "teacher.input_size"),
    "input_size": ("student.model", "teacher.input_size"),
    "augment": ("data.views",),
    "augmentation": ("data.views",),
    "augmentations": ("data.views",),
    "rotation": ("rotation_deg",),
    "hue": ("hue_deg",),
    "num_classes": ("teacher.classes", "data.source"),
    "labels": ("distill.labels", "teacher.classes"),
    "random_seed": ("seed",),
    "num_seeds": ("seeds",),
    "repeats": ("seeds", "bench.launches"),
    "runs": ("seeds", "bench.launches"),
    "int8": ("quantize", "export.formats"),
    "calibration_images": ("export.calibration",),
    "calibration_size": ("export.calibration",),
    "qat": ("quantize.qat",),
    "aware": ("quantize.qat",),
    "pruning": ("quantize.sparsity",),
    "prune": ("quantize.sparsity",),
    "float16": ("quantize.precisions",),
    "fp16": ("quantize.precisions",),
    "val_split": ("data.split.val",),
    "validation_split": ("data.split.val",),
    "test_split": ("data.split.test",),
    "teacher_model": ("teacher.model",),
    "student_model": ("student.model",),
    "arch": ("student.model", "teacher.model"),
    "backbone": ("student.model", "teacher.model"),
    "pretrained": ("teacher.weights",),
    "freeze": ("student.freeze_blocks",),
    "path": ("data.source",),
    "folder": ("data.source",),
    "dataset": ("data.source",),
    "train_dir": ("data.source",),
    "unlabeled": ("data.unlabelled",),
    "multi_label": ("data.task",),
    "multilabel": ("data.task",),
    "background": ("data.none",),
    "negatives": ("data.none",),
    "other": ("data.none",),
    "taught": ("data.soft_labelled",),
    "pseudo_labels": ("data.unlabelled", "data.soft_labelled"),
    "format": ("export.formats",),
    "tolerance": ("quantize.max_drop",),
    "num_threads": ("bench.threads",),
    "warmup_iterations": ("bench.warmup_min_iterations",),
    "iterations": ("bench.min_iterations", "bench.max_iterations"),
}
# Names that people use for tables, and where the keys in them may be meant to be.
SECTION_SYNONYMS: dict[str, tuple[str, ...]] = {
    "train": ("distill.schedule", "teacher.fine_tune"),
    "training": ("distill.schedule", "teacher.fine_tune"),
    "trainer": ("distill.schedule", "teacher.fine_tune"),
    "optimizer": ("distill.schedule", "teacher.fine_tune"),
    "optim": ("distill.schedule", "teacher.fine_tune"),
    "finetune": ("teacher.fine_tune",),
    "fine_tuning": ("teacher.fine_tune",),
    "distillation": ("distill",),
    "kd": ("distill",),
    "objective": ("distill.objective",),
    "loss": ("distill.objective",),
    "model": ("student", "teacher"),
    "models": ("student", "teacher"),
    "dataset": ("data",),
    "datasets": ("data",),
    "photos": ("data",),
    "augmentation": ("data.views",),
    "augment": ("data.views",),
    "split": ("data.split",),
    "splits": ("data.split",),
    "views": ("data.views",),
    "quantization": ("quantize",),
    "quantisation": ("quantize",),
    "quant": ("quantize",),
    "int8": ("quantize",),
    "qat": ("quantize.qat",),
    "pruning": ("quantize.sparsity",),
    "sparsity": ("quantize.sparsity",),
    "benchmark": ("bench",),
    "benchmarking": ("bench",),
    "convert": ("export",),
    "output": ("export",),
}
_FIRST = ("distill", "student", "teacher", "data", "quantize", "export", "gates", "bench")


def explain_error(item: Any) -> str:
    """What one pydantic error says: the key, what is wrong with it, and the nearest valid ones."""
    if not item["loc"]:  # What is wrong between sections has no key of its own.
        return str(item["msg"]).removeprefix("Value error, ")
    names, sections = _locate(item["loc"])
    where = ".".join(names)
    if item["type"] == "extra_forbidden":
        return "; ".join(_explain_unknown(names, sections, item["input"]))
    message = str(item["msg"]).removeprefix("Value error, ")
    got = "" if item["type"] == "missing" or isinstance(item["input"], dict) else f", got {item['input']!r}"
    return f"{where}: {message}{got}" if where else message


def suggest(path: str, *, is_table: bool = False) -> list[str]:
    """The keys that an unknown ``path`` may stand for, the likeliest first; at most 5.

    They are looked for in the whole recipe: by their last part, by the names that people use, then by spelling; those
    in the table that was named, or in what people call so, come alone. ``is_table``: the path is a table's.
    """
    parts = [part.strip().lower().replace("-", "_") for part in path.split(".")]
    leaf, scopes = parts[-1], _scopes(parts[:-1])
    if is_table and leaf in SECTION_SYNONYMS:
        return list(SECTION_SYNONYMS[leaf])
    found = _named(leaf, path) or _similar(leaf, scopes)
    return (_within(found, scopes) or found)[:_MOST]


def _explain_unknown(names: list[str], sections: list[type[BaseModel]], value: Any) -> list[str]:
    where = ".".join(names)
    if isinstance(value, dict) and value and names[-1].lower() in SECTION_SYNONYMS:
        return [line for key, inner in value.items() for line in _explain_unknown([*names, key], [], inner)]
    if forms := _other_forms(names, sections):
        return [f"key {where!r} belongs to {' or '.join(forms)}; {_valid(sections)}"]
    plain = ".".join(name for name in names if not name.isdigit())
    near = [name for name in suggest(plain, is_table=isinstance(value, dict)) if name != plain]
    return [f"unknown key {where!r}; {f'did you mean {_either(near)}?' if near else _valid(sections)}"]


def _either(names: list[str]) -> str:
    shown = [repr(name) for name in names]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _valid(sections: list[type[BaseModel]]) -> str:
    names = dict.fromkeys(name for section in sections for name in section.model_fields)
    return f"valid here: {', '.join(names)}" if names else "`edgekd recipe` prints every key"


def _other_forms(names: list[str], sections: list[type[BaseModel]]) -> list[str]:
    """What selects the tables that have this key, where the one that was chosen has not."""
    plain = ".".join(name for name in names if not name.isdigit())
    if any(names[-1] in section.model_fields for section in sections):
        return []
    return [key.form for key in all_keys() if key.path == plain and key.form]


def _scopes(section: list[str]) -> list[str]:
    """Where to look first: the table that was named, its parents, and what its name is used for."""
    scopes = [".".join(section[:length]) for length in range(len(section), 0, -1)]
    known = {key.path for key in all_keys() if key.holds}
    found = [scope for scope in scopes if scope in known]
    for name in reversed(section):
        if not found:
            found = list(SECTION_SYNONYMS.get(name, ()))
    if not found and section:
        found = difflib.get_close_matches(section[0], [name for name in known if "." not in name], 1, 0.7)
    return found


def _within(paths: list[str], scopes: list[str]) -> list[str]:
    own_tables = scopes if scopes and not any(a.startswith(f"{b}.") for a in scopes for b in scopes) else []
    if own_tables:
        return [path for path in paths if any(path.startswith(f"{scope}.") for scope in own_tables)]
    for scope in scopes:  # From the innermost table outwards.
        if inside := [path for path in paths if path.startswith(f"{scope}.")]:
            return inside
    return []


def _searched(path: str) -> list[str]:
    """Keys to look among: those of a list's entries only where one of its keys was mistyped."""
    paths = [key.path for key in all_keys() if not key.listed or path.startswith(f"{key.section}.")]
    order = {name: rank for rank, name in enumerate(_FIRST)}
    return sorted(dict.fromkeys(paths), key=lambda p: (order.get(p.split(".")[0], -1), paths.index(p)))


def _named(leaf: str, path: str) -> list[str]:
    paths = _searched(path)
    targets = (*SYNONYMS.get(leaf, ()), leaf)
    return list(dict.fromkeys(p for target in targets for p in paths if p == target or p.endswith(f".{target}")))


def _similar(leaf: str, scopes: list[str]) -> list[str]:
    searched = _searched(".".join([*scopes[:1], leaf]))
    inside = _within(searched, scopes)
    for paths, cutoff in ((inside, 0.6), (searched, 0.75)):
        leaves = list(dict.fromkeys(path.rpartition(".")[2] for path in paths))
        near = difflib.get_close_matches(leaf, leaves, 2, cutoff)
        if near:
            return [path for name in near[:1] for path in paths if path.rpartition(".")[2] == name]
    near = difflib.get_close_matches(leaf, SYNONYMS, 1, 0.8)
    if near:
        return _named(near[0], leaf)
    near = difflib.get_close_matches(leaf, SECTION_SYNONYMS, 1, 0.8)
    return list(SECTION_SYNONYMS[near[0]]) if near else []


def _locate(loc: tuple[int | str, ...]) -> tuple[list[str], list[type[BaseModel]]]:
    """A key's path as a user wrote it, and the sections that its last part may be a key of."""
    names: list[str] = []
    sections: list[type[BaseModel]] = [Recipe]
    for part in loc[:-1]:
        fields = [section.model_fields[part] for section in sections if part in section.model_fields]
        if fields:
            sections = [model for field in fields for model in models_in(field.annotation)]
        elif chosen := [section for section in sections if form_of(section).endswith(f'"{part}"')]:
            sections = chosen  # Pydantic's own name for the form that was chosen.
        # The rest are numbers of a list's entries, and pydantic's own names for the forms that a value may have.
        if fields or isinstance(part, int):
            names.append(str(part))
    return [*names, *map(str, loc[-1:])], sections
