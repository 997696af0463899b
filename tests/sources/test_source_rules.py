"""Which file is taken and when: the same from an SFTP server and from a folder."""

import hashlib
import io
import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from patronload import sources
from patronload.config.source import FolderSource, Most, SftpSource
from patronload.errors import ConfigError, MissingError, SourceError, TransientError
from tests.sources.places import DAY, EXPORT, TEN_MEGABYTES, Fetch, Interrupted, Taken, fetch_folder, put


@pytest.fixture(params=["sftp", "file", "plain path"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Fetch]:
    """A folder with exports in it, and how they are fetched: fetch("*.csv")."""
    if request.param == "sftp":
        return request.getfixturevalue("home"), request.getfixturevalue("fetch_sftp")
    folder = tmp_path / "exports"
    folder.mkdir()
    start = f"file://{folder}/" if request.param == "file" else f"{folder}/"

    def fetch(path: str, *args: object, **kwargs: object) -> Taken:
        return fetch_folder(start + path, *args, **kwargs)  # type: ignore[arg-type]

    return folder, fetch


def test_takes_a_file_byte_for_byte(place: tuple[Path, Fetch]) -> None:
    """What the library wrote is what arrives, with its name, size, time and hash."""
    folder, fetch = place
    put(folder, "patrons.csv", TEN_MEGABYTES)
    taken = fetch("patrons.csv")
    assert taken.content == TEN_MEGABYTES
    assert taken.delivered.name == "patrons.csv"
    assert taken.delivered.path.endswith("patrons.csv")
    assert taken.delivered.size == len(TEN_MEGABYTES)
    assert taken.delivered.modified == datetime.fromtimestamp(1_700_000_000, UTC)
    assert taken.delivered.modified.tzinfo is UTC
    assert taken.delivered.sha256 == hashlib.sha256(TEN_MEGABYTES).hexdigest()


@pytest.mark.parametrize("size", [0, 1, 32_767, 32_768, 32_769, 65_536, 2_129_920, 2_129_921])
def test_takes_a_file_of_any_size(place: tuple[Path, Fetch], size: int) -> None:
    """Nothing is lost or doubled at the edge of a block, and an empty file is taken as it is."""
    folder, fetch = place
    put(folder, "patrons.csv", TEN_MEGABYTES[:size])
    taken = fetch("patrons.csv")
    assert taken.content == TEN_MEGABYTES[:size]
    assert taken.delivered.size == size


def test_takes_a_file_from_a_folder_in_the_folder(place: tuple[Path, Fetch]) -> None:
    """Folders of the path may have blanks and accents."""
    folder, fetch = place
    put(folder, "für Bücherei/new exports/patrons #1.csv")
    assert fetch("für Bücherei/new exports/patrons #1.csv").content == EXPORT


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("patrons_*.csv", "patrons_1.csv"),
        ("patrons_?.csv", "patrons_1.csv"),
        ("patrons_[23].csv", "patrons_3.csv"),
        ("*", "other.txt"),
    ],
)
def test_takes_the_newest_of_several(place: tuple[Path, Fetch], pattern: str, name: str) -> None:
    """Of all files that match, the one that was changed last, whatever its name."""
    folder, fetch = place
    for minutes, each in enumerate(["patrons_2.csv", "patrons_3.csv", "patrons_1.csv", "other.txt"]):
        put(folder, each, each.encode(), 1_700_000_000 + 60 * minutes)
    taken = fetch(pattern)
    assert taken.delivered.name == name
    assert taken.content == name.encode()


def test_of_equally_old_files_the_last_by_name(place: tuple[Path, Fetch]) -> None:
    """Two files of the same second are not left to chance."""
    folder, fetch = place
    for name in ("patrons_20261120.csv", "patrons_20261121.csv", "patrons_20261119.csv"):
        put(folder, name)
    assert fetch("patrons_*.csv").delivered.name == "patrons_20261121.csv"


def test_a_pattern_takes_regular_files_only(place: tuple[Path, Fetch]) -> None:
    """Folders, links that lead nowhere, pipes and hidden half-uploaded files are no exports."""
    folder, fetch = place
    put(folder, "patrons_1.csv")
    (folder / "patrons_2.csv").mkdir()
    (folder / "patrons_3.csv").symlink_to("nowhere")
    os.mkfifo(folder / "patrons_4.csv")
    put(folder, ".patrons_5.csv", modified=1_800_000_000)
    assert fetch("*.csv").delivered.name == "patrons_1.csv"


def test_a_link_is_what_it_leads_to(place: tuple[Path, Fetch]) -> None:
    """Many libraries keep a link named latest."""
    folder, fetch = place
    put(folder, "real/patrons.csv", modified=1_700_000_100)
    (folder / "latest.csv").symlink_to("real/patrons.csv")
    put(folder, "older.csv")
    assert fetch("latest.csv").content == EXPORT
    taken = fetch("*.csv").delivered
    assert (taken.name, taken.size, taken.modified.timestamp()) == ("latest.csv", len(EXPORT), 1_700_000_100)


