"""mod-notes: notes about users, such as those that pop up at the desk."""

from __future__ import annotations

from sandbox.folio.refusals import errors
from sandbox.folio.store import Row, Store


def check_note_type(store: Store, row: Row) -> None:
    """FOLIO: mod-notes NoteServiceImpl; a note has a type that exists, and gets that type's name.

    Raises:
        Refusal: 422.
    """
    kind = store.note_types.get(row["typeId"])
    if kind is None:
        raise errors("Note type does not exist", "typeId", row["typeId"])
    row["type"] = kind["name"]
