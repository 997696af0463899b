"""
What is known of earlier loads, patron by patron: keys and ids, to know a patron by again in a library system that
cannot be asked; and what the file said of contested fields, to see what the campus has changed since.

Nothing of it can be read: there are keyed hashes only, and the key is the ledger's own. Who has the ledger can find out
whether somebody whose username they know is in it, and no more.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from patronload.folding import fold

BYTES = 12
"""Of a hash: among a million patrons two that are alike by chance are not to be expected."""


class Ledger:
    """
    The patrons of a library's loads: their hashed keys, each with the hashes of its ids by the field's name; and with
    those of what the file `said`, by the names that contested.said gives.
    """

    def __init__(
        self, secret: bytes, patrons: dict[str, dict[str, str]], said: dict[str, dict[str, str]] | None = None
    ) -> None:
        self._secret = secret
        self._patrons = patrons
        self._said = said or {}
        self._holders = {(name, one): key for key, ids in patrons.items() for name, one in ids.items()}

    @classmethod
    def empty(cls) -> Ledger:
        """A ledger of nobody."""
        return cls(secrets.token_bytes(32), {})

    @classmethod
    def from_json(cls, content: Any) -> Ledger:
        """The ledger that `to_json` told."""
        return cls(bytes.fromhex(content["secret"]), content["patrons"], content.get("said"))

    def to_json(self) -> dict[str, Any]:
        """What ledger.json holds."""
        return {"secret": self._secret.hex(), "patrons": self._patrons, "said": self._said}

    def __len__(self) -> int:
        return len(self._patrons)

    def __contains__(self, key: str) -> bool:
        return self._hash(key) in self._patrons

    def is_anothers(self, field: str, value: str, key: str) -> bool:
        """Whether a patron with another key than this had the value in the field when last loaded."""
        holder = self._holders.get((field, self._hash(value)))
        return holder is not None and holder != self._hash(key)

    def take(self, patrons: Iterable[Mapping[str, str | None]], key: str) -> None:
        """Add loaded patrons. What a patron comes without stays as it was known; an id has one holder, the last."""
        for patron in patrons:
            holder = self._hash(patron[key] or "")
            ids = self._patrons.setdefault(holder, {})
            for name, value in patron.items():
                if name != key and value:
                    self._give(holder, ids, name, self._hash(value))

    def changed(self, key: str, said: Mapping[str, str]) -> dict[str, bool]:
        """Which parts of what a file says of a patron are others than at the last load; without those not known yet."""
        before = self._said.get(self._whose(key), {})
        return {name: before[name] != self._hash(text) for name, text in said.items() if name in before}

    def hear(self, key: str, said: Mapping[str, str]) -> None:
        """Keep what the file said of a patron who was loaded. Of what it does not speak, what it said before stays."""
        self._said.setdefault(self._whose(key), {}).update({name: self._hash(text) for name, text in said.items()})

    def _whose(self, key: str) -> str:
        """Whoever is the same to FOLIO, in whatever letters the campus writes the key this time."""
        return self._hash(fold(key))

    def _give(self, holder: str, ids: dict[str, str], name: str, one: str) -> None:
        before = self._holders.get((name, one))
        if before is not None and before != holder:
            del self._patrons[before][name]
        if ids.get(name) not in (None, one):
            del self._holders[(name, ids[name])]
        ids[name] = one
        self._holders[(name, one)] = holder

    def _hash(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), digest_size=BYTES, key=self._secret).hexdigest()
