"""Records that are too many for memory: they wait on disk, and each is found again by its number."""

from __future__ import annotations

import json
import tempfile
from array import array
from typing import IO, TYPE_CHECKING, Any

import zstandard

from patronload.targets.spool import nonce

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

IN_MEMORY = 2_000
"""The first records stay in memory: small loads need no file. They also show how to compress the others."""

DICTIONARY = 1 << 14
"""Bytes of what the compression of each record knows of all of them; records share most of their text."""


class RecordStore:
    """
    Records (JSON objects) in a temporary file without a name, which goes with the store or with the process.

    The records are patrons, so they are encrypted with a key that exists in this process only, as in a Spool.
    """

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._first: list[bytes] = []
        self._ends = array("Q", [0])
        self._is_at_end = True
        """Whether the next byte that is written goes to the end of the file."""
        self._file: IO[bytes] | None = None
        self._cipher: AESGCM | None = None

    def __len__(self) -> int:
        return len(self._first) + len(self._ends) - 1

    def add(self, record: dict[str, Any]) -> int:
        """Append a record; returns its number, from 0."""
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
        if len(self._first) < self._in_memory:
            self._first.append(text)
        else:
            self._write(text)
        return len(self) - 1

    def get(self, number: int) -> dict[str, Any]:
        """The record with this number."""
        place = number - len(self._first)
        found: dict[str, Any] = json.loads(self._first[number] if place < 0 else self._read(place))
        return found

    def close(self) -> None:
        """Remove the file; the records cannot be read any more."""
        if self._file is not None:
            self._file.close()
        self._first, self._ends = [], array("Q", [0])

    def _write(self, text: bytes) -> None:
        file, cipher = self._opened()
        number = len(self._ends) - 1
        sealed = cipher.encrypt(nonce(number), self._packer.compress(text), None)
        # Moving in the file writes what waits to be written.
        if not self._is_at_end:
            file.seek(self._ends[-1])
            self._is_at_end = True
        file.write(sealed)
        self._ends.append(self._ends[-1] + len(sealed))

    def _read(self, place: int) -> bytes:
        file, cipher = self._opened()
        start, end = self._ends[place], self._ends[place + 1]
        file.seek(start)
        self._is_at_end = False
        return self._unpacker.decompress(cipher.decrypt(nonce(place), file.read(end - start), None))

    def _opened(self) -> tuple[IO[bytes], AESGCM]:
        if self._file is None or self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # slow to import, and small loads need none

            self._cipher = AESGCM(AESGCM.generate_key(128))
            self._file = tempfile.TemporaryFile(prefix="patronload-")  # noqa: SIM115 - `close` closes it
            known = _dictionary(self._first)
            self._packer = zstandard.ZstdCompressor(level=1, dict_data=known)
            self._unpacker = zstandard.ZstdDecompressor(dict_data=known)
        return self._file, self._cipher


def _dictionary(samples: list[bytes]) -> zstandard.ZstdCompressionDict | None:
    try:
        return zstandard.train_dictionary(DICTIONARY, [*samples])
    except zstandard.ZstdError:  # too few samples, or nothing in common
        return None
