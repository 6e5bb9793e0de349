"""TFLite's standard metadata, built by hand: what MediaPipe Tasks and Android's tools read.

Source: metadata_schema.fbs of tflite-support (file identifier M001); a field's slot is its place in its table there.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flatbuffers

from edgekd.export.record import Record
from edgekd.formats.decision import Decision, least_float32

BUFFER_NAME = "TFLITE_METADATA"
LABELS_FILE = "labels.txt"
THRESHOLDS_FILE = "score_calibration.txt"
_IDENTIFIER = b"M001"
_AXIS_LABELS = 2
_AXIS_SCORE_CALIBRATION = 4
_RGB = 1
_IMAGE_PROPERTIES = 2
_FEATURE_PROPERTIES = 1
_NORMALIZATION_OPTIONS = 1
_SCORE_CALIBRATION_OPTIONS = 2
_SCORE_THRESHOLDING_OPTIONS = 3
_INVERSE_LOGISTIC = 2
# The score of a tag below its threshold, and the least score that is given.
_BELOW, _LEAST = -1.0, 0.0


def standard_metadata(record: Record, *, name: str, input_name: str, output_name: str) -> bytes:
    """The metadata flatbuffer of an image classifier with a uint8 input.

    Its normalization is mean 0, std 1: readers feed the raw bytes, because the range is in the graph. The thresholds of
    the record's decision become the readers' own, so that they give the same labels.
    """
    builder = flatbuffers.Builder(2048)
    size = f"{record.preprocessing.height} x {record.preprocessing.width}"
    image = _tensor(
        builder,
        name=input_name,
        description=f"RGB photo, {size}, uint8 0..255 as decoded: nothing to subtract or divide",
        content=_content(builder, _IMAGE_PROPERTIES, _table(builder, {0: _byte(_RGB)})),
        process_units=[_normalization(builder)],
    )
    labels = _table(
        builder,
        {0: _text(builder, LABELS_FILE), 1: _text(builder, "One class a line"), 2: _byte(_AXIS_LABELS)},
    )
    scores = _tensor(
        builder,
        name=output_name,
        description="Probability of every class",
        content=_content(builder, _FEATURE_PROPERTIES, _table(builder, {})),
        process_units=_score_units(builder, record),
        files=[labels, *_threshold_files(builder, record)],
    )
    subgraph = _table(builder, {2: _offset(_vector(builder, [image])), 3: _offset(_vector(builder, [scores]))})
    root = _table(
        builder,
        {
            0: _text(builder, name),
            1: _text(builder, record.describe()),
            2: _text(builder, record.version),
            3: _offset(_vector(builder, [subgraph])),
            4: _text(builder, record.author),
            5: _text(builder, record.license),
            7: _text(builder, "1.0.0"),
        },
    )
    builder.Finish(root, file_identifier=_IDENTIFIER)
    return bytes(builder.Output())


def append_files(content: bytes, record: Record) -> bytes:
    """Append the labels, and thresholds where tags have their own, as a zip behind the model's last byte."""
    stream = io.BytesIO(content)
    stream.seek(0, io.SEEK_END)
    files = {LABELS_FILE: "\n".join(record.labels) + "\n"}
    if _has_own_thresholds(record):
        # Without a last line break, behind which readers would look for another class.
        files[THRESHOLDS_FILE] = "\n".join(f"1,1,0,{_text_of(least)}" for least in _thresholds(record))
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_STORED) as archive:
        for name, text in files.items():
            # A fixed date, so that one model gives one file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text)
    return stream.getvalue()


def _thresholds(record: Record) -> tuple[float, ...]:
    decision = record.decision or Decision()
    if decision.task == "multi-label":
        return decision.thresholds
    return () if decision.reject_below is None else (decision.reject_below,)


def _has_own_thresholds(record: Record) -> bool:
    return len(set(_thresholds(record))) > 1


def _text_of(threshold: float) -> str:
    return f"{float(least_float32(threshold)):.9g}"


def _score_units(builder: Any, record: Record) -> list[int]:
    """One threshold is the schema's own. Several are calibrations that change no score but those below them.

    The inverse of the logistic function before a logistic function changes nothing, and what is below the least score
    of its line becomes ``_BELOW``.
    """
    thresholds = _thresholds(record)
    if not thresholds:
        return []
    if not _has_own_thresholds(record):
        return [_threshold_unit(builder, float(least_float32(thresholds[0])))]
    options = _table(builder, {0: _byte(_INVERSE_LOGISTIC), 1: _float(_BELOW)})
    calibration = _table(builder, {0: _byte(_SCORE_CALIBRATION_OPTIONS), 1: _offset(options)})
    return [calibration, _threshold_unit(builder, _LEAST)]


def _threshold_unit(builder: Any, threshold: float) -> int:
    options = _table(builder, {0: _float(threshold)})
    return _table(builder, {0: _byte(_SCORE_THRESHOLDING_OPTIONS), 1: _offset(options)})


def _threshold_files(builder: Any, record: Record) -> list[int]:
    if not _has_own_thresholds(record):
        return []
    text = "The last number of a line is the least score of a class"
    slots = {0: _text(builder, THRESHOLDS_FILE), 1: _text(builder, text), 2: _byte(_AXIS_SCORE_CALIBRATION)}
    return [_table(builder, slots)]


_Slot = Callable[[Any, int], None]


def _table(builder: Any, slots: Mapping[int, _Slot]) -> int:
    builder.StartObject(max(slots, default=-1) + 1)
    for number, put in slots.items():
        put(builder, number)
    return int(builder.EndObject())


def _offset(value: int) -> _Slot:
    return lambda builder, slot: builder.PrependUOffsetTRelativeSlot(slot, value, 0)


def _byte(value: int) -> _Slot:
    return lambda builder, slot: builder.PrependUint8Slot(slot, value, 0)


def _float(value: float) -> _Slot:
    return lambda builder, slot: builder.PrependFloat32Slot(slot, value, 0.0)


def _text(builder: Any, value: str) -> _Slot:
    return _offset(builder.CreateString(value))


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _floats(builder: Any, values: Sequence[float]) -> int:
    builder.StartVector(4, len(values), 4)
    for value in reversed(values):
        builder.PrependFloat32(value)
    return int(builder.EndVector())


def _normalization(builder: Any) -> int:
    options = _table(builder, {0: _offset(_floats(builder, [0.0])), 1: _offset(_floats(builder, [1.0]))})
    return _table(builder, {0: _byte(_NORMALIZATION_OPTIONS), 1: _offset(options)})


def _content(builder: Any, kind: int, properties: int) -> int:
    return _table(builder, {0: _byte(kind), 1: _offset(properties)})


def _tensor(
    builder: Any,
    *,
    name: str,
    description: str,
    content: int,
    process_units: Sequence[int] = (),
    files: Sequence[int] = (),
) -> int:
    slots = {0: _text(builder, name), 1: _text(builder, description), 3: _offset(content)}
    if process_units:
        slots[4] = _offset(_vector(builder, process_units))
    if files:
        slots[6] = _offset(_vector(builder, files))
    return _table(builder, slots)
