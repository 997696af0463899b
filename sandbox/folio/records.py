"""Records that FOLIO keeps as they are sent, and lists of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import NamedTuple

from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from sandbox.folio.gateway import Call, Endpoint, Handler
from sandbox.folio.refusals import errors, text
from sandbox.folio.store import Row, Store, Table

LARGEST = 2**31 - 1
"""FOLIO: RMB's limit and offset are Java ints."""


def check_nothing(_: Store, __: Row) -> None:
    """For records that a module takes as they are."""


class Records(NamedTuple):
    """Records that are kept as they are sent.

    table: their name in the store. key: their name in a list. permission: what their permissions begin with.
    """

    path: str
    table: str
    key: str
    body: type[BaseModel]
    permission: str
    unique: tuple[str, ...] = ()
    check: Callable[[Store, Row], None] = check_nothing
    check_unused: Callable[[Store, Row], None] = check_nothing
    """Raises Refusal for a record that may not be deleted, because users refer to it."""

    def rows(self, call: Call) -> Table:
        """The tenant's records."""
        table: Table = getattr(call.store, self.table)
        return table


def record_endpoints(records: Records) -> list[Endpoint]:
    """List, read, create, change and delete."""
    one, permission = f"{records.path}/{{record_id}}", records.permission
    return [
        Endpoint("GET", records.path, listing(records.table, records.key), f"{permission}.collection.get"),
        Endpoint("POST", records.path, posting(records), f"{permission}.item.post"),
        Endpoint("GET", one, getting(records), f"{permission}.item.get"),
        Endpoint("PUT", one, putting(records), f"{permission}.item.put"),
        Endpoint("DELETE", one, deleting(records), f"{permission}.item.delete"),
    ]


def posting(records: Records) -> Handler:
    """A handler for POST. FOLIO: RMB's PgUtil.post; a unique value that is taken is 422."""

    async def handler(call: Call) -> Response:
        row = (await call.body(records.body)).model_dump(exclude_none=True)
        row["id"] = row.get("id") or str(uuid.uuid4())
        _check(call, records, row)
        records.rows(call).put(row)
        return JSONResponse(row, 201)

    return handler


def putting(records: Records) -> Handler:
    """A handler for PUT. FOLIO: RMB's PgUtil.put; 404 for an id that is not there."""

    async def handler(call: Call) -> Response:
        body = (await call.body(records.body)).model_dump(exclude_none=True)
        row = body | {"id": call.request.path_params["record_id"]}
        find_stored(call, records.rows(call))
        _check(call, records, row)
        records.rows(call).put(row)
        return Response(status_code=204)

    return handler


def getting(records: Records) -> Handler:
    """A handler for GET by id."""

    async def handler(call: Call) -> Response:
        return JSONResponse(find_stored(call, records.rows(call)))

    return handler


def deleting(records: Records) -> Handler:
    """A handler for DELETE."""

    async def handler(call: Call) -> Response:
        rows = records.rows(call)
        row = find_stored(call, rows)
        records.check_unused(call.store, row)
        rows.delete(row["id"])
        return Response(status_code=204)

    return handler


def find_stored(call: Call, table: Table) -> Row:
    """The record whose id is in the path.

    Raises:
        Refusal: 404.
    """
    found = table.get(call.request.path_params["record_id"])
    if found is None:
        raise text(404, "Not found")
    return found


def _check(call: Call, records: Records, row: Row) -> None:
    records.check(call.store, row)
    for column in records.unique:
        if records.rows(call).holder(column, row):
            value = str(row[column])
            index = f"lower(f_unaccent(jsonb ->> '{column}'::text))"
            raise errors(f"{index} value already exists in table {records.table}: {value}", column, value)


def listing(table: str, key: str) -> Handler:
    """A handler for a list; `key` is what FOLIO calls it in the answer."""

    async def handler(call: Call) -> Response:
        return answer_page(call, getattr(call.store, table), key)

    return handler


def answer_page(call: Call, table: Table, key: str) -> Response:
    """FOLIO: RMB's PgUtil.streamGet; limit 10 and offset 0 by default, totalRecords counts all that the query finds."""
    query = call.request.query_params.get("query", "")
    page = table.search(query, _number(call, "limit", 10), _number(call, "offset", 0))
    info = {"totalRecords": page.total, "facets": [], "diagnostics": []}
    return JSONResponse({key: page.rows, "totalRecords": page.total, "resultInfo": info})


def _number(call: Call, name: str, default: int) -> int:
    """FOLIO: RMB refuses a limit or offset that is not a whole number from 0 up."""
    value = call.request.query_params.get(name, str(default))
    if not value.isdecimal() or int(value) > LARGEST:
        raise text(400, f"'{name}' parameter is incorrect. parameter value {{{value}}} is not valid")
    return int(value)
