"""Files are put into a library's SFTP account, complete or not at all."""

import stat
from pathlib import Path

import pytest

from patronload import sources
from patronload.config.source import SftpSource
from patronload.errors import SourceError, TransientError

SOURCE = SftpSource(type="sftp", connection="stclare_sftp", path="outgoing/patrons.csv")


def test_a_file_is_put_into_a_folder_that_is_made_for_it(home: Path, connect):
    """Nothing else is left there; a second one of the same name replaces the first."""
    connect()
    (home / "outgoing").mkdir()
    for content in (b"first", b"second" * 100_000):
        sources.put(SOURCE, {"outgoing/rejects/a.csv": content, "outgoing/rejects/a.xlsx": b"x"})
        assert (home / "outgoing/rejects/a.csv").read_bytes() == content
    assert sorted(path.name for path in (home / "outgoing/rejects").iterdir()) == ["a.csv", "a.xlsx"]


def test_a_file_can_be_put_where_the_account_begins(home: Path, connect):
    """Without a folder."""
    connect()
    sources.put(SOURCE, {"a.csv": b"x"})
    assert (home / "a.csv").read_bytes() == b"x"


def test_a_server_that_cannot_replace_a_file_gets_it_too(home: Path, connect, monkeypatch):
    """Not every server has OpenSSH's extension for it."""
    from paramiko import SFTPClient

    def refuse(*_):
        raise OSError("Operation unsupported")

    connect()
    monkeypatch.setattr(SFTPClient, "posix_rename", refuse)
    for content in (b"first", b"second"):
        sources.put(SOURCE, {"a.csv": content})
        assert (home / "a.csv").read_bytes() == content


def test_where_we_may_not_write_the_error_says_what_to_ask_for(home: Path, connect):
    """A file of that name that is not ours, or a parent folder that is not there."""
    connect()
    with pytest.raises(SourceError, match=r"We cannot write to nowhere/rejects on stclare_sftp"):
        sources.put(SOURCE, {"nowhere/rejects/a.csv": b"x"})
    locked = home / ".a.csv.part"
    locked.write_text("somebody else's")
    locked.chmod(stat.S_IRUSR)
    with pytest.raises(SourceError, match="let our account write there"):
        sources.put(SOURCE, {"a.csv": b"x"})


def test_a_server_that_is_down_is_an_error_that_may_pass(connect, closed_port):
    """The report says so; the load stays as it is."""
    connect(port=closed_port)
    with pytest.raises(TransientError):
        sources.put(SOURCE, {"a.csv": b"x"})
