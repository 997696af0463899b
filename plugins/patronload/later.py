"""Put off the import of a module until something of it is used."""

import importlib
import importlib.util
import sys


def imported(name: str) -> None:
    """Whoever imports the module from now on gets it at once, and it is read when it is first used."""
    if name in sys.modules:
        return
    found = importlib.util.find_spec(name)
    if found is None or found.loader is None:
        return
    # Python's own recipe: https://docs.python.org/3/library/importlib.html#implementing-lazy-imports
    found.loader = loader = importlib.util.LazyLoader(found.loader)
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    if parent:
        # For `from scipy import stats`, which would ask the package.
        setattr(sys.modules[parent], child, module)
