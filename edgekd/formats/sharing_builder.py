"""A flatbuffer builder that stores equal strings, vectors and tables once: an offset may be used from many places."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flatbuffers

_OFFSET_BYTES = 4
# The TFLite schema asks for constants at multiples of 16; runtimes map the file and read them in place.
_DATA_ALIGNMENT = 16


class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]
    """Writes what ``flatbuffers.Builder`` writes, in fewer bytes.

    The fields of a table are written from the widest to the narrowest, as flatbuffers in C++ does, which leaves the
    fewest gaps. Vectors of bytes are aligned as TFLite's constants must be.
    """

    def __init__(self, size: int = 1024) -> None:
        super().__init__(size)
        self._strings: dict[bytes, int] = {}
        self._vectors: dict[tuple[int, bytes], int] = {}
        self._tables: dict[tuple[tuple[int, int, int], ...], int] = {}
        self._fields: list[tuple[int, int, int, Callable[[], None]]] = []
        self._before, self._alignment, self._data_bytes, self._holds_offsets = 0, 1, 0, False

    def CreateString(self, s: str | bytes, encoding: str = "utf-8", errors: str = "strict") -> int:  # noqa: N802
        """The offset of a string."""
        text = s.encode(encoding, errors) if isinstance(s, str) else s
        if text not in self._strings:
            self._before, self._alignment, self._holds_offsets = self.Offset(), _OFFSET_BYTES, True
            self._strings[text] = int(super().CreateString(text))
        return self._strings[text]

    def CreateNumpyVector(self, x: Any) -> int:  # noqa: N802
        """The offset of a vector of numbers."""
        little = x.astype(x.dtype.newbyteorder("<"), copy=False)
        data = little.tobytes()
        self.StartVector(x.itemsize, x.size, _DATA_ALIGNMENT if x.itemsize == 1 else x.itemsize)
        self.head = int(self.Head()) - len(data)
        self.Bytes[self.head : self.head + len(data)] = data
        return self.EndVector()

    def StartVector(self, elemSize: int, numElems: int, alignment: int) -> int:  # noqa: N802, N803
        """Begin a vector."""
        self._before, self._alignment, self._holds_offsets = self.Offset(), alignment, False
        self._data_bytes = elemSize * numElems
        return int(super().StartVector(elemSize, numElems, alignment))

    def PrependUOffsetTRelative(self, off: int) -> None:  # noqa: N802
        """Write an offset; it counts from its own place, so a vector that holds one is not compared by its bytes."""
        self._holds_offsets = True
        super().PrependUOffsetTRelative(off)

    def EndVector(self, numElems: int | None = None) -> int:  # noqa: N802, N803
        """End a vector; an equal one is taken back."""
        offset = int(super().EndVector(numElems))
        if self._holds_offsets:
            return offset
        # The length and the data, without the padding behind them.
        content = bytes(self.Bytes[self.head : self.head + _OFFSET_BYTES + self._data_bytes])
        key = (self._alignment, content)
        if key in self._vectors:
            self.head = len(self.Bytes) - self._before
            return self._vectors[key]
        self._vectors[key] = offset
        return offset

    def StartObject(self, numfields: int) -> None:  # noqa: N802
        """Begin a table."""
        self._fields = []
        super().StartObject(numfields)

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:  # noqa: N802
        """A field with a number, written by ``EndObject``."""
        if x == d:
            return
        number = flags.packer_type.pack(x)

        def write() -> None:
            flatbuffers.Builder.PrependSlot(self, flags, o, x, d)

        self._fields.append((flags.bytewidth, o, int.from_bytes(number, "little"), write))

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:  # noqa: N802
        """A field with an offset, written by ``EndObject``."""
        if x == d:
            return

        def write() -> None:
            flatbuffers.Builder.PrependUOffsetTRelativeSlot(self, o, x, d)

        # Tables differ where one field is a number and the other an offset of the same value.
        self._fields.append((_OFFSET_BYTES, o, -x, write))

    def EndObject(self) -> int:  # noqa: N802
        """Write a table; an equal one is used again."""
        key = tuple(sorted((slot, width, value) for width, slot, value, _ in self._fields))
        if key in self._tables:
            self.nested = False
            self.current_vtable = None
            return self._tables[key]
        for *_, write in sorted(self._fields, key=lambda field: (-field[0], field[1])):
            write()
        self._tables[key] = int(super().EndObject())
        return self._tables[key]
