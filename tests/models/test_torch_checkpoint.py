"""The checkpoint reader admits tensors and nothing else."""

from __future__ import annotations

import io
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekd.errors import ModelError
from edgekd.models.torch_checkpoint import read_checkpoint

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001


class _Global:
    """Pickles as the bare name of something in a module, as torch's own classes do."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Rebuilt:
    def __init__(self, key: str, count: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> None:
        self.key, self.count, self.shape, self.strides, self.offset = key, count, shape, strides, offset


class _Writer(pickle._Pickler):  # type: ignore[name-defined]
    """Writes what torch 1.x wrote, without torch."""

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, _Global):
            self.write(b"c" + obj.module.encode() + b"\n" + obj.name.encode() + b"\n")
        elif isinstance(obj, _Rebuilt):
            self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
            self.write(b"(")
            self.write(b"(")
            for part in ("storage", _Global("torch", "FloatStorage"), obj.key, "cpu", obj.count, None):
                self.save(part)
            self.write(b"tQ")
            for part in (obj.offset, obj.shape, obj.strides, False, {}):
                self.save(part)
            self.write(b"tR")
        else:
            super().save(obj, save_persistent_id)


def checkpoint(path: Path, state: Any, storages: dict[str, np.ndarray[Any, Any]], magic: int = MAGIC) -> Path:
    stream = io.BytesIO()
    for part in (magic, PROTOCOL, {"little_endian": True}, state, sorted(storages)):
        _Writer(stream, 2).dump(part)
    for key in sorted(storages):
        stream.write(struct.pack("<q", storages[key].size) + storages[key].astype("<f4").tobytes())
    path.write_bytes(stream.getvalue())
    return path


def test_reads_shapes_strides_and_offsets(tmp_path: Path) -> None:
    values = np.arange(8, dtype=np.float32)
    state = {"a": _Rebuilt("0", 8, (2, 3), (3, 1), 1), "turned": _Rebuilt("0", 8, (3, 2), (1, 3), 1)}
    tensors = read_checkpoint(checkpoint(tmp_path / "a.pth", state, {"0": values}))
    assert tensors["a"].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert tensors["turned"].tolist() == [[1, 4], [2, 5], [3, 6]]


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("builtins", "eval"), ("torch", "nn"), ("numpy", "load")]
)
def test_refuses_any_other_name(tmp_path: Path, module: str, name: str) -> None:
    path = checkpoint(tmp_path / "evil.pth", {"a": _Global(module, name)}, {})
    with pytest.raises(ModelError, match=f"{module}.{name}, which is not a tensor"):
        read_checkpoint(path)


def test_a_pickle_that_would_run_a_command_runs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "evil.pth"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(ModelError, match="not a tensor"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("keep", [0, 1, 40, -1, -16])
def test_a_file_cut_short_is_an_error(tmp_path: Path, keep: int) -> None:
    whole = checkpoint(tmp_path / "a.pth", {"a": _Rebuilt("0", 8, (8,), (1,))}, {"0": np.ones(8)})
    path = tmp_path / "cut.pth"
    path.write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"cut\.pth cannot be read"):
        read_checkpoint(path)


def test_a_tensor_that_reaches_past_its_storage_is_an_error(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth", {"a": _Rebuilt("0", 8, (9,), (1,))}, {"0": np.ones(8)})
    with pytest.raises(ModelError, match="past the end"):
        read_checkpoint(path)


def test_another_magic_number_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="first bytes"):
        read_checkpoint(checkpoint(tmp_path / "a.pth", {}, {}, magic=1))


def test_a_tensor_that_repeats_its_storage_without_end_is_an_error(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth", {"a": _Rebuilt("0", 8, (1 << 50,), (0,))}, {"0": np.ones(8)})
    with pytest.raises(ModelError, match="larger than its storage"):
        read_checkpoint(path)


def test_a_storage_that_is_declared_larger_than_the_file_is_an_error(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "a.pth", {"a": _Rebuilt("0", 1 << 50, (8,), (1,))}, {"0": np.ones(8)})
    content = path.read_bytes().replace((8).to_bytes(8, "little"), (1 << 50).to_bytes(8, "little"))
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"a\.pth cannot be read"):
        read_checkpoint(path)
