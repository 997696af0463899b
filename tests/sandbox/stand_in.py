"""A client of the stand-in FOLIO in process, and users to import into it."""

import asyncio
import json
from typing import Any

import httpx

from sandbox.folio import Folio

TENANT = "fs00001234"


class Client:
    """
    Calls the stand-in in process, and waits until it is at rest.

    Logged in unless `log_in` is false; every call carries the tenant.
    """

    def __init__(self, app: Any, tenant: str = TENANT, log_in: bool = True) -> None:
        self.app = app
        self.folio: Folio = app.state.folio
        self.store = self.folio.store(tenant)
        self.headers = {"x-okapi-tenant": tenant}
        if log_in:
            self.headers["x-okapi-token"] = self.log_in().json()["okapiToken"]

    def __call__(self, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = self.headers | rest.pop("headers", {})
        return asyncio.run(self.call(method, path, {name: value for name, value in headers.items() if value}, rest))

    async def call(self, method: str, path: str, headers: dict[str, str], rest: dict[str, Any]) -> httpx.Response:
        """Send a request with just these headers, and wait for what it started."""
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://folio") as client:
            response = await client.request(method, path, headers=headers, **rest)
        await asyncio.gather(*self.folio.still_working, return_exceptions=True)
        return response

    def log_in(self, path: str = "/authn/login", password: str = "Loader-pass-1") -> httpx.Response:
        return self("POST", path, json={"username": "loader", "password": password})

    def load(self, *users: dict[str, Any], **flags: Any) -> dict[str, Any]:
        """Import users; the answer's body."""
        response = self("POST", "/user-import", json={"users": users, "totalRecords": len(users), **flags})
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def refused(self, *users: dict[str, Any], **flags: Any) -> httpx.Response:
        """Import users, expecting the whole request to be refused and nothing to be written."""
        response = self("POST", "/user-import", json={"users": users, "totalRecords": len(users), **flags})
        assert response.status_code != 200
        assert len(self.store.users) == 0
        return response

    def group_id(self, name: str) -> str:
        found = self.store.groups.find("group", name)
        assert found
        return str(found["id"])

    def address_type_id(self, name: str) -> str:
        found = self.store.address_types.find("addressType", name)
        assert found
        return str(found["id"])


def user(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A user of an import; a field given as None is left out."""
    all_fields = {
        "username": f"user{number}",
        "externalSystemId": f"E{number:04}",
        "barcode": f"00{number:05}",
        "active": True,
        "patronGroup": "undergrad",
        "personal": {"lastName": f"Name{number}"},
    } | fields
    return {name: value for name, value in all_fields.items() if value is not None}


def counts(body: dict[str, Any]) -> tuple[int, int, int]:
    """created, updated, failed"""
    return body["createdRecords"], body["updatedRecords"], body["failedRecords"]


def only_error(body: dict[str, Any]) -> str:
    """The text of the one failed user."""
    (failed,) = body["failedUsers"]
    return str(failed["errorMessage"])


def message(response: httpx.Response) -> str:
    """The first message of a 422's errors."""
    return str(json.loads(response.text)["errors"][0]["message"])
