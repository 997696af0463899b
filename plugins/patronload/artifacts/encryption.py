"""
Encrypt run artifacts, so that a disk or a bucket alone reveals nothing about patrons.

An encrypted file is MAGIC followed by blocks. A block is the length of a Fernet token, in four bytes, and the token
(AES in CBC mode with an HMAC, see cryptography.fernet). Each token begins with a random id of the file, the number of
the block, whether it is the last one, and a hash of the file's place (tenant, run and name). So an incomplete file, one
combined from others, and one that was moved to another place are detected. The content is never on a disk unencrypted,
and never completely in memory.
"""

from __future__ import annotations

import hashlib
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

MAGIC = b"patronload encrypted artifact 2\n"
"""The beginning of an encrypted file."""

UNBOUND = b"patronload encrypted artifact 1\n"
"""The beginning of a file that an earlier version encrypted, without its place. It is as long as MAGIC."""

BLOCK = 1 << 20
"""Bytes of content per block."""

_LENGTH = struct.Struct(">I")
HEAD = struct.Struct(">16sQ?32s")
HEAD_UNBOUND = struct.Struct(">16sQ?")


class _Head(NamedTuple):
    """The header of a block: its file, its number, whether it is the last, and the hash of the file's place."""

    file: bytes
    number: int
    last: bool
    place: bytes = b""


class Cipher:
    """Encrypts with the first of its keys, and decrypts with any of them."""

    def __init__(self, keys: str, where: str) -> None:
        """
        `keys` are Fernet keys separated by blanks, commas or line breaks; `where` is their place, for a message.

        Raises ConfigError for a key that is not valid.
        """
        self._where = where
        self._fernet = _fernet(keys, where)

    def encrypt(self, content: bytes, place: str) -> bytes:
        """All of a file that belongs to a place."""
        file = io.BytesIO()
        with self.writing(file, place) as into:
            into.write(content)
        return file.getvalue()

    @contextmanager
    def writing(self, file: IO[bytes], place: str) -> Iterator[IO[bytes]]:
        """A file to write into; `file` gets the encrypted content, complete if the block ends without an error."""
        writer = _Writer(file, self._fernet, place)
        yield writer  # type: ignore[misc] # a RawIOBase is as good as an IO[bytes] to those who only write
        writer.end()

    def decrypt(self, file: IO[bytes], name: str, place: str | None = None) -> io.BytesIO:
        """
        The content of an encrypted, seekable file. None: its place does not matter.

        Raises ConfigError, with the file's `name`, if none of the keys fits, the file is not complete, or it belongs to
        another place.
        """
        from cryptography.fernet import InvalidToken

        content = io.BytesIO()
        try:
            for block in self._blocks(file, place):
                content.write(block)
        except InvalidToken:
            raise ConfigError(
                f"{name} was encrypted with another key than those in {self._where}, or it was changed. Add the key "
                "that encrypted it, after the others."
            ) from None
        except _MovedError:
            raise ConfigError(
                f"{name} is encrypted and belongs to another tenant, run or file name: it was copied or moved there. "
                "Restore it from a backup, or start a new run, and find out who can write there."
            ) from None
        except _NotWholeError:
            raise ConfigError(
                f"{name} is encrypted and not complete: it was truncated, or combined from other files. Restore it "
                "from a backup, or start a new run."
            ) from None
        content.seek(0)
        return content

    def _blocks(self, file: IO[bytes], place: str | None) -> Iterator[bytes]:
        file.seek(0)
        form = HEAD_UNBOUND if file.read(len(MAGIC)) == UNBOUND else HEAD
        number, own, last = 0, b"", False
        while not last:
            head, content = self._block(file, form)
            if place is not None and form is HEAD and head.place != _hashed(place):
                raise _MovedError
            own = own or head.file
            if (head.file, head.number) != (own, number):
                raise _NotWholeError
            yield content
            number, last = number + 1, head.last
        if file.read(1):
            raise _NotWholeError

    def _block(self, file: IO[bytes], form: struct.Struct) -> tuple[_Head, bytes]:
        (length,) = _LENGTH.unpack(_exactly(file, _LENGTH.size))
        content = self._fernet.decrypt(_exactly(file, length))
        return _Head(*form.unpack_from(content)), content[form.size :]


class _NotWholeError(Exception):
    """A block is missing, or belongs to another file."""


class _MovedError(Exception):
    """The file was encrypted for another place."""


class _Writer(io.RawIOBase):
    """Encrypts what is written into it, block by block."""

    def __init__(self, file: IO[bytes], fernet: MultiFernet, place: str) -> None:
        self._file = file
        self._place = _hashed(place)
        self._fernet = fernet
        self._id = secrets.token_bytes(16)
        self._number = 0
        self.content = bytearray()
        """Content that does not fill a block yet."""
        file.write(MAGIC)

    def writable(self) -> bool:
        return True

    def write(self, content: bytes, /) -> int:  # type: ignore[override] # or whatever else has bytes
        self.content += content
        while len(self.content) >= BLOCK:
            self._put(bytes(self.content[:BLOCK]), last=False)
            del self.content[:BLOCK]
        return memoryview(content).nbytes

    def end(self) -> None:
        """Write the last block, without which the file is not complete."""
        self._put(bytes(self.content), last=True)

    def _put(self, content: bytes, *, last: bool) -> None:
        token = self._fernet.encrypt(HEAD.pack(self._id, self._number, last, self._place) + content)
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
    return start in (MAGIC, UNBOUND)


def is_bound(file: IO[bytes]) -> bool:
    """Whether a seekable file is encrypted for its place. Afterwards it is at its beginning."""
    start = file.read(len(MAGIC))
    file.seek(0)
    return start == MAGIC


def _hashed(place: str) -> bytes:
    return hashlib.sha256(place.encode()).digest()


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
