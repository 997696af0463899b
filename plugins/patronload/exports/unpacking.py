"""Unpack an export from a gzip or zip file, without ever writing to a path that the file contains."""

import copy
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatchcase

from patronload.config.source import Most
from patronload.errors import SourceError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"

BOMB, HARMLESS = 50, 64 << 20
"""An export shrinks to a thirtieth at best. More than HARMLESS bytes and BOMB times the file's size is an attack."""

END, DIRECTORY_ENTRY = b"PK\x05\x06", 46
"""The end of a zip file, and the minimum size of an entry in its directory."""

STEP, SMALL_STEP = 1 << 20, 1 << 12
"""Bytes per read. Python unpacks LZMA in steps of what is packed, and 4 kB of it may become 30 MB."""

PIECE = 1 << 13
"""Bytes of a gzip file per step. What is left of each is copied, and a file may have millions of tiny ones in it."""

ZEROS = re.compile(rb"\0*")
"""The zeros that may follow a gzip file."""

ANY_SIZE = 1 << 60
"""More than any entry of a zip file has."""

PACKED = {GZIP: "a gzip file", ZIP: "a zip file"}


def unpack(content: bytes, member: str | None = None, most: Most = Most()) -> bytes:  # noqa: B008 - it is frozen
    """
    The file in a gzip or zip file; other content unchanged. `member` names the file in a zip file with several.

    Raises SourceError for a file that is damaged, unpacks to an absurd size or to more than `most` allows, or does not
    contain exactly one file.
    """
    if content.startswith(GZIP):
        return _gunzip(content, most)
    if content.startswith((ZIP, END)):
        check_entries(content, most)
        return _unzip(content, member, most)
    return content


def check_size(unfolded: int, size: int, most: Most) -> None:
    """Raise SourceError for a file of `size` bytes that has become `unfolded` bytes so far, if that is too much."""
    if unfolded > HARMLESS and unfolded > BOMB * size:
        raise SourceError(
            f"The file unpacks to more than {unfolded >> 20:,} MB, {unfolded // size:,} times its size; no export "
            "does. Nothing was unpacked. Ask the sender how the file was made."
        )
    if unfolded > most.bytes:
        raise SourceError(
            f"The file unpacks to more than {most.bytes:,} bytes. If that is right, raise source.most.bytes in the "
            "tenant file; otherwise ask the sender."
        )


def check_entries(content: bytes, most: Most) -> None:
    """
    Raise SourceError for a zip file with too many entries. A list of them that is far too long is not read.

    There are several ways to write where that list is; what counts is what the reader takes.
    """
    if not content.startswith((ZIP, END)):
        return
    try:
        with zipfile.ZipFile(_Bounded(content, most.zip_entries * 10 * DIRECTORY_ENTRY)) as packed:
            too_many = len(packed.infolist()) > most.zip_entries
    except _LongListError:
        too_many = True
    except Exception:  # noqa: BLE001 - a damaged file is reported by those who read it
        return
    if too_many:
        raise SourceError(
            f"The zip file has more than {most.zip_entries:,} entries. Ask the sender for a file with the export only, "
            "or raise source.most.zip_entries in the tenant file."
        )


class _LongListError(Exception):
    """The list of a zip file's entries is longer than it may be."""


class _Bounded(io.BytesIO):
    """A zip file that refuses to read more than a maximum of bytes at once."""

    def __init__(self, content: bytes, most: int) -> None:
        super().__init__(content)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > self._most:
            raise _LongListError
        return super().read(size)


def pieces(packed: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """
    The content of an entry, piece by piece. Raises BadZipFile if it is longer or shorter than the zip file states, and
    SourceError for bzip2.

    Python would leave out what is behind the stated size, which another reader of the same file unpacks.
    """
    if entry.compress_type == zipfile.ZIP_BZIP2:  # Python would unpack at once what a few bytes stand for, of any size
        raise SourceError(
            "The zip file is compressed with bzip2, which is not supported. Ask the sender for an ordinary zip file "
            "(Deflate)."
        )
    whole, read = copy.copy(entry), 0
    whole.file_size = ANY_SIZE
    with packed.open(whole) as file:
        step = SMALL_STEP if entry.compress_type == zipfile.ZIP_LZMA else STEP
        while block := file.read(step):
            read += len(block)
            if read > entry.file_size:
                break
            yield block
    if read != entry.file_size:
        raise zipfile.BadZipFile


def _gunzip(content: bytes, most: Most) -> bytes:
    out, place = io.BytesIO(), 0
    while place < len(content):  # as in gzip, several gzip files one after another are one file
        unfolding = zlib.decompressobj(wbits=31)
        try:
            while place < len(content) and not unfolding.eof:
                piece = content[place : place + PIECE]
                out.write(unfolding.decompress(piece, STEP))
                place += len(piece) - len(unfolding.unused_data or unfolding.unconsumed_tail)
                check_size(out.tell(), len(content), most)
        except zlib.error:
            raise _damage_error("gzip") from None
        if not unfolding.eof:
            raise _damage_error("gzip")
        padding = ZEROS.match(content, place)
        place = padding.end() if padding else place
    return out.getvalue()


def _unzip(content: bytes, member: str | None, most: Most) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            chosen = _choose(packed.infolist(), member)
            check_size(chosen.file_size, max(chosen.compress_size, 1), most)
            return _read(packed, chosen, most)
    except (SourceError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - Python's reader raises a dozen kinds of errors for damaged files
        raise _damage_error("zip") from None


def _read(packed: zipfile.ZipFile, chosen: zipfile.ZipInfo, most: Most) -> bytes:
    out = io.BytesIO()
    for block in pieces(packed, chosen):
        out.write(block)
        check_size(out.tell(), max(chosen.compress_size, 1), most)
    return out.getvalue()


def _choose(members: list[zipfile.ZipInfo], member: str | None) -> zipfile.ZipInfo:
    if any(each.filename == "[Content_Types].xml" for each in members):
        raise SourceError(
            "The export is an Office document, but not an Excel workbook (XLSX). Ask the sender for CSV or XLSX."
        )
    files = [each for each in members if not each.is_dir() and not _is_litter(each.filename)]
    if any(each.filename.startswith(("/", "\\")) or ".." in each.filename or ":" in each.filename for each in files):
        raise SourceError(
            "The zip file contains a file whose name leads out of its folder (.. or / or a drive), as an attack would. "
            "Nothing was unpacked. Ask the sender how the file was made."
        )
    fitting = [each for each in files if member is None or _fits(each.filename, member)]
    if len(fitting) != 1:
        which = f"{len(files)} files" + (f", {len(fitting)} of them matching {member}" if member else "")
        raise SourceError(
            f"The zip file has {which}, so it is unclear which one is the export. Write its name, or a pattern like "
            "patrons_*.csv, as source.member in the tenant file, or ask the sender for a single file."
        )
    if fitting[0].flag_bits & 1:
        raise SourceError(
            "The file in the zip file is protected with a password. Ask the sender for one without, or for PGP."
        )
    return fitting[0]


def _fits(name: str, member: str) -> bool:
    return fnmatchcase(name, member) or fnmatchcase(name.rpartition("/")[2], member)


def _is_litter(name: str) -> bool:
    """Whether macOS or Windows added this file to the folder."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db")


def _damage_error(kind: str) -> SourceError:
    return SourceError(f"The {kind} file is damaged or incomplete. Ask the sender to send it again.")
