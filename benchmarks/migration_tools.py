"""
The speed of folio_migration_tools' user mapper on the same generated export, without a FOLIO and without its logging.

It does more for each user (ids, reports, traversing the schema) and less for the file (no validation).
"""

import csv
import itertools
import logging
import time
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, patch

from benchmarks import wide

TEXTS = {
    "externalSystemId": "ID", "username": "LOGIN", "barcode": "CARD", "patronGroup": "ROLE",
    "enrollmentDate": "ENROLLED", "expirationDate": "EXPIRES", "personal.lastName": "SURNAME",
    "personal.firstName": "FIRST",
    "personal.middleName": "MIDDLE", "personal.preferredFirstName": "PREFERRED", "personal.email": "EMAIL",
    "personal.phone": "PHONE", "personal.mobilePhone": "MOBILE", "personal.dateOfBirth": "BORN",
    "personal.addresses[0].addressLine1": "STREET", "personal.addresses[0].addressLine2": "STREET2",
    "personal.addresses[0].city": "CITY", "personal.addresses[0].region": "REGION",
    "personal.addresses[0].postalCode": "ZIP", "personal.addresses[0].countryId": "COUNTRY",
    "customFields.homeCampus": "CAMPUS", "customFields.note": "NOTE", "customFields.changed": "CHANGED",
}  # fmt: skip


def speed(folder: Path, rows: int = 2_000) -> float | None:
    """Rows per second; None if the package is not installed."""
    logging.disable(logging.CRITICAL)
    try:
        from folio_migration_tools.mapping_file_transformation.user_mapper import UserMapper
        from folio_migration_tools.migration_tasks.user_transformer import UserTransformer
        from folio_uuid.folio_namespaces import FOLIONamespaces
    except ImportError:
        return None
    client, library, task = MagicMock(), MagicMock(), MagicMock()
    client.get_from_github.side_effect = lambda _owner, _name, path: _schema(path)
    client.gateway_url = "http://127.0.0.1"
    library.multi_field_delimiter = ";"
    library.use_gateway_url_for_uuids, library.is_ecs = True, False
    task.remove_id_and_request_preferences = task.remove_request_preferences = task.remove_username = False
    # The user mapper creates a mapper for notes, which our export does not have.
    with patch("folio_migration_tools.mapping_file_transformation.user_mapper.NotesMapper"):
        mapper = UserMapper(client, task, library, _map(), [], [])
    export = folder / "few.csv"
    wide.write(export, rows)
    with export.open(encoding="utf-8", newline="") as file:
        users = list(itertools.islice(csv.DictReader(file), rows))
    start = time.perf_counter()
    for place, user in enumerate(users):
        made, _ = mapper.do_map(user, str(place), FOLIONamespaces.users)
        cleaned = UserTransformer.clean_user(mapper.perform_additional_mapping(user, made, str(place)), str(place))
        assert cleaned is None or cleaned
    return rows / (time.perf_counter() - start)


def _map() -> dict[str, Any]:
    fields = [{"folio_field": "legacyIdentifier", "legacy_field": "ID", "value": "", "description": ""}]
    fields += [
        {"folio_field": field, "legacy_field": column, "value": "", "description": ""}
        for field, column in TEXTS.items()
    ]
    return {"data": fields}


def _schema(path: str) -> dict[str, Any]:
    """The minimal part of mod-user-import's schema for these fields, to the mapper's advantage."""
    text = {"type": "string", "description": ""}

    def of(names: list[str], **more: Any) -> dict[str, Any]:
        return {"type": "object", "properties": {**dict.fromkeys(names, text), **more}}

    if "Preference" in path:
        return of([], holdShelf={"type": "boolean"}, delivery={"type": "boolean"})
    address = of([field.rpartition(".")[2] for field in TEXTS if "addresses" in field])
    personal = of(
        [field[9:] for field in TEXTS if field.startswith("personal.") and "[" not in field],
        addresses={"type": "array", "items": address},
    )
    own = [field for field in TEXTS if "." not in field]
    custom = {"type": "object", "properties": {}}
    return {**of(["id", *own], personal=personal, customFields=custom), "required": ["username", "externalSystemId"]}
