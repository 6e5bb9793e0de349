"""A CSV ``filename,label[,split]`` next to its images, as people's tools write it: Excel, Windows, macOS."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath, PureWindowsPath

from edgekd.data.csv_columns import columns_of, delimiter_of
from edgekd.data.csv_names import FileFinder
from edgekd.data.listing import SPLITS, ListedPhoto, Listing, class_order, require_folder, split_name
from edgekd.data.names import clean_name
from edgekd.data.text_file import read_text_file
from edgekd.data.warnings import Finding
from edgekd.errors import DataError

Row = dict[str, str]


def list_csv(path: Path, images: Path | None = None) -> Listing:
    """List the photos of a CSV with the columns filename, label and, if wanted, split; other columns are not read.

    The columns may also have the names that other tools give them, such as image and class.
    It may be UTF-8, UTF-16 or Windows-1252, with commas, semicolons or tabs. A file is looked for next to the CSV, then
    in ``images``; if that is not given, then in the CSV's folder's subfolder, where there is exactly one. Backslashes,
    absolute names and names of other case or Unicode form are looked for in the same folders. A row with an empty label
    is an unlabelled photo. A file that is missing, or listed again, is left out with a finding. Raises DataError.
    """
    finder = FileFinder(_folders(path, images), images is not None)
    text, encoding = read_text_file(path, "a CSV with the columns filename,label")
    items: dict[str, ListedPhoto] = {}
    missing: list[str] = []
    repeated: list[str] = []
    contradicting: list[str] = []
    rows, ignored = _rows(text, path)
    for number, row in rows:
        name = _checked_name(row["filename"], path, number)
        label, split = _label_and_split(row, path, number)
        file = finder.find(name)
        if file is None:
            missing.append(name)
            continue
        if file.id not in items:
            items[file.id] = ListedPhoto(file.id, file.path, None, label, split)
        elif items[file.id].label == label:
            repeated.append(name)
        else:
            contradicting.append(f"{name} ({items[file.id].label} first, {label} in line {number})")
    if missing and not items:
        raise DataError(
            f"none of the {len(missing)} files listed in {path} (the first is {missing[0]}) is in {finder.searched}. "
            f"{finder.why_missing(missing[0])}"
        )
    findings = (
        Finding(
            "missing-files", tuple(missing), f"files listed in {path.name} that are not in {finder.searched} (left out)"
        ),
        Finding("renamed-files", tuple(finder.renamed), f"files found under another name than in {path.name} (used)"),
        Finding("other-columns", ignored, f"columns of {path.name} that are not read"),
        Finding("repeated-rows", tuple(repeated), f"rows of {path.name} that repeat a file (used once)"),
        Finding("conflicting-labels", tuple(contradicting), "files listed with two labels (the first is used)"),
        Finding(
            "csv-encoding",
            (path.name,) if encoding == "cp1252" else (),
            "CSVs that are not UTF-8 (read as Windows-1252)",
        ),
    )
    classes = class_order(item.label for item in items.values() if item.label is not None)
    return Listing(tuple(items.values()), classes, findings)


def _folders(path: Path, images: Path | None) -> list[Path]:
    if images is not None:
        require_folder(images, "the CSV's images")
        return [path.parent, images]
    if not path.parent.is_dir():
        return [path.parent]
    inside = [folder for folder in path.parent.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
    return [path.parent, *inside] if len(inside) == 1 else [path.parent]


def _rows(text: str, path: Path) -> tuple[list[tuple[int, Row]], tuple[str, ...]]:
    """Line number and values of every row, and the names of columns that are not read. Raises DataError."""
    start, delimiter = _dialect(text)
    reader = csv.DictReader(io.StringIO(text[start:], newline=""), strict=True, delimiter=delimiter)
    first_line = text.count("\n", 0, start)
    try:
        columns = columns_of(reader.fieldnames or (), str(path))
        reader.fieldnames = list(columns.names)
        rows = []
        for row in reader:
            number = first_line + reader.line_num
            if None in row.values() or None in row:
                raise DataError(f"{path}, line {number}: not {len(columns.names)} values. Correct the line")
            rows.append((number, {key: value.strip() for key, value in row.items()}))
    except csv.Error as error:
        reason = "a quotation mark is opened and not closed" if "end of data" in str(error) else str(error)
        raise DataError(f"{path} cannot be read as a CSV: {reason}. Correct it") from None
    if not rows:
        raise DataError(f"{path} lists no photos. Add a line per photo: filename,label")
    return rows, columns.ignored


def _dialect(text: str) -> tuple[int, str]:
    """Where the header starts, and what separates its columns; Excel may say so in a line of its own."""
    first = text.split("\n", 1)[0].strip()
    if first.lower().startswith("sep=") and len(first) == 5:
        return text.find("\n") + 1, first[4]
    return 0, delimiter_of(first)


def _checked_name(text: str, path: Path, number: int) -> str:
    if not text or ".." in PureWindowsPath(text).parts or ".." in PurePosixPath(text).parts:
        raise DataError(
            f"{path}, line {number}: filename {text!r} must be relative to the CSV's folder or to images=, without '..'"
        )
    return text


def _label_and_split(row: Row, path: Path, number: int) -> tuple[str | None, str | None]:
    label = clean_name(row["label"]) or None
    split = split_name(row["split"]) if row.get("split") else None
    if row.get("split") and split is None:
        raise DataError(f"{path}, line {number}: split {row['split']!r} must be one of {', '.join(SPLITS)}, or empty")
    if split == "unlabelled":
        return None, split
    if label is None and split is not None:
        raise DataError(f"{path}, line {number}: a {split} photo without a label. Label it, or empty its split")
    return label, split if label is not None else "unlabelled"
