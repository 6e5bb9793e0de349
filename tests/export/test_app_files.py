from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekd.errors import EdgekdError, UsageError
from edgekd.export import app_files
from edgekd.export.app_files import RECORD, AppChanges, write_app_files

FILES = {"model.tflite": b"model", "golden/a.rgb": b"a", "golden/b.rgb": b"b"}


def contents(folder: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name != RECORD}


def test_the_second_time_only_what_is_ours_is_changed(tmp_path: Path) -> None:
    (tmp_path / "App.swift").write_bytes(b"theirs")
    assert write_app_files(tmp_path, FILES) == AppChanges(added=tuple(sorted(FILES)))
    assert write_app_files(tmp_path, FILES) == AppChanges(unchanged=tuple(sorted(FILES)))
    (tmp_path / "golden/b.rgb").write_bytes(b"edited")
    changes = write_app_files(tmp_path, {"model.tflite": b"another", "golden/b.rgb": b"c"})
    assert changes == AppChanges(updated=("model.tflite",), removed=("golden/a.rgb",), edited=("golden/b.rgb",))
    assert contents(tmp_path) == {"App.swift": b"theirs", "model.tflite": b"another", "golden/b.rgb": b"edited"}
    # It stays theirs until it is deleted.
    assert write_app_files(tmp_path, {"golden/b.rgb": b"c"}).edited == ("golden/b.rgb",)
    (tmp_path / "golden/b.rgb").unlink()
    assert write_app_files(tmp_path, {"golden/b.rgb": b"c"}).added == ("golden/b.rgb",)


def test_a_file_that_is_no_longer_written_goes_with_its_folder_unless_it_was_edited(tmp_path: Path) -> None:
    write_app_files(tmp_path, FILES)
    (tmp_path / "model.tflite").write_bytes(b"edited")
    assert write_app_files(tmp_path, {}) == AppChanges(
        removed=("golden/a.rgb", "golden/b.rgb"), edited=("model.tflite",)
    )
    assert contents(tmp_path) == {"model.tflite": b"edited"} and not (tmp_path / "golden").exists()
    assert write_app_files(tmp_path, {}) == AppChanges()


def test_what_edgekd_did_not_write_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "golden").mkdir()
    (tmp_path / "golden/a.rgb").write_bytes(b"theirs")
    with pytest.raises(UsageError, match=r"golden/a\.rgb would be overwritten, and edgekd did not write it"):
        write_app_files(tmp_path, FILES)
    assert contents(tmp_path) == {"golden/a.rgb": b"theirs"}
    (tmp_path / "golden/a.rgb").unlink()
    (tmp_path / "golden/a.rgb").mkdir()
    with pytest.raises(UsageError, match="cannot be replaced by a file"):
        write_app_files(tmp_path, FILES)


def test_files_are_known_as_ours_after_a_kill_between_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_app_files(tmp_path, FILES)
    write_bytes = app_files.write_bytes

    def stop_at_golden(path: Path, content: bytes) -> None:
        if path.parent.name == "golden":
            raise KeyboardInterrupt
        write_bytes(path, content)

    monkeypatch.setattr(app_files, "write_bytes", stop_at_golden)
    newer = {name: content + b"2" for name, content in FILES.items()}
    with pytest.raises(KeyboardInterrupt):
        write_app_files(tmp_path, newer)
    monkeypatch.undo()
    newest = {name: content + b"3" for name, content in FILES.items()}
    assert write_app_files(tmp_path, newest) == AppChanges(updated=tuple(sorted(FILES)))


@pytest.mark.parametrize(
    "record", ["[]", "{", '{"schema": 2, "files": {}}', '{"schema": 1, "files": {"../x": ["0"]}}', '{"schema": 1}']
)
def test_a_spoilt_record_is_refused_and_nothing_is_removed(tmp_path: Path, record: str) -> None:
    outside = tmp_path / "x"
    outside.write_bytes(b"")
    app = tmp_path / "app"
    write_app_files(app, FILES)
    assert json.loads((app / RECORD).read_text())["files"].keys() == FILES.keys()
    (app / RECORD).write_text(record)
    with pytest.raises(EdgekdError, match=RECORD):
        write_app_files(app, {})
    assert outside.exists() and contents(app) == FILES
