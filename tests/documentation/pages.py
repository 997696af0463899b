"""Read the pages of the documentation: blocks, sections, tables, and the messages in the code beside them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[2]


DOCS = PROJECT / "docs"


PAGES = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", *(f"docs/{page.name}" for page in sorted(DOCS.glob("*.md")))]


class Block(NamedTuple):
    """A fenced block of a page: its language, its text, and the comment just above it, such as `file: ...`."""

    language: str
    text: str
    note: str
    line: int


def page(name: str) -> str:
    return (PROJECT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page(name)
    found = re.finditer(r"(?:^<!-- ([^\n]*) -->\n)?^( *)```(\w*)\n(.*?)^\2```$", text, re.DOTALL | re.MULTILINE)
    return [
        Block(
            language=each[3],
            text=re.sub(rf"^{each[2]}", "", each[4], flags=re.MULTILINE),
            note=each[1] or "",
            line=text.count("\n", 0, each.start()) + 1,
        )
        for each in found
    ]


def section(name: str, heading: str) -> str:
    """The text below a heading, up to the next heading of the same or a higher level."""
    level = heading.count("#", 0, heading.index(" "))
    start = f"\n{page(name)}".index(f"\n{heading}\n") + len(heading) + 1
    rest = page(name)[start:]
    after = re.search(rf"^#{{1,{level}}} ", rest, re.MULTILINE)
    return rest[: after.start()] if after else rest


def table(text: str) -> list[list[str]]:
    """The cells of all tables in a text, line by line, without their headers."""
    lines = [
        [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        for line in re.sub(r"^\|.*\|\n(?=\| ---)", "", text, flags=re.MULTILINE).splitlines()
        if line.startswith("|")
    ]
    return [cells for cells in lines if not cells[0].startswith("---")]


def quoted(text: str) -> list[str]:
    """The words in backticks."""
    without_blocks = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"`([^`\n]+)`", without_blocks)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def anchors(path: Path) -> list[str]:
    """The anchors that GitHub makes of a page's headings; a repeated heading gets a number."""
    found: list[str] = []
    text = re.sub(r"^```.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        again = sum(re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", other) is not None for other in found)
        found.append(f"{anchor}-{again}" if again else anchor)
    return found


FAILURES = "docs/when-a-run-fails.md"


HOLE = "…"


SHORT = 8
"""A shorter part of a message could be from any message."""


def template(node: ast.AST) -> str | None:
    """The text of an expression, with a hole for each value that is filled in; None if it is not text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"\{[^}]*\}", HOLE, node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = template(node.left), template(node.right)
        return None if left is None and right is None else f"{left or HOLE}{right or HOLE}"
    return None


def nodes(*names: str) -> Iterator[ast.AST]:
    """All nodes of the modules; without names, of the whole package."""
    package = PROJECT / "plugins/patronload"
    for path in [package / name for name in names] or sorted(package.rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def parts(message: str) -> list[str]:
    """The parts of a message between its holes that are long enough to identify it."""
    found = [part.strip(" .,:;()'") for part in message.split(HOLE)]
    return [part for part in found if len(part) >= SHORT]


def called(node: ast.AST) -> str:
    """The name of the function or class that a node calls."""
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "id", "") or getattr(node.func, "attr", "")


TASKS = re.findall(r"tasks\.(\w+)\(name\)", page("dags/patron_load.py"))
