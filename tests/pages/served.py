"""The pages on a real server, for a real browser."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI


@contextmanager
def server(app: Any, prefix: str) -> Iterator[str]:
    """A server with the pages below a prefix; their address."""
    outer = FastAPI()
    outer.mount(prefix, app)
    running = uvicorn.Server(uvicorn.Config(outer, host="127.0.0.1", port=0, ws="none", log_level="critical"))
    ready = threading.Event()
    startup = running.startup

    async def started(sockets: Any = None) -> None:
        await startup(sockets)
        ready.set()

    running.startup = started  # type: ignore[method-assign]
    thread = threading.Thread(target=running.run)
    thread.start()
    assert ready.wait(60)
    (socket,) = running.servers[0].sockets
    yield f"http://127.0.0.1:{socket.getsockname()[1]}{prefix}"
    running.should_exit = True
    thread.join()
