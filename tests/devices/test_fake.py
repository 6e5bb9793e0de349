from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from edgekd.devices import Completed, Device
from edgekd.devices.fake import FakeDevice
from edgekd.errors import DeviceError


def test_script_sees_pushed_files_and_may_leave_some(tmp_path: Path) -> None:
    def script(argv: Sequence[str], files: dict[str, bytes]) -> Completed:
        files[argv[1]] = files[argv[0]].upper()
        return Completed(0, "done", "")

    device = FakeDevice(script)
    assert isinstance(device, Device)
    (tmp_path / "a").write_bytes(b"abc")
    with device.workspace() as folder:
        device.push(tmp_path / "a", f"{folder}/a")
        assert device.run([f"{folder}/a", f"{folder}/b"], 1).stdout == "done"
        device.pull(f"{folder}/b", tmp_path / "b")
        assert device.workspaces_left == [folder]
    assert (tmp_path / "b").read_bytes() == b"ABC"
    assert device.calls == [(f"{folder}/a", f"{folder}/b")]
    assert device.files == {} and device.workspaces_left == []
    with pytest.raises(DeviceError, match="does not exist"):
        device.pull("/fake/1/b", tmp_path / "b")
