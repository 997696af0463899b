"""Postpone the import of a module until it is used, or speed up the import of a large one."""

import gc
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def pause_collection() -> Iterator[None]:
    """Turn off garbage collection during a large import; it finds nothing, and takes a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def import_later(name: str) -> None:
    """Make later imports of the module return at once; it is loaded when it is first used."""
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
        # For `from scipy import stats`, which looks it up in the package.
        setattr(sys.modules[parent], child, module)
