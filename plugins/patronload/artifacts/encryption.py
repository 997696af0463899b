"""
Encrypt run artifacts, so that a disk or a bucket alone tells nothing of the patrons.

An encrypted file is MAGIC and then blocks. A block is the length of a Fernet token, in four bytes, and the token (AES
in CBC mode with an HMAC, see cryptography.fernet). In each token stand before the content a random id of the file, the
block's number and whether it is the last one, so that a file which was cut short, or put together from others, is
known for one. What is written is never on a disk unencrypted, and never in memory as a whole.
"""

from __future__ import annotations

import io
import re
import secrets
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, NamedTuple

from patronload.errors import ConfigError

if TYPE_CHECKING:  # a tenth of a second to import, and without a key nobody needs it
    from cryptography.fernet import MultiFernet

MAGIC = b"patronload encrypted artifact 1\n"
"""How an encrypted file begins."""

BLOCK = 1 << 20
"""Bytes of content that are encrypted at once."""

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">16sQ?")


class _Head(NamedTuple):
    """Which block of which file it is."""

    file: bytes
    number: int
    last: bool


class Cipher:
    """Encrypts by the first of its keys, and decrypts by any of them."""

    def __init__(self, keys: str, where: str) -> None:
        """
        `keys` are Fernet keys with blanks, commas or line breaks between them; `where` tells a person where they stand.

        Raises ConfigError for what is no key.
        """
        self._where = where
        self._fernet = _fernet(keys, where)

    def encrypted(self, content: bytes) -> bytes:
        """All of a file."""
        file = io.BytesIO()
        with self.writing(file) as into:
            into.write(content)
        return file.getvalue()

    @contextmanager
    def writing(self, file: IO[bytes]) -> Iterator[IO[bytes]]:
        """A file to write into, whose content comes encrypted into `file`; whole only when the block ends well."""
        writer = _Writer(file, self._fernet)
        yield writer  # type: ignore[misc] # a RawIOBase is as good as an IO[bytes] to those who only write
        writer.end()

    def decrypted(self, file: IO[bytes], name: str) -> io.BytesIO:
        """
        The content of an encrypted file, which can be sought in.

        Raises ConfigError, which calls the file `name`, when none of the keys fits or the file is not whole.
        """
        from cryptography.fernet import InvalidToken

        content = io.BytesIO()
        try:
            for block in self._blocks(file):
                content.write(block)
        except InvalidToken:
            raise ConfigError(
                f"{name} was encrypted by another key than those in {self._where}, or it was changed. Add the key that "
                "it was encrypted by, behind the others."
            ) from None
        except _NotWholeError:
            raise ConfigError(
                f"{name} is encrypted and not whole: it was cut short, or put together from other files. Take it from "
                "a backup, or start another load."
            ) from None
        content.seek(0)
        return content

    def _blocks(self, file: IO[bytes]) -> Iterator[bytes]:
        file.seek(len(MAGIC))
        number, own, last = 0, b"", False
        while not last:
            head, content = self._block(file)
            own = own or head.file
            if (head.file, head.number) != (own, number):
                raise _NotWholeError
            yield content
            number, last = number + 1, head.last
        if file.read(1):
            raise _NotWholeError

    def _block(self, file: IO[bytes]) -> tuple[_Head, bytes]:
        (length,) = _LENGTH.unpack(_exactly(file, _LENGTH.size))
        content = self._fernet.decrypt(_exactly(file, length))
        return _Head(*_HEAD.unpack_from(content)), content[_HEAD.size :]


class _NotWholeError(Exception):
    """A block is missing, or is another file's."""


class _Writer(io.RawIOBase):
    """Encrypts what is written into it, block by block."""

    def __init__(self, file: IO[bytes], fernet: MultiFernet) -> None:
        self._file = file
        self._fernet = fernet
        self._id = secrets.token_bytes(16)
        self._number = 0
        self._content = bytearray()
        file.write(MAGIC)

    def writable(self) -> bool:
        return True

    def write(self, content: bytes, /) -> int:  # type: ignore[override] # or whatever else has bytes
        self._content += content
        while len(self._content) >= BLOCK:
            self._put(bytes(self._content[:BLOCK]), last=False)
            del self._content[:BLOCK]
        return memoryview(content).nbytes

    def end(self) -> None:
        """Without it the file is not whole."""
        self._put(bytes(self._content), last=True)

    def _put(self, content: bytes, *, last: bool) -> None:
        token = self._fernet.encrypt(_HEAD.pack(self._id, self._number, last) + content)
        self._file.write(_LENGTH.pack(len(token)) + token)
        self._number += 1


def _exactly(file: IO[bytes], length: int) -> bytes:
    found = file.read(length)
    if len(found) < length:
        raise _NotWholeError
    return found


def is_encrypted(file: IO[bytes]) -> bool:
    """Whether a file, which can be sought in, is an encrypted one. It is at its beginning then."""
    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def _fernet(keys: str, where: str) -> MultiFernet:
    from cryptography.fernet import Fernet, MultiFernet

    texts = [text for text in re.split(r"[\s,]+", keys) if text]
    if not texts:
        raise ConfigError(f"There is no key in {where}. Make one with: {MAKE}")
    fernets = []
    for number, text in enumerate(texts, 1):
        try:
            fernets.append(Fernet(text))
        except ValueError:
            # Its text is left out, and so is the key: a part of it may be right.
            raise ConfigError(
                f"Key {number} of {len(texts)} in {where} is no Fernet key: that is 44 signs, the last one =. Make one "
                f"with: {MAKE}"
            ) from None
    return MultiFernet(fernets)


MAKE = "openssl rand -base64 32 | tr '+/' '-_'"
"""The command that makes a key."""