def test_a_pattern_may_stand_in_a_folder_too(place: tuple[Path, Fetch]) -> None:
    """A folder for each day or campus, some of them without an export."""
    folder, fetch = place
    put(folder, "2026-11-20/out/patrons.csv", b"older")
    put(folder, "2026-11-21/out/patrons.csv", b"newer", 1_700_000_100)
    put(folder, "2026-11-22/nothing.txt")
    put(folder, "2026-11-23")
    assert fetch("2026-*/out/patrons.csv").content == b"newer"
    assert fetch("2026-*/out/*.csv").content == b"newer"
    with pytest.raises(SourceError, match=r"No file matches .*2026-\*/out/x\*\.csv"):
        fetch("2026-*/out/x*.csv")


def test_a_missing_file_is_named_with_what_is_there_instead(place: tuple[Path, Fetch]) -> None:
    """Whoever reads the mail sees at once whether the library has changed its file names."""
    folder, fetch = place
    for minutes, name in enumerate(["a.csv", "b.csv", "c.csv", "d.csv"]):
        put(folder, name, modified=1_700_000_000 + 60 * minutes)
    (folder / "e").mkdir()
    with pytest.raises(
        SourceError, match=r"^There is no file .*x\.csv.*\. The newest there: d\.csv, c\.csv, b\.csv\.$"
    ):
        fetch("x.csv")
    with pytest.raises(
        SourceError, match=r"^No file matches .*x\*\.csv.*\. The newest there: d\.csv, c\.csv, b\.csv\.$"
    ):
        fetch("x*.csv")


def test_an_empty_folder_and_a_missing_one_are_told_apart(place: tuple[Path, Fetch]) -> None:
    """No file because nothing was delivered, or because the path is wrong."""
    folder, fetch = place
    (folder / "empty").mkdir()
    for path in ("empty/x.csv", "empty/*.csv"):
        with pytest.raises(SourceError, match=r"The folder holds no files\.$"):
            fetch(path)
    for path in ("missing/x.csv", "missing/*.csv", "missing/deeper/x.csv"):
        with pytest.raises(SourceError, match=r"there is no such folder\.$"):
            fetch(path)


def test_a_folder_is_no_export(place: tuple[Path, Fetch]) -> None:
    """A path that stops at the folder is a slip in the tenant file."""
    folder, fetch = place
    (folder / "outgoing").mkdir()
    with pytest.raises(SourceError, match=r"outgoing.* is a folder\. Give the path of the export itself\."):
        fetch("outgoing")


@contextmanager
def going_on(change: Callable[[int], object]) -> Iterator[None]:
    """Another program that keeps changing a file while we look at it."""
    enough = threading.Event()

    def keep_changing() -> None:
        for number in itertools.count(1):
            if enough.wait(0.01):
                return
            change(number)

    thread = threading.Thread(target=keep_changing)
    thread.start()
    try:
        yield
    finally:
        enough.set()
        thread.join()


def test_a_file_that_grows_is_left_alone(place: tuple[Path, Fetch]) -> None:
    """Half an export would be loaded as if the other half of the patrons were not there."""
    folder, fetch = place
    path = put(folder, "patrons.csv")
    refusal = r"still being written: it had \d+ bytes, and \d+ bytes 0\.3 s later\.$"
    with going_on(lambda _: _append(path)), pytest.raises(TransientError, match=refusal):
        fetch("patrons.csv", quiet_seconds=0.3)


def test_a_file_that_is_written_anew_is_left_alone(place: tuple[Path, Fetch]) -> None:
    """Of the same size, and still another file."""
    folder, fetch = place
    path = put(folder, "patrons.csv")
    refusal = r"still being written: its time was \d\d:\d\d:\d\d UTC, and \d\d:\d\d:\d\d UTC 0\.3 s later\.$"
    with (
        going_on(lambda number: os.utime(path, (1_700_000_000 + number, 1_700_000_000 + number))),
        pytest.raises(TransientError, match=refusal),
    ):
        fetch("patrons.csv", quiet_seconds=0.3)


def test_a_file_that_is_quiet_is_waited_for(place: tuple[Path, Fetch]) -> None:
    """The wait is the one the tenant file asks for."""
    folder, fetch = place
    put(folder, "patrons.csv")
    start = time.monotonic()
    fetch("patrons.csv", quiet_seconds=0.5)
    assert time.monotonic() - start >= 0.5


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(EXPORT)


@pytest.mark.parametrize("size", [100, 5_000_000])
def test_a_file_that_grows_while_it_is_read_is_not_taken(place: tuple[Path, Fetch], size: int) -> None:
    """Quiet for a while, then the sender goes on."""
    folder, fetch = place
    path = put(folder, "patrons.csv", TEN_MEGABYTES[:size])
    with pytest.raises(TransientError, match=rf"still being written: it had {size} bytes, and "):
        fetch("patrons.csv", Interrupted(lambda: _append(path)))


def test_a_file_that_is_cut_while_it_is_read_is_not_taken(place: tuple[Path, Fetch]) -> None:
    """A sender that starts again from the beginning."""
    folder, fetch = place
    path = put(folder, "patrons.csv", TEN_MEGABYTES)
    with pytest.raises(TransientError):
        fetch("patrons.csv", Interrupted(lambda: os.truncate(path, 10)))


