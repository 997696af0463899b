"""The words that make a text read like a translation stay out of everything that people read."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.documentation.pages import PROJECT

WORST = {
    r"mend(s|ed|ing)?": "fix, correct",
    r"anew": "again; re-read, re-plan",
    r"told": "reported, listed, named",
    r"tells? of": "reports, lists, names",
    r"so many": "a maximum of; this many",
    r"signs": "characters",
    r"foresaw|foreseen": "unexpected",
    r"sign of life": "heartbeat",
    r"(by|of) (itself|themselves)": "automatically, alone",
    r"gone on with": "resumed",
    r"went wrong|everything goes wrong": "fail, failed",
    r"did not go well|goes well|went well": "failed, succeeded",
    r"(?<!there )(is|are) no(?= [a-z])(?! (longer|more|less|different|better)\b)": "is not a",
    r"not for you to see": "you do not have access",
    r"not mixed": "differs",
    r"looked at": "checked, evaluated",
    r"made-up": "fictional, random",
    r"nobody knows": "it is not known",
}
"""Patterns of the words, and what to write instead."""

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
    *("include/**/*.txt", "include/**/*.css", "plugins/**/*.py", "dags/*.py", "sandbox/**/*.py", "sandbox/**/*.html"),
    *("local/*.py", "faults/*.py", "benchmarks/*", "docker-compose.yaml", ".env.example", "Dockerfile"),
)

NOT_YET = (
    *("benchmarks", "dags", "faults", "include/mappings", "include/schemas", "include/templates", "local", "sandbox"),
    *("docker-compose.yaml", ".env.example", "Dockerfile", "plugins/patronload/__main__.py"),
    *(f"plugins/patronload/{package}" for package in ("artifacts", "checks", "cli", "config", "documents", "exports")),
    *(f"plugins/patronload/{package}" for package in ("in_airflow", "loads", "mapping", "reporting", "sources")),
    *(f"plugins/patronload/{package}" for package in ("stages", "systems", "targets")),
    *(f"plugins/patronload/{module}.py" for module in ("connections", "dates", "errors", "folding", "lazy", "rows")),
    *("plugins/patronload/settings.py", "plugins/patron_loads_plugin.py"),
    *("docs/add-a-target.md", "docs/architecture.md", "docs/when-a-run-fails.md", "docs/mapping-files.md", "README.md"),
)
"""Files and folders that are not rewritten yet. The list only gets shorter."""


def files() -> Iterator[Path]:
    """All files that people read, but for those that are not rewritten yet."""
    for path in sorted({path for pattern in READ for path in PROJECT.glob(pattern) if path.is_file()}):
        place = path.relative_to(PROJECT).as_posix()
        if not any(place == left or place.startswith(f"{left}/") for left in NOT_YET):
            yield path


def text_in(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that people read, with their numbers; of Python only strings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    readable = (tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in readable:
            yield from enumerate(token.string.splitlines(), token.start[0])


@pytest.mark.parametrize("pattern", WORST)
def test_a_word_is_not_used(pattern):
    """Docs, templates, YAML, messages, docstrings and comments use the plain word instead."""
    word = re.compile(rf"\b({pattern})\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(PROJECT)}:{line}: {text.strip()[:120]}"
        for path in files()
        for line, text in text_in(path)
        if word.search(text)
    ]
    assert not found, f"write instead: {WORST[pattern]}\n" + "\n".join(found)


@pytest.mark.parametrize("place", NOT_YET)
def test_what_is_not_rewritten_yet_exists(place):
    """A path that is gone or renamed leaves the list."""
    assert (PROJECT / place).exists()
