"""A way to a server that can be cut and restored, as a cable can."""

import socket
import threading
from contextlib import suppress
from typing import Self
from urllib.parse import urlsplit


class Relay:
    """A context manager that passes connections to `url` on to its server; `self.url` is the way through it."""

    def __init__(self, url: str) -> None:
        server = urlsplit(url)
        self._server = (server.hostname, server.port)
        self._open: list[socket.socket] = []
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()

    def cut(self) -> None:
        """End all connections, and every new one at once."""
        self._is_cut = True
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def restore(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                if self._is_cut:
                    here.close()
                else:
                    threading.Thread(target=self._pass_on, args=(here,), daemon=True).start()

    def _pass_on(self, here: socket.socket) -> None:
        """Both ways, until one end closes or the way is cut."""
        with here, suppress(OSError), socket.create_connection(self._server) as there:
            self._open += [here, there]
            back = threading.Thread(target=_copy, args=(there, here), daemon=True)
            back.start()
            _copy(here, there)
            back.join()
            self._open = [end for end in self._open if end not in (here, there)]


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
