"""Decrypt an export that is encrypted with PGP, with our private key."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from patronload.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from patronload.config.source import Layout
    from patronload.exports.reading import Export

ARMOR = b"-----BEGIN PGP MESSAGE"

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
        return reading.read(decrypt(content, key), layout)
    export = reading.read(content, layout)
    if not export.mended:
        raise SourceError(
            "The export is not encrypted, but source.pgp requires it. Anyone could have read or changed it on its way. "
            "Ask the sender, or remove source.pgp from the tenant file. Only a corrected rejects file may come back "
            "unencrypted."
        )
    return export


def decrypt(content: bytes, key: Key) -> bytes:
    """The content of a PGP message. Raises ConfigError and SourceError as `read` does."""
    from pysequoia import Tsk, decrypt  # only needed for encrypted exports

    try:
        decryptor = Tsk.from_bytes(key.armored.encode()).decryptor(key.passphrase or None)
    except Exception as error:  # noqa: BLE001 - the package raises Exception; its text may contain the key
        raise ConfigError(
            f"The PGP key of {key.called} cannot be used ({type(error).__name__}). It needs the private key in armor "
            f"(-----BEGIN PGP PRIVATE KEY BLOCK-----) {key.comes}."
        ) from None
    try:
        return decrypt(content, decryptor=decryptor).bytes or b""
    except Exception:  # noqa: BLE001 - as above
        raise SourceError(
            f"The export cannot be decrypted with the PGP key of {key.called}. Either it was encrypted for another "
            "key, or it is incomplete. Send the sender our public key, and ask for the file again."
        ) from None
