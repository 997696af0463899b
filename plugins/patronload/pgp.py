"""Decrypt an export that is encrypted by PGP, with a private key from an Airflow connection."""

from patronload.connections import Connection
from patronload.errors import ConfigError, SourceError

ARMOR = b"-----BEGIN PGP MESSAGE"

TAGS = {1, 3, 9, 18, 20}
"""OpenPGP (RFC 9580, 5): the packets that an encrypted message may begin with."""


def is_encrypted(content: bytes) -> bool:
    """Whether the bytes are a PGP message, in armor or without."""
    first = content[0] if content else 0
    if not first & 0x80:
        return content.lstrip().startswith(ARMOR)
    return (first & 0x3F if first & 0x40 else (first >> 2) & 0x0F) in TAGS


def decrypted(content: bytes, connection: Connection) -> bytes:
    """
    What is in a PGP message. The connection's `extra` has the private key under private_key, in armor; its password is
    the passphrase.

    Raises ConfigError when the key cannot be read or does not open the message, SourceError when that is damaged.
    """
    from pysequoia import Tsk, decrypt  # only the few libraries that encrypt their exports need it

    key = str(connection.extra.get("private_key", ""))
    try:
        decryptor = Tsk.from_bytes(key.encode()).decryptor(connection.password or None)
    except Exception as error:  # noqa: BLE001 - the package raises Exception itself; its text may hold the key
        raise ConfigError(
            f"The PGP key of the Airflow connection '{connection.id}' cannot be used ({type(error).__name__}). It "
            "wants the private key in armor (-----BEGIN PGP PRIVATE KEY BLOCK-----) as private_key in extra, and its "
            "passphrase as password."
        ) from None
    try:
        return decrypt(content, decryptor=decryptor).bytes or b""
    except Exception:  # noqa: BLE001 - as above
        raise SourceError(
            f"The export cannot be decrypted with the PGP key of the Airflow connection '{connection.id}'. Either it "
            "was encrypted for another key, or it was cut short. Send the sender our public key, and ask for the file "
            "again."
        ) from None
