"""The encoding of an export: detected from a byte order mark or from valid UTF-8, never guessed."""

import codecs
import io
from collections.abc import Iterator

from patronload.errors import SourceError
from patronload.exports import csv_records

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The byte order marks; the one of UTF-32 begins like that of UTF-16."""


def detected(content: bytes, named: str) -> str:
    """
    The encoding of the bytes: that of the byte order mark; UTF-8 if they are valid UTF-8, which other text practically
    never is; otherwise the layout's. It is never guessed. Raises SourceError if the layout's encoding needs a mark.
    """
    for mark, encoding in MARKS.items():
        if content.startswith(mark):
            return encoding
    known = codecs.lookup(named).name
    if known in ("utf-16", "utf-32") and content:
        raise SourceError(
            f"The export is not {known}: it has no byte order mark, which {known} needs. Write {known}-le "
            f"(usual on Windows), {known}-be or the sender's other encoding as source.encoding in the tenant file, or "
            "ask the sender for UTF-8."
        )
    if known == "utf-8" or known.startswith(("utf-16", "utf-32")) or content.isascii():
        return named
    try:
        for _ in utf8_blocks(content, "utf-8-sig"):
            pass
    except UnicodeDecodeError:
        return named
    return "utf-8"


def text(content: bytes, encoding: str, newline: str | None = "") -> io.TextIOWrapper:
    """The text line by line, without a byte order mark. `newline` None: its line ends become line feeds."""
    text = io.TextIOWrapper(io.BytesIO(content), encoding, newline=newline)
    if text.read(1) != "\ufeff":
        text.seek(0)
    return text


def utf8_blocks(content: bytes, encoding: str) -> Iterator[bytes]:
    """The text in UTF-8, block by block, without a byte order mark."""
    view = memoryview(content)[len(codecs.BOM_UTF8) if content.startswith(codecs.BOM_UTF8) else 0 :]
    blocks = (view[at : at + csv_records.BLOCK] for at in range(0, len(view), csv_records.BLOCK))
    if codecs.lookup(encoding).name == "utf-8":  # polars checks this itself
        yield from map(bytes, blocks)
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    yield decoder.decode(next(blocks, b"")).removeprefix("\ufeff").encode()
    for block in blocks:
        yield decoder.decode(block).encode()
    yield decoder.decode(b"", final=True).encode()


def check(content: bytes, encoding: str) -> None:
    """Raise SourceError, with the line, for bytes that are not in the encoding."""
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise SourceError(
            f"The export is not {encoding}: line {line} has the byte 0x{content[error.start]:02X}, which is not valid "
            f"{encoding} there. Write the sender's encoding as source.encoding in the tenant file (often cp1252 or "
            "utf-16), or ask the sender for UTF-8."
        ) from None
