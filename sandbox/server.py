"""The base of the sandbox's servers: they start, stop, and serve for as long as a `with` block lasts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Server(ABC):
    """A server on this machine. Its ports are bound when it is created, so its addresses are known at once."""

    @abstractmethod
    def start(self) -> Self:
        """Serve; returns when the first client can be served."""

    @abstractmethod
    def stop(self) -> None:
        """Stop serving and free the ports; also when the server was never started."""

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
