"""All the text that people read: documents, templates, YAML, and the strings and comments of the code."""

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.documentation.pages import PROJECT

READ = (
    *(
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Makefile",
        "docs/*.md",
        "include/**/*.yaml",
        "include/**/*.html",
    ),
    *("include/**/*.txt", "plugins/**/*.py", "dags/*.py", "sandbox/**/*.py", "sandbox/**/*.html"),
    *("local/*.py", "faults/*.py", "benchmarks/*", "docker-compose.yaml", ".env.example", "Dockerfile"),
    *("deploy/*.py", "deploy/*.yaml"),
)


class Line(NamedTuple):
    """A line that people read: its file below the project, its number, and its text."""

    file: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.number}: {self.text.strip()[:120]}"


@cache
def lines() -> list[Line]:
    """All lines that people read."""
    paths = sorted({path for pattern in READ for path in PROJECT.glob(pattern) if path.is_file()})
    return [
        Line(path.relative_to(PROJECT).as_posix(), number, text) for path in paths for number, text in _lines_of(path)
    ]


def _lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file with their numbers; of Python only strings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        text = _without_markup(text)
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    readable = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in readable:
            # What is in the braces of an f-string, or in backticks, is code; so is a text of one word.
            text = re.sub(r"\{[^{}\n]*\}|`[^`\n]*`", "…", token.string)
            yield from enumerate(text.splitlines() if " " in text.strip() else (), token.start[0])


def _without_markup(text: str) -> str:
    """A template without tags and styles; of what stands in braces only the texts in quotes. The lines stay."""
    text = re.sub(r"<style.*?</style>|<(?:[^<>{}]|\{[{%].*?[%}]\})*>", _blank_lines, text, flags=re.DOTALL)
    return re.sub(r"\{[{%#].*?[%}#]\}", lambda found: " ".join(re.findall(r'"([^"]*)"|\n', found[0])), text)


def _blank_lines(found: re.Match[str]) -> str:
    return "\n" * found[0].count("\n")
