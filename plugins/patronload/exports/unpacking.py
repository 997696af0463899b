"""Unpack an export from a gzip or zip file, without ever writing to a path that the file contains."""

import io
import zipfile
import zlib
from fnmatch import fnmatchcase
from typing import IO

from patronload.config.source import Most
from patronload.errors import SourceError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"

BOMB, HARMLESS = 50, 64 << 20
"""An export shrinks to a thirtieth at best. More than HARMLESS bytes and BOMB times the file's size is an attack."""

END, END_SIZE, DIRECTORY_ENTRY = b"PK\x05\x06", 22, 46
"""The end of a zip file and its size without a comment, and the minimum size of an entry in its directory."""

STEP = 1 << 20

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
    Raise SourceError for a zip file with too many entries. Its end says how many there are, and how long their list is,
    so the list itself is not read.
    """
    if not content.startswith((ZIP, END)):
        return
    place = content.rfind(END, max(0, len(content) - END_SIZE - 0xFFFF))
    end = content[place : place + END_SIZE]
    entries, length = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if place >= 0 and (entries > most.zip_entries or length > most.zip_entries * 10 * DIRECTORY_ENTRY):
        raise SourceError(
            f"The zip file has more than {most.zip_entries:,} entries. Ask the sender for a file with the export only, "
            "or raise source.most.zip_entries in the tenant file."
        )


def _gunzip(content: bytes, most: Most) -> bytes:
    out, rest = io.BytesIO(), content
    while rest:  # as in gzip, several gzip files one after another are one file
        unfolding = zlib.decompressobj(wbits=31)
        try:
            while rest and not unfolding.eof:
                out.write(unfolding.decompress(rest, STEP))
                rest = unfolding.unconsumed_tail
                check_size(out.tell(), len(content), most)
        except zlib.error:
            raise _damage_error("gzip") from None
        if not unfolding.eof:
            raise _damage_error("gzip")
        rest = unfolding.unused_data.lstrip(b"\0")
    return out.getvalue()


def _unzip(content: bytes, member: str | None, most: Most) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            chosen = _choose(packed.infolist(), member)
            check_size(chosen.file_size, max(chosen.compress_size, 1), most)
            with packed.open(chosen) as file:
                return _read(file, chosen, most)
    except (SourceError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - Python's reader raises a dozen kinds of errors for damaged files
        raise _damage_error("zip") from None


def _read(file: IO[bytes], chosen: zipfile.ZipInfo, most: Most) -> bytes:
    """The complete content. The size in the zip file's directory may be wrong, so the bytes are counted."""
    out = io.BytesIO()
    while block := file.read(STEP):
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
