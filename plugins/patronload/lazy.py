"""Put off the import of a module until something of it is used; or let a large one be imported sooner."""

import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import something large without Python's looking for garbage, of which there is none: a fifth of its time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def imported(name: str) -> None:
    """Whoever imports the module from now on gets it at once, and it is read when it is first used."""
    if name in sys.modules:
        return
    found = importlib.util.find_spec(name)
    if found is None or found.loader is None:
        return
    # From Python's documentation: https://docs.python.org/3/library/importlib.html#implementing-lazy-imports
    found.loader = loader = importlib.util.LazyLoader(found.loader)
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    if parent:
        # For `from scipy import stats`, which would ask the package.
        setattr(sys.modules[parent], child, module)
