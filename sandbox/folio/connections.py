"""mod-user-import's HTTP connections to the other modules, on which every call of an import waits its turn."""

from __future__ import annotations

import asyncio
import random
from weakref import WeakKeyDictionary

CONNECTIONS = 5
"""FOLIO: mod-user-import HttpClientUtil keeps Vert.x's default pool: five connections for all tenants together."""

MEASURED_CALL_SECONDS = 0.011
"""The minimum seconds of a call to the real modules, measured: 110 to 170 users a second at two to three calls each."""


class Connections:
    """Five connections; a call that finds none free waits, and calls overtake each other as answers come back."""

    def __init__(self, seed: int = 0) -> None:
        self._chance = random.Random(seed)
        self._free: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def call(self, seconds: float) -> None:
        """Wait for a free connection and then for an answer, which takes `seconds` or up to half as long again."""
        loop = asyncio.get_running_loop()
        async with self._free.setdefault(loop, asyncio.Semaphore(CONNECTIONS)):
            if seconds:
                await asyncio.sleep(seconds * self._chance.uniform(1, 1.5))
            else:
                for _ in range(self._chance.randint(1, 3)):
                    await asyncio.sleep(0)
