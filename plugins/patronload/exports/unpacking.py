"""Unpack an export from a gzip or zip file, without ever writing to a path that the file contains."""

import io
import zipfile
import zlib
from fnmatch import fnmatchcase
from typing import IO

from patronload.errors import SourceError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"

MOST_BYTES = 4 << 30
"""The maximum size of an export."""

BOMB, HARMLESS = 200, 64 << 20
"""An export shrinks to a thirtieth at best. More than HARMLESS bytes and BOMB times the file's size is an attack."""

STEP = 1 << 20

PACKED = {GZIP: "a gzip file", ZIP: "a zip file"}


def unpack(content: bytes, member: str | None = None) -> bytes:
    """
    The file in a gzip or zip file; other content unchanged. `member` names the file in a zip file with several.

    Raises SourceError for a file that is damaged, unpacks to an absurd size, or does not contain exactly one file.
    """
    if content.startswith(GZIP):
        return _gunzip(content)
    if content.startswith((ZIP, b"PK\x05\x06")):
        return _unzip(content, member)
    return content


def _gunzip(content: bytes) -> bytes:
    out, rest = io.BytesIO(), content
    while rest:  # as in gzip, several gzip files one after another are one file
        unfolding = zlib.decompressobj(wbits=31)
        try:
            while rest and not unfolding.eof:
                out.write(unfolding.decompress(rest, STEP))
                rest = unfolding.unconsumed_tail
                check_size(out.tell(), len(content))
        except zlib.error:
            raise _damage_error("gzip") from None
        if not unfolding.eof:
            raise _damage_error("gzip")
        rest = unfolding.unused_data.lstrip(b"\0")
    return out.getvalue()


def _unzip(content: bytes, member: str | None) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            chosen = _choose(packed.infolist(), member)
            check_size(chosen.file_size, max(chosen.compress_size, 1))
            with packed.open(chosen) as file:
                return _read(file, chosen)
    except (SourceError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - Python's reader raises a dozen kinds of errors for damaged files
        raise _damage_error("zip") from None


def _read(file: IO[bytes], chosen: zipfile.ZipInfo) -> bytes:
    """The complete content. The size in the zip file's directory may be wrong, so the bytes are counted."""
    out = io.BytesIO()
    while block := file.read(STEP):
        out.write(block)
        check_size(out.tell(), max(chosen.compress_size, 1))
    return out.getvalue()


def _choose(members: list[zipfile.ZipInfo], member: str | None) -> zipfile.ZipInfo:
    if any(each.filename == "[Content_Types].xml" for each in members):
        raise SourceError(
            "The export is a document in a zip file, but not an Excel workbook (XLSX). Ask the sender for CSV or XLSX."
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
            f"The zip file has {which}, so it is not clear which one is the export. Write its name, or a pattern like "
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


def check_size(unfolded: int, size: int) -> None:
    """Raise SourceError for a file that unpacks to a size that only an attack explains."""
    if unfolded > MOST_BYTES or (unfolded > HARMLESS and unfolded > BOMB * size):
        raise SourceError(
            f"The file unpacks to more than {unfolded >> 20:,} MB, {unfolded // size:,} times its size; no export "
            "does. Nothing was unpacked. Ask the sender how the file was made."
        )


def _damage_error(kind: str) -> SourceError:
    return SourceError(f"The {kind} file is damaged or incomplete. Ask the sender to send it again.")
