"""Read a YAML file strictly, and remember the line of each key."""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeAlias

import yaml

from patronload.errors import ConfigError

Key: TypeAlias = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""

# The C loader is ten times as fast as the Python one.
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


INVISIBLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
"""Characters that YAML does not allow; PyYAML reports them without their line."""


MOST_BYTES = 2_000_000
"""The maximum size of a file. The largest lookups that libraries need are a tenth of that."""

DEEPEST = 100
"""The maximum depth; no file needs twenty levels."""

LARGEST = 10**18
"""The largest number; none that a file needs comes near it."""

NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
LONGEST_NUMBER = 400
"""
How many characters a number may have. The parser reads 59:59:59 as a number to the base of sixty, and takes the square
of its length for that: minutes for a file of 2 MB.
"""

SHOWN = 60
"""How much of a value a message shows."""

HARMLESS = 1_000
"""To this depth the parser raises a RecursionError at most; at some ten thousand it would crash the process."""


class YamlFile(NamedTuple):
    """A file's data, and the line (from 1) of each of its keys."""

    path: Path
    data: dict[str, Any]
    lines: dict[Key, int]

    def place(self, key: Key) -> str:
        """File and line of `key`, or of the nearest key around it: `northfield.yaml, line 12`."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path.name}, line {self.lines.get(key, 1)}"


def read(path: Path) -> YamlFile:
    """
    The mapping at the top level of the file at `path`.

    Raises ConfigError, with file and line, for anything that YAML reads differently than a person would: a repeated
    key, a key that is not text (`NO:`, `007:`), an alias, and text that is not YAML. Likewise for a file that is too
    large or nested too deeply.
    """
    try:
        text = read_text(path)
        _check_depth(path, text)
        return _Reader(path, text, Loader(text)).file()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
    except RecursionError:
        raise ConfigError(f"{path.name}: is nested too deeply to be read. Is there an extra bracket?") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path.name}, {_what_is_wrong(error)}") from None


def read_text(path: Path) -> str:
    """A file's text. Raises ConfigError, with the line, if it is not UTF-8 or has invisible control characters."""
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ConfigError(f"{path.name}: is larger than {MOST_BYTES:,} bytes. Is it the right file?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The error's position does not count the byte order mark that utf-8-sig removes.
        line = content.removeprefix(codecs.BOM_UTF8).count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path.name}, line {line}: is not UTF-8. Save the file as UTF-8 and try again.") from None
    if found := INVISIBLE.search(text):
        before = text[: found.start()]
        line, place = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigError(
            f"{path.name}, line {line}: character {place} of the line is the invisible control character "
            f"U+{ord(found[0]):04X}. Delete it, or type the line again."
        )
    return text


def _check_depth(path: Path, text: str) -> None:
    """Refuse a file whose nesting would crash the parser, and with it the process that reads all tenants' files."""
    brackets, longest = text.count("[") + text.count("{"), max(map(len, text.splitlines()), default=0)
    # A level needs a bracket, or begins further to the right than the one around it, or is a list at the same place.
    if brackets + 2 * longest <= HARMLESS:
        return
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise ConfigError(
                f"{path.name}, line {line}: is nested more than {DEEPEST} levels deep. Is there an extra bracket?"
            )


def _what_is_wrong(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f"line {mark.line + 1}" if mark else "line 1"
    return (
        f"{line}: is not valid YAML: {getattr(error, 'problem', None) or 'unreadable'}. Is a quote or a colon missing?"
    )


class _Reader:
    """Walks the nodes of one file; PyYAML's own constructor keeps the last of two equal keys and forgets the lines."""

    def __init__(self, path: Path, text: str, loader: Any) -> None:
        self.path = path
        self.text = text
        self.loader = loader
        self.lines: dict[Key, int] = {}
        self.met: set[int] = set()

    def file(self) -> YamlFile:
        node = self.loader.get_single_node()
        if node is None:
            raise ConfigError(f"{self.path.name}: is empty. Write lines like 'tenant: northfield'.")
        if not isinstance(node, yaml.MappingNode):
            self.refuse(node, "has no keys. Write lines like 'tenant: northfield'.")
        return YamlFile(self.path, self.value(node, ()), self.lines)

    def value(self, node: yaml.Node, key: Key) -> Any:
        self.lines.setdefault(key, node.start_mark.line + 1)
        if id(node) in self.met:
            self.refuse_alias()
        self.met.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return {name: self.value(child, (*key, name)) for name, child in self.entries(node, key)}
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*key, place)) for place, child in enumerate(node.value)]
        return self.scalar(node)

    def scalar(self, node: yaml.Node) -> Any:
        if node.tag in NUMBERS and len(node.value) > LONGEST_NUMBER:
            self.refuse_number(node)
        try:
            value = self.loader.construct_object(node)
        except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError):
            self.refuse(node, f"'{node.value[:SHOWN]}' cannot be read. Write it in quotes.")
        # Python refuses to write a number of thousands of digits, which a message about it would have to do.
        if isinstance(value, int) and abs(value) > LARGEST:
            self.refuse_number(node)
        return value

    def refuse_number(self, node: yaml.Node) -> NoReturn:
        self.refuse(node, f"the number {node.value[:SHOWN]} is too large. If it is text, write it in quotes.")

    def entries(self, node: yaml.MappingNode, key: Key) -> Iterator[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for name, child in node.value:
            if not isinstance(name, yaml.ScalarNode):
                self.refuse(name, "this key is not text. Is there an extra question mark or bracket?")
            if name.tag != "tag:yaml.org,2002:str":
                self.refuse(name, f"the key {name.value} is not read as text. Write it in quotes: '{name.value}'.")
            if name.value in seen:
                self.refuse(name, f"the key '{name.value}' occurs twice. Remove one of them.")
            seen.add(name.value)
            self.lines[(*key, name.value)] = name.start_mark.line + 1
            yield name.value, child

    def refuse_alias(self) -> NoReturn:
        """Refuse an alias with its own line, which only the parser's events have: its node is the one it refers to."""
        events = yaml.parse(self.text, Loader=Loader)
        alias = next(event for event in events if isinstance(event, yaml.AliasEvent))
        self.refuse(alias, "aliases (*name) are not supported. Write the value out.")

    def refuse(self, node: yaml.Node | yaml.Event, sentence: str) -> NoReturn:
        raise ConfigError(f"{self.path.name}, line {node.start_mark.line + 1 if node.start_mark else 1}: {sentence}")
