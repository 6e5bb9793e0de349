"""A phone whose owner never accepts the dialog: adb's handshake, answered with a token for ever."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

CONNECT, AUTH = b"CNXN", b"AUTH"
TOKEN, SIGNATURE = 1, 2


class RefusingAdbd:
    """Listens on ``port``. Source: AOSP's protocol.txt."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                threading.Thread(target=self._refuse, args=(link,), daemon=True).start()

    def _refuse(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link, link.makefile("rb") as stream:
            while header := stream.read(24):
                command, kind, _, length, _, _ = struct.unpack("<4s5I", header)
                stream.read(length)
                if command == CONNECT or (command == AUTH and kind == SIGNATURE):
                    word = int.from_bytes(AUTH, "little")
                    token = b"T" * 20
                    packet = struct.pack("<6I", word, TOKEN, 0, 20, sum(token), word ^ 0xFFFFFFFF)
                    link.sendall(packet + token)
