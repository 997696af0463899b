"""Take the export out of a gzip or zip file, without ever writing what is in there to a path that the file names."""

import io
import zipfile
import zlib
from fnmatch import fnmatchcase
from typing import IO

from patronload.errors import SourceError

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"

MOST_BYTES = 4 << 30
"""What no export is larger than."""

BOMB, HARMLESS = 200, 64 << 20
"""An export shrinks to a thirtieth at best; what unfolds to HARMLESS bytes and BOMB times its size is none."""

STEP = 1 << 20

PACKED = {GZIP: "a gzip file", ZIP: "a zip file"}


def unpacked(content: bytes, member: str | None = None) -> bytes:
    """
    The one file in a gzip or zip file; anything else as it is. `member` names the one in a zip file.

    Raises SourceError for a file that is damaged, unfolds beyond all measure, or has more or other files than one.
    """
    if content.startswith(GZIP):
        return _gunzipped(content)
    if content.startswith((ZIP, b"PK\x05\x06")):
        return _unzipped(content, member)
    return content


def _gunzipped(content: bytes) -> bytes:
    out, rest = io.BytesIO(), content
    while rest:  # several gzip files after one another are one file, as gzip itself has it
        unfolding = zlib.decompressobj(wbits=31)
        try:
            while rest and not unfolding.eof:
                out.write(unfolding.decompress(rest, STEP))
                rest = unfolding.unconsumed_tail
                _check_size(out.tell(), len(content))
        except zlib.error:
            raise _damaged("gzip") from None
        if not unfolding.eof:
            raise _damaged("gzip")
        rest = unfolding.unused_data.lstrip(b"\0")
    return out.getvalue()


def _unzipped(content: bytes, member: str | None) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            chosen = _chosen(packed.infolist(), member)
            _check_size(chosen.file_size, max(chosen.compress_size, 1))
            with packed.open(chosen) as file:
                return _read(file, chosen)
    except (SourceError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - a damaged file makes Python's reader raise errors of a dozen kinds
        raise _damaged("zip") from None


def _read(file: IO[bytes], chosen: zipfile.ZipInfo) -> bytes:
    """All of it; the size that the zip file's list tells may be a lie, so it is counted."""
    out = io.BytesIO()
    while block := file.read(STEP):
        out.write(block)
        _check_size(out.tell(), max(chosen.compress_size, 1))
    return out.getvalue()


def _chosen(members: list[zipfile.ZipInfo], member: str | None) -> zipfile.ZipInfo:
    if any(each.filename == "[Content_Types].xml" for each in members):
        raise SourceError("The export is a zip or Excel file, not a CSV file. Ask the sender for CSV.")
    files = [each for each in members if not each.is_dir() and not _is_litter(each.filename)]
    if any(each.filename.startswith(("/", "\\")) or ".." in each.filename or ":" in each.filename for each in files):
        raise SourceError(
            "The zip file holds a file whose name leads out of its folder (.. or / or a drive). That is how an attack "
            "looks. Nothing of it was taken; ask the sender how the file was made."
        )
    fitting = [each for each in files if member is None or _fits(each.filename, member)]
    if len(fitting) != 1:
        which = f"{len(files)} files" + (f", {len(fitting)} of them called like {member}" if member else "")
        raise SourceError(
            f"The zip file has {which}, and it has to be clear which one is the export. Write its name, or a pattern "
            "like patrons_*.csv, at source.member in the tenant file, or ask the sender for one file in it."
        )
    if fitting[0].flag_bits & 1:
        raise SourceError(
            "The file in the zip file is locked with a password. Ask the sender for one without, or encrypted by PGP."
        )
    return fitting[0]


def _fits(name: str, member: str) -> bool:
    return fnmatchcase(name, member) or fnmatchcase(name.rpartition("/")[2], member)


def _is_litter(name: str) -> bool:
    """What macOS and Windows put beside the files of a folder."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in (".DS_Store", "Thumbs.db")


def _check_size(unfolded: int, size: int) -> None:
    if unfolded > MOST_BYTES or (unfolded > HARMLESS and unfolded > BOMB * size):
        raise SourceError(
            f"The packed file unfolds to more than {unfolded >> 20:,} MB, {unfolded // size:,} times its size, which "
            "no export does. Nothing of it was taken; ask the sender how the file was made."
        )


def _damaged(kind: str) -> SourceError:
    return SourceError(f"The {kind} file is damaged or was cut short. Ask the sender to send it again.")
