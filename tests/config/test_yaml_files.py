"""YAML, read the way a person reads it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from patronload.documents import yaml_files
from patronload.errors import ConfigError
from tests.config.conftest import write


def test_remembers_the_line_of_each_key(tmp_path: Path) -> None:
    """So that a message can say where to look."""
    file = yaml_files.read(write(tmp_path / "a.yaml", "# one\na:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n"))
    assert file.data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    assert file.lines[("a",)] == 2
    assert file.lines[("a", "b")] == 3
    assert file.lines[("a", "c", 1, "d")] == 6
    assert file.place(("a", "b")) == "a.yaml, line 3"


@pytest.mark.parametrize(
    ("key", "line"), [(("a", "nothing"), 2), (("a", "b", "deeper"), 3), (("nothing",), 1), ((), 1)]
)
def test_what_is_missing_is_placed_by_what_is_around_it(tmp_path: Path, key: yaml_files.Key, line: int) -> None:
    """A key that should be there has no line of its own."""
    file = yaml_files.read(write(tmp_path / "a.yaml", "x: 0\na:\n  b: 1\n"))
    assert file.place(key) == f"a.yaml, line {line}"


@pytest.mark.parametrize("text", ["a: é ß 李\n", "\ufeffa: é ß 李\n", "a: é ß 李\r\nb: 1\r\n"])
def test_reads_what_windows_writes(tmp_path: Path, text: str) -> None:
    """Notepad puts a mark before the text and other ends on the lines."""
    path = tmp_path / "a.yaml"
    path.write_bytes(text.encode())
    assert yaml_files.read(path).data["a"] == "é ß 李"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: 2\na: 3\n", "a.yaml, line 3: the key 'a' occurs twice. Remove one of them."),
        ("a:\n  b: 1\n  b: 2\n", "a.yaml, line 3: the key 'b' occurs twice. Remove one of them."),
        ("a: {b: 1, b: 1}\n", "a.yaml, line 1: the key 'b' occurs twice. Remove one of them."),
        ("'a': 1\na: 1\n", "a.yaml, line 2: the key 'a' occurs twice. Remove one of them."),
        ("NO: Oslo\n", "a.yaml, line 1: the key NO is not read as text. Write it in quotes: 'NO'."),
        ("x: 1\non: 1\n", "a.yaml, line 2: the key on is not read as text. Write it in quotes: 'on'."),
        ("007: Bond\n", "a.yaml, line 1: the key 007 is not read as text. Write it in quotes: '007'."),
        ("1.0: x\n", "a.yaml, line 1: the key 1.0 is not read as text. Write it in quotes: '1.0'."),
        (
            "2026-11-21: x\n",
            "a.yaml, line 1: the key 2026-11-21 is not read as text. Write it in quotes: '2026-11-21'.",
        ),
        ("null: x\n", "a.yaml, line 1: the key null is not read as text. Write it in quotes: 'null'."),
        ("~: x\n", "a.yaml, line 1: the key ~ is not read as text. Write it in quotes: '~'."),
        ("a: &x 1\nb: *x\n", "aliases (*name) are not supported. Write the value out."),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "a.yaml, line 3: the key << is not read as text. Write it in quotes: '<<'."),
        ("a: 0b" + "1" * 20_000, "a.yaml, line 1: the number 0b1111"),
        ("a: " + "1:" * 20_000 + "1", "a.yaml, line 1: the number 1:1:1"),
        ("a: -99999999999999999999", "a.yaml, line 1: the number -99999999999999999999 is too large."),
        ("b: 1\na: " + ":".join(["59"] * 600_000), "a.yaml, line 2: the number 59:59:59"),
        ("a: " + "0:" * 500 + "0.0", "a.yaml, line 1: the number 0:0:0"),
        ("a: 2026-13-45\n", "a.yaml, line 1: '2026-13-45' cannot be read. Write it in quotes."),
        ("a: !!python/object:os.system x\n", "a.yaml, line 1: 'x' cannot be read. Write it in quotes."),
        ("a: !secret x\n", "a.yaml, line 1: 'x' cannot be read. Write it in quotes."),
        ("", "a.yaml: is empty. Write lines like 'tenant: northfield'."),
        ("# later\n", "a.yaml: is empty. Write lines like 'tenant: northfield'."),
        ("- a\n", "a.yaml, line 1: has no keys. Write lines like 'tenant: northfield'."),
        ("\njust words\n", "a.yaml, line 2: has no keys. Write lines like 'tenant: northfield'."),
        ("a: 1\n  b: 2\n", "a.yaml, line 2: is not valid YAML:"),
        ("a: 'x\nb: 1\n", "is not valid YAML:"),
        ("a: [1\nb: 1\n", "is not valid YAML:"),
        ("x: 1\n\ta: 1\n", "a.yaml, line 2: is not valid YAML:"),
        ("a: @x\n", "a.yaml, line 1: is not valid YAML:"),
        ("a: 1\n---\nb: 1\n", "is not valid YAML:"),
        ("a: \x00\n", "a.yaml, line 1: character 4 of the line is the invisible control character U+0000."),
        ("a: é\r\nb: x\x01\n", "a.yaml, line 2: character 5 of the line is the invisible control character U+0001"),
        ("a: b\n\ufeffc: d\n", "a.yaml, line 2: character 1 of the line is the invisible control character U+FEFF"),
    ],
)
def test_refuses_what_a_person_reads_otherwise(tmp_path: Path, text: str, sentence: str) -> None:
    """Each with file, line and what to write instead."""
    with pytest.raises(ConfigError) as caught:
        yaml_files.read(write(tmp_path / "a.yaml", text))
    assert sentence in str(caught.value)
    assert str(caught.value).startswith("a.yaml")


def test_a_tag_that_python_trips_over_is_refused_in_words(tmp_path: Path) -> None:
    """One file with such a slip must not take the others' DAGs down."""
    for text in ("a: !!bool x\n", "a: !!timestamp x\n", "a: !!int ''\n", "a: !!float '_'\n", f"a: {'[' * 900}\n"):
        with pytest.raises(ConfigError, match=r"^a\.yaml"):
            yaml_files.read(write(tmp_path / "a.yaml", text))


