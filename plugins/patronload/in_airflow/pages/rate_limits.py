"""How often something may be done from one place, counted in this process."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from threading import Lock

MOST_KEYS = 10_000
"""Places that are remembered; the one that was quiet for longest is forgotten first."""


class Limiter:
    """Allows `most` times within some seconds, for each key apart."""

    def __init__(self, most: int, within: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._within, self._clock = most, within, clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def allows(self, key: str) -> bool:
        """Whether this time is within the limit; it counts if it is."""
        with self._lock:
            now, times = self._clock(), self._times.setdefault(key, deque())
            self._times.move_to_end(key)
            while len(self._times) > MOST_KEYS:
                self._times.popitem(last=False)
            while times and times[0] <= now - self._within:
                times.popleft()
            if len(times) >= self._most:
                return False
            times.append(now)
            return True
