"""Decrypt an export that is encrypted with PGP, with our private key."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patronload.config.source import Most
from patronload.errors import ConfigError, SourceError
from patronload.exports import unpacking

if TYPE_CHECKING:
    from patronload.config.source import Layout
    from patronload.exports.reading import Export

ARMOR = b"-----BEGIN PGP MESSAGE"

STEP = 1 << 20
"""Bytes per read."""

APART = """
import json, sys
sys.path, armored, passphrase = json.load(sys.stdin)
from pysequoia import Tsk, decrypt_file
decrypt_file(sys.argv[1], "/dev/stdout", decryptor=Tsk.from_bytes(armored.encode()).decryptor(passphrase or None))
"""
"""The program of the process that decrypts: it reads the key from a pipe, the message from a nameless file."""

TAGS = {1, 3, 9, 18, 20}
"""OpenPGP (RFC 9580, 5): the packets that an encrypted message may begin with."""


@dataclass(frozen=True)
class Key:
    """
    Our private key, in ASCII armor, with its passphrase ("" for none). Printed, it shows neither. `called`: its name in
    a sentence; `comes`: how to provide it.
    """

    armored: str = field(repr=False)
    passphrase: str = field(repr=False)
    called: str
    comes: str


def is_encrypted(content: bytes) -> bool:
    """Whether the bytes are a PGP message, in armor or without."""
    first = content[0] if content else 0
    if not first & 0x80:
        return content.lstrip().startswith(ARMOR)
    return (first & 0x3F if first & 0x40 else (first >> 2) & 0x0F) in TAGS


def read(content: bytes, layout: Layout, key: Key) -> Export:
    """
    The export in a PGP message. Only the library's own corrected rejects may come back unencrypted.

    Raises ConfigError if the key cannot be read or does not open the message, SourceError if the message is damaged, is
    not a PGP message, or cannot be read as an export.
    """
    from patronload.exports import reading  # polars is slow to import, and not needed for a key

    if is_encrypted(content):
        return reading.read(decrypt(content, key, layout.most), layout)
    export = reading.read(content, layout)
    if not export.mended:
        raise SourceError(
            "The export is not encrypted, but source.pgp requires it. Anyone could have read or changed it on its way. "
            "Ask the sender, or remove source.pgp from the tenant file. Only a corrected rejects file may come back "
            "unencrypted."
        )
    return export


def decrypt(content: bytes, key: Key, most: Most = Most()) -> bytes:  # noqa: B008 - it is frozen
    """The content of a PGP message, at most `most.bytes`. Raises ConfigError and SourceError as `read` does."""
    from pysequoia import Tsk  # only needed for encrypted exports

    try:
        Tsk.from_bytes(key.armored.encode()).decryptor(key.passphrase or None)
    except Exception as error:  # noqa: BLE001 - the package raises Exception; its text may contain the key
        raise ConfigError(
            f"The PGP key of {key.called} cannot be used ({type(error).__name__}). It needs the private key in armor "
            f"(-----BEGIN PGP PRIVATE KEY BLOCK-----) {key.comes}."
        ) from None
    found = _decrypted_apart(content, key, most)
    if found is None:
        raise SourceError(
            f"The export cannot be decrypted with the PGP key of {key.called}. Either it was encrypted for another "
            "key, or it is incomplete. Send the sender our public key, and ask for the file again."
        )
    return found


def _decrypted_apart(content: bytes, key: Key, most: Most) -> bytes | None:
    """
    The content, decrypted by a process of its own; None if it cannot be decrypted.

    A message of 2 MB may decrypt to 2 GB, and the library hands on all of it at once. From another process it comes
    piece by piece, and that process is ended when it is too much.
    """
    out = io.BytesIO()
    with tempfile.TemporaryFile() as message:  # still encrypted, and without a name on the disk
        message.write(content)
        message.flush()
        message.seek(0)
        command = [sys.executable, "-I", "-c", APART, f"/dev/fd/{message.fileno()}"]
        with subprocess.Popen(  # noqa: S603 - our own interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[message.fileno()],
        ) as process:
            assert process.stdin is not None  # both are pipes
            assert process.stdout is not None
            try:
                process.stdin.write(json.dumps([sys.path, key.armored, key.passphrase]).encode())
                process.stdin.close()
                while block := process.stdout.read(STEP):
                    out.write(block)
                    unpacking.check_size(out.tell(), len(content), most)
            except BaseException:
                process.kill()
                raise
    return out.getvalue() if process.returncode == 0 else None
