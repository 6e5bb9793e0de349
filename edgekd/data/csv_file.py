"""A CSV ``filename,label[,split]`` next to its images."""

from __future__ import annotations

import csv
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgekd.data.listing import SPLITS, Listed, Listing, class_order, require_folder, split_name
from edgekd.data.warnings import Finding
from edgekd.errors import DataError

_COLUMNS = ("filename", "label", "split")


def list_csv(path: Path, images: Path | None = None) -> Listing:
    """List the photos of a CSV with the columns filename, label and, if wanted, split (UTF-8, comma).

    A file is looked for next to the CSV, then in ``images``; if that is not given, then in the CSV's folder's
    subfolder, where there is exactly one. A row with an empty label is an unlabelled photo. A file that is missing,
    or listed again, is left out with a finding. Raises DataError.
    """
    folders = _folders(path, images)
    items: dict[str, Listed] = {}
    missing: list[str] = []
    repeated: list[str] = []
    contradicting: list[str] = []
    for number, row in _rows(path):
        name = _checked_name(row["filename"], path, number)
        label, split = _label_and_split(row, path, number)
        file = next((folder / name for folder in folders if (folder / name).is_file()), None)
        if name in items:
            first = items[name].label
            if first == label:
                repeated.append(name)
            else:
                contradicting.append(f"{name} ({first} first, {label} in line {number})")
        elif file is None:
            missing.append(name)
        else:
            items[name] = Listed(name, file, None, label, split)
    searched = " or ".join(str(folder) for folder in folders)
    if missing and not items:
        raise DataError(
            f"none of the {len(missing)} files listed in {path} (the first is {missing[0]}) is in {searched}. "
            "Say where they are with images="
        )
    findings = (
        Finding("missing-files", tuple(missing), f"files listed in {path.name} that are not in {searched} (left out)"),
        Finding("repeated-rows", tuple(repeated), f"rows of {path.name} that repeat a file (used once)"),
        Finding("conflicting-labels", tuple(contradicting), "files listed with two labels (the first is used)"),
    )
    classes = class_order(item.label for item in items.values() if item.label is not None)
    return Listing(tuple(items.values()), classes, findings)


def _folders(path: Path, images: Path | None) -> list[Path]:
    if images is not None:
        require_folder(images, "the CSV's images")
        return [path.parent, images]
    inside = [folder for folder in path.parent.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return [path.parent, *inside] if len(inside) == 1 else [path.parent]


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restkey="", strict=True)
            columns = tuple(reader.fieldnames or ())
            if not {"filename", "label"} <= set(columns) <= set(_COLUMNS) or len(set(columns)) < len(columns):
                raise DataError(
                    f"{path} has the columns {', '.join(columns) or '(none)'}. "
                    "Its first line must be filename,label or filename,label,split, separated by commas"
                )
            rows = []
            for row in reader:
                if None in row.values() or "" in row:
                    raise DataError(f"{path}, line {reader.line_num}: not {len(columns)} values. Correct the line")
                rows.append((reader.line_num, {key: value.strip() for key, value in row.items()}))
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Give the path of a CSV with the columns filename,label") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as a UTF-8 CSV: {error}") from None
    if not rows:
        raise DataError(f"{path} lists no photos. Add a line per photo: filename,label")
    return rows


def _checked_name(text: str, path: Path, number: int) -> str:
    name = PurePosixPath(text)
    if not text or name.is_absolute() or ".." in name.parts or PureWindowsPath(text).drive:
        raise DataError(
            f"{path}, line {number}: filename {text!r} must be relative to the CSV's folder or to images=, without '..'"
        )
    return name.as_posix()


def _label_and_split(row: dict[str, str], path: Path, number: int) -> tuple[str | None, str | None]:
    label = row["label"] or None
    split = split_name(row["split"]) if row.get("split") else None
    if row.get("split") and split is None:
        raise DataError(f"{path}, line {number}: split {row['split']!r} must be one of {', '.join(SPLITS)}, or empty")
    if split == "unlabelled":
        return None, split
    if label is None and split is not None:
        raise DataError(f"{path}, line {number}: a {split} photo without a label. Label it, or empty its split")
    return label, split if label is not None else "unlabelled"