def test_a_file_that_is_replaced_while_it_is_read_is_not_taken(place: tuple[Path, Fetch]) -> None:
    """Of the same size, so that only its time tells."""
    folder, fetch = place
    path = put(folder, "patrons.csv", TEN_MEGABYTES)

    def replace() -> None:
        new = put(folder, "new", TEN_MEGABYTES[::-1], 1_700_000_005)
        new.replace(path)

    with pytest.raises(TransientError, match=r"after it had been read"):
        fetch("patrons.csv", Interrupted(replace))


def test_trouble_where_the_bytes_go_is_not_blamed_on_the_library(place: tuple[Path, Fetch]) -> None:
    """A full disk of ours must not end in a mail about the library's permissions."""
    folder, fetch = place
    put(folder, "patrons.csv")

    def refuse() -> None:
        raise PermissionError(13, "our own disk")

    with pytest.raises(PermissionError, match="our own disk"):
        fetch("patrons.csv", Interrupted(refuse))


UNFIT = ["Sch\udcfcler.csv", "a\nb.csv", "a\x1b[2Jb.csv", "a\u202evsc.exe.csv", "a\u2028b.csv"]


def test_names_that_are_not_shown_as_they_are_do_not_disturb(
    place: tuple[Path, Fetch], caplog: pytest.LogCaptureFixture
) -> None:
    """Files with other names are found, and no name changes the log. One such file made a whole folder unreadable."""
    folder, fetch = place
    for name in UNFIT:
        put(folder, f"in/{name}", b"not this one", 1_800_000_000)
    put(folder, "in/patrons.csv")
    assert fetch("in/*.csv").content == EXPORT
    with pytest.raises(MissingError, match=r"The newest there: patrons\.csv"):
        fetch("in/*.txt")
    assert "5 entries of" in caplog.text
    assert all(name not in caplog.text for name in UNFIT[1:])


@pytest.mark.parametrize("most", [len(EXPORT), len(EXPORT) - 1])
def test_a_file_that_is_too_large_is_not_fetched(tmp_path: Path, most: int) -> None:
    """It is named, with the key that allows it."""
    put(tmp_path, "patrons.csv")
    source = FolderSource(type="folder", path=f"{tmp_path}/patrons.csv", quiet_seconds=0, most=Most(bytes=most))
    into = io.BytesIO()
    if most >= len(EXPORT):
        assert sources.fetch(source, source.path, into, day=DAY).size == most
        return
    with pytest.raises(SourceError, match=r"source\.most\.bytes allows"):
        sources.fetch(source, source.path, into, day=DAY)
    assert into.getvalue() == b""


@pytest.mark.parametrize(
    ("path", "asked", "allowed"),
    [
        ("/out/{date:%Y}/lib/patrons.csv", "/out/2025/lib/x.csv", True),
        ("/out/{date:%Y}/lib/patrons.csv", "/out/other/lib/x.csv", False),
        ("/out/{date:%Y}/lib/patrons.csv", "/out/2025/other/x.csv", False),
        ("/out/{date:%Y}/lib/patrons.csv", "x.csv", True),
        ("/out/{date:%B}/patrons.csv", "/out/October/x.csv", True),
        ("/out/{date:%B}/patrons.csv", "/out/other/x.csv", False),
        ("/out/{date:%a}/patrons.csv", "/out/Fri/x.csv", True),
        ("/out/{date:%a}/patrons.csv", "/out/other/x.csv", False),
        ("/out/lib*/patrons.csv", "/out/lib7/x.csv", True),
        ("/out/lib*/patrons.csv", "/out/other/x.csv", False),
        ("/out/lib*/patrons.csv", "/out/lib/../other/x.csv", False),
        ("out/patrons_{date:%Y%m%d}.csv", "out/corrected.csv", True),
        ("out/patrons_{date:%Y%m%d}.csv", "other/corrected.csv", False),
        ("out/patrons_{date:%Y%m%d}.csv", "/etc/passwd", False),
        ("out/patrons_{date:%Y%m%d}.csv", "out/..\\other\\x.csv", False),
        ("patrons.csv", "corrected.csv", True),
        ("patrons.csv", "other/corrected.csv", False),
        ("s3://conn@bucket/exports/*.csv", "s3://conn@bucket/exports/x.csv", True),
        ("s3://conn@bucket/exports/*.csv", "s3://conn@other/exports/x.csv", False),
    ],
)
def test_a_source_path_stays_in_the_folders_of_the_tenant(path: str, asked: str, allowed: bool) -> None:
    """On SFTP too, where several libraries may share an account. A date in a folder's name stands for dates only."""
    day = date(2026, 11, 21)
    for source in (FolderSource(type="folder", path=path), SftpSource(type="sftp", connection="c", path=path)):
        if allowed:
            assert source.path_instead(asked, day).endswith(asked)
        else:
            with pytest.raises(ConfigError, match="folder of this tenant's exports"):
                source.path_instead(asked, day)
