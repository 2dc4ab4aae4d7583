"""Stands between a PostgreSQL client and its server, and cuts the line at a COMMIT."""

import socket
import struct
import threading
from typing import Literal

Cut = Literal["before", "after"]


class CuttingProxy:
    """Passes everything on. When asked to, it cuts the next COMMIT: either it doesn't reach the
    server, or it is done there and the answer doesn't come back."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut: Cut | None = None
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_next_commit(self, cut: Cut) -> None:
        self._cut = cut

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            line = _Line(client, server)
            threading.Thread(target=self._pass_on, args=(line,), daemon=True).start()
            threading.Thread(target=line.pass_back, daemon=True).start()

    def _pass_on(self, line: "_Line") -> None:
        try:
            line.pass_greeting()
            while True:
                message = line.next_message()
                if line.is_commit(message) and self._cut is not None:
                    cut, self._cut = self._cut, None
                    self.cuts += 1
                    line.cut(message, cut)
                    return
                line.server.sendall(message)
        except OSError:
            line.close()


class _Line:
    """One client's connection, read message by message."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self._commits: set[bytes] = set()
        self._is_muted = False
        self._was_answered = threading.Event()

    def pass_greeting(self) -> None:
        """The first message has no letter."""
        head = self._read(4)
        self.server.sendall(head + self._read(struct.unpack(">i", head)[0] - 4))

    def next_message(self) -> bytes:
        head = self._read(5)
        return head + self._read(struct.unpack(">i", head[1:])[0] - 4)

    def is_commit(self, message: bytes) -> bool:
        """Whether a statement is bound that was made ready as COMMIT."""
        kind, body = message[:1], message[5:]
        if kind == b"P":
            name, sql, *_ = body.split(b"\0")
            if sql == b"COMMIT":
                self._commits.add(name)
        return kind == b"B" and body.split(b"\0")[1] in self._commits

    def cut(self, commit: bytes, cut: Cut) -> None:
        if cut == "after":
            self._is_muted = True
            self.server.sendall(commit)
            while (message := self.next_message())[:1] != b"S":
                self.server.sendall(message)
            self._was_answered.clear()
            self.server.sendall(message)
            self._was_answered.wait(10)
        self.close()

    def pass_back(self) -> None:
        try:
            while chunk := self.server.recv(65536):
                # The end of an answer to Sync.
                if chunk[-6:-1] == b"Z\0\0\0\5":
                    self._was_answered.set()
                if not self._is_muted:
                    self.client.sendall(chunk)
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        for end in (self.client, self.server):
            try:
                # A reset, as from a network that is gone.
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def _read(self, size_bytes: int) -> bytes:
        read = b""
        while len(read) < size_bytes:
            chunk = self.client.recv(size_bytes - len(read))
            if not chunk:
                raise ConnectionResetError
            read += chunk
        return read
