"""
Draw the picture of the packages in docs/architecture.md from the imports in the code: `make docs`.

An arrow points from a package to one that it imports. An arrow that others imply is left out: where A imports B and B
imports C, the picture says nothing about A and C.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp

Arrows = set[tuple[str, str]]

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "architecture.md"
PACKAGE = "patronload"
PICTURE = re.compile(r"(?<=<!-- make docs -->\n)```mermaid\n.*?```\n", re.DOTALL)
VOCABULARY = "vocabulary"


def arrows(graph: grimp.ImportGraph) -> Arrows:
    """The imports from one package to another, each once: (importing, imported)."""
    found = {
        (_box(graph, module), _box(graph, imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
        if PACKAGE not in (module, imported)
    }
    return {arrow for arrow in found if arrow[0] != arrow[1]}


def _box(graph: grimp.ImportGraph, module: str) -> str:
    """The box of a module: its package, or its own name; small modules that everyone may use share one box."""
    name = module.split(".")[1]
    return VOCABULARY if name in vocabulary(graph) else name


def vocabulary(graph: grimp.ImportGraph) -> list[str]:
    """The modules beside the packages, but for those that are a layer of their own."""
    beside = (child.split(".")[1] for child in graph.find_children(PACKAGE) if not graph.find_children(child))
    return sorted(set(beside) - {"__main__", "connections", "errors"})


def without_implied(all_arrows: Arrows) -> Arrows:
    """The arrows that no longer way implies."""
    return {(start, end) for start, end in all_arrows if end not in _beyond(start, all_arrows - {(start, end)})}


def _beyond(start: str, all_arrows: Arrows) -> set[str]:
    """All boxes that can be reached from one."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        box = waiting.pop()
        nearest = {end for begin, end in all_arrows if begin == box} - reached
        reached |= nearest
        waiting.extend(nearest)
    return reached


def mermaid(graph: grimp.ImportGraph) -> str:
    """The picture as GitHub and editors show it."""
    return "".join(f"{line}\n" for line in _lines(graph))


def _lines(graph: grimp.ImportGraph) -> Iterator[str]:
    shown = without_implied(arrows(graph))
    yield "```mermaid"
    yield "flowchart TD"
    yield f'    {VOCABULARY}["{"<br>".join(vocabulary(graph))}"]'
    for start, end in sorted(shown):
        yield f"    {start} --> {end}"
    yield "```"


def current(page: str) -> str:
    """The page with the picture that the code gives now."""
    drawn, found = PICTURE.subn(lambda _: mermaid(grimp.build_graph(PACKAGE)), page)
    if found != 1:
        message = f"{PAGE.name} has {found} pictures below <!-- make docs -->; one is expected."
        raise ValueError(message)
    return drawn


if __name__ == "__main__":
    sys.path.insert(0, str(PROJECT / "plugins"))
    PAGE.write_text(current(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
