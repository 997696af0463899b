"""
Encrypt run artifacts, so that a disk or a bucket alone reveals nothing about patrons.

An encrypted file is MAGIC followed by blocks. A block is the length of a Fernet token, in four bytes, and the token
(AES in CBC mode with an HMAC, see cryptography.fernet). Each token begins with a random id of the file, the number of
the block and whether it is the last one, so that an incomplete file, or one combined from others, is detected. The
content is never on a disk unencrypted, and never completely in memory.
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

if TYPE_CHECKING:  # takes a tenth of a second to import, and is needed only with a key
    from cryptography.fernet import MultiFernet

MAGIC = b"patronload encrypted artifact 1\n"
"""The beginning of an encrypted file."""

BLOCK = 1 << 20
"""Bytes of content per block."""

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">16sQ?")


class _Head(NamedTuple):
    """The header of a block: its file, its number, and whether it is the last."""

    file: bytes
    number: int
    last: bool


class Cipher:
    """Encrypts with the first of its keys, and decrypts with any of them."""

    def __init__(self, keys: str, where: str) -> None:
        """
        `keys` are Fernet keys separated by blanks, commas or line breaks; `where` is their place, for a message.

        Raises ConfigError for a key that is not valid.
        """
        self._where = where
        self._fernet = _fernet(keys, where)

    def encrypt(self, content: bytes) -> bytes:
        """All of a file."""
        file = io.BytesIO()
        with self.writing(file) as into:
            into.write(content)
        return file.getvalue()

    @contextmanager
    def writing(self, file: IO[bytes]) -> Iterator[IO[bytes]]:
        """A file to write into; `file` gets the encrypted content, complete if the block ends without an error."""
        writer = _Writer(file, self._fernet)
        yield writer  # type: ignore[misc] # a RawIOBase is as good as an IO[bytes] to those who only write
        writer.end()

    def decrypt(self, file: IO[bytes], name: str) -> io.BytesIO:
        """
        The content of an encrypted, seekable file.

        Raises ConfigError, with the file's `name`, if none of the keys fits or the file is not complete.
        """
        from cryptography.fernet import InvalidToken

        content = io.BytesIO()
        try:
            for block in self._blocks(file):
                content.write(block)
        except InvalidToken:
            raise ConfigError(
                f"{name} was encrypted with another key than those in {self._where}, or it was changed. Add the key "
                "that encrypted it, after the others."
            ) from None
        except _NotWholeError:
            raise ConfigError(
                f"{name} is encrypted and not complete: it was truncated, or combined from other files. Restore it "
                "from a backup, or start a new run."
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
    """A block is missing, or belongs to another file."""


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
        """Write the last block, without which the file is not complete."""
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
    """Whether a seekable file is encrypted. Afterwards it is at its beginning."""
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
            # The error and the key are left out, because a part of the key may be right.
            raise ConfigError(
                f"Key {number} of {len(texts)} in {where} is not a Fernet key, which has 44 characters and ends with "
                f"=. Make one with: {MAKE}"
            ) from None
    return MultiFernet(fernets)


MAKE = "openssl rand -base64 32 | tr '+/' '-_'"
"""The command that makes a key."""