def test_an_alias_is_refused_where_it_stands(tmp_path: Path) -> None:
    """The line of the alias, not of what it stands for."""
    with pytest.raises(ConfigError, match="line 2"):
        yaml_files.read(write(tmp_path / "a.yaml", "a: &x 1\nb: *x\n"))


def test_a_key_that_is_a_list_is_refused_in_words(tmp_path: Path) -> None:
    """Nobody means it, but a slip with a question mark makes one."""
    with pytest.raises(ConfigError, match=r"^a\.yaml, line 1: ") as caught:
        yaml_files.read(write(tmp_path / "a.yaml", "? [a]\n: b\n"))
    assert "Node(" not in str(caught.value)


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    """Guessed, an umlaut would become something else."""
    path = tmp_path / "a.yaml"
    for mark in ("", "\ufeff"):
        path.write_bytes(f"{mark}a: b\nc: ".encode() + "Universität\n".encode("latin-1"))
        with pytest.raises(ConfigError, match=r"a\.yaml, line 2: is not UTF-8\. Save the file as UTF-8"):
            yaml_files.read(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The whole path, because the folder may be the mistake."""
    with pytest.raises(ConfigError, match=r"no\.yaml: cannot be read \(No such file or directory\)"):
        yaml_files.read(tmp_path / "no.yaml")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory\)"):
        yaml_files.read(tmp_path)


@given(st.text())
def test_any_text_is_read_or_refused(tmp_path: Path, text: str) -> None:
    """Whatever is in the file, nobody sees a traceback."""
    path = tmp_path / "any.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    try:
        told = str(yaml_files.read(path).path)
    except ConfigError as error:
        told = str(error)
    assert "any.yaml" in told


@pytest.mark.parametrize("level", ["[", "{a: ", "- ", "? "])
@pytest.mark.parametrize("depth", [400, 100_000])
def test_a_file_that_is_nested_deeply_crashes_nothing(tmp_path: Path, level: str, depth: int) -> None:
    """The parser itself would end the process that reads the files of all libraries."""
    path = tmp_path / "deep.yaml"
    path.write_text(f"tenant: northfield\nsource:\n  {level * depth}")
    with pytest.raises(ConfigError, match=r"deep\.yaml.*(nested|not valid YAML|an extra)"):
        yaml_files.read(path)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    """Whatever it is, it is not a tenant file; reading it would hold up those of all other libraries."""
    path = tmp_path / "large.yaml"
    path.write_text("tenant: northfield\n" + "# nothing\n" * 300_000)
    with pytest.raises(ConfigError, match=r"large\.yaml: is larger than 2,000,000 bytes"):
        yaml_files.read(path)
