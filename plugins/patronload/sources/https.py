"""Get an export from a web server: one file by its address, encrypted on the way, and from that server alone."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO
from urllib.parse import unquote

import httpx
from httpx import codes

from patronload import connections, http_client, plain_text
from patronload.config.source import HttpsSource
from patronload.connections import Connection
from patronload.errors import ConfigError, MissingError, PatronloadError, SourceError, TransientError
from patronload.sources.deliveries import Delivered

PATIENCE = httpx.Timeout(60, connect=20)
"""Seconds that a server has to answer, and to go on."""

REDIRECTS = 5
"""How often a server may point to another of its own addresses."""

BUSY = (codes.REQUEST_TIMEOUT, codes.TOO_EARLY, codes.TOO_MANY_REQUESTS)
"""Answers below 500 after which the same request may succeed later."""

KEPT_AS_IT_IS = ("identity", "gzip", "x-gzip")
"""How a server may pack a file on the way: a gzip file is unpacked when it is read, within the limits of a file."""


def fetch(source: HttpsSource, path: str, into: IO[bytes], until: datetime | None = None) -> Delivered:
    """Write the file at `path` into `into`, byte for byte. Raises as sources.fetch does."""
    place = _Place(source, path)
    with place.answer() as response:
        modified = _modified(response)
        if until is not None and (modified is None or modified >= until):
            raise MissingError(
                f"{place} may not be that day's file: it was changed after that day, or the server gives no time."
            )
        digest, size = hashlib.sha256(), 0
        for block in place.blocks(response):
            size += len(block)
            place.expect_at_most(size)
            digest.update(block)
            into.write(block)
    if not size:
        raise MissingError(f"{place} is empty, so the export is not there yet.")
    now = datetime.now(UTC).replace(microsecond=0)
    return Delivered(_name(path), path, size, modified or now, digest.hexdigest())


def look(source: HttpsSource, path: str) -> str:
    """A sentence about the file at the address; it is not read. Raises as `fetch` does."""
    place = _Place(source, path)
    with place.answer() as response:
        size = response.headers.get("content-length")
    return f"{place} is there" + (f" and has {int(size):,} bytes." if size and size.isdecimal() else ".")


class _Place:
    """One address at the server of a connection."""

    def __init__(self, source: HttpsSource, path: str) -> None:
        self._source, self._path = source, path
        self._connection = connections.get(source.connection)
        self._url = _url(self._connection, path)

    def __str__(self) -> str:
        return f"{self._path.partition('?')[0]} on {self._source.connection}"

    @contextmanager
    def answer(self) -> Iterator[httpx.Response]:
        """The answer with the file, whose content has not been read."""
        with httpx.Client(
            transport=httpx.HTTPTransport(),
            timeout=PATIENCE,
            # As it is on the server: unpacked on the way, a small file could become any size.
            headers={"accept-encoding": "identity", **_headers(self._connection)},
            auth=_name_and_password(self._connection),
            trust_env=False,
        ) as client:
            response = self._get(client)
            try:
                self._expect_file(response)
                yield response
            finally:
                response.close()

    def blocks(self, response: httpx.Response) -> Iterator[bytes]:
        """The content of the answer, in order."""
        try:
            yield from response.iter_raw()
        except httpx.RequestError as error:
            raise http_client.unreachable(str(self), error, ConfigError) from None

    def expect_at_most(self, size: int) -> None:
        """Raise SourceError for a file that is larger than the tenant file allows."""
        most = self._source.most.bytes
        if size > most:
            raise SourceError(
                f"{self} has more than {most:,} bytes, which is what source.most.bytes allows. If the file is right, "
                "raise that limit in the tenant file; otherwise ask the sender."
            )

    def _get(self, client: httpx.Client) -> httpx.Response:
        request = client.build_request("GET", self._url)
        for _ in range(REDIRECTS + 1):
            try:
                response = client.send(request, stream=True)
            except httpx.RequestError as error:
                if "location header" in str(error):
                    raise ConfigError(f"{self} redirects to an invalid address. Ask its owner.") from None
                raise http_client.unreachable(str(self), error, ConfigError) from None
            if response.next_request is None:
                return response
            response.close()
            request = response.next_request
            self._expect_same_server(request.url)
        raise ConfigError(f"{self} redirects in a circle. Ask its owner for the right one.")

    def _expect_same_server(self, url: httpx.URL) -> None:
        if (url.scheme, url.host, url.port) != (self._url.scheme, self._url.host, self._url.port):
            raise ConfigError(
                f"{self} redirects to another server, {plain_text.one_line(f'{url.scheme}://{url.host}')}. It is not "
                f"followed, because our login is for {self._url.host}. If the file has moved, correct the host of the "
                f"connection '{self._connection.id}'."
            )

    def _expect_file(self, response: httpx.Response) -> None:
        """Raise the error for an answer that is not a file."""
        status = response.status_code
        if status in (codes.NOT_FOUND, codes.GONE, codes.NO_CONTENT):
            raise MissingError(f"There is no file {self} (the server answers {status}).")
        if status in (codes.UNAUTHORIZED, codes.FORBIDDEN):
            raise ConfigError(
                f"The server of the connection '{self._connection.id}' refuses our login (it answers {status}). Check "
                "login and password, or ask its owner to let us read the file."
            )
        if status >= codes.INTERNAL_SERVER_ERROR or status in BUSY:
            raise self._busy(response)
        if status != codes.OK:
            raise SourceError(f"{self} cannot be read: the server answers {status}. Ask its owner.")
        self._expect_no_page(response)
        size = response.headers.get("content-length", "")
        self.expect_at_most(int(size) if size.isdecimal() else 0)

    def _expect_no_page(self, response: httpx.Response) -> None:
        if response.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html":
            raise SourceError(
                f"{self} is a web page and not a file, often a login page. Check the path, and how the server "
                "wants us to log in."
            )
        if response.headers.get("content-encoding", "identity").lower() not in KEPT_AS_IT_IS:
            raise SourceError(f"{self} is compressed in a way that we did not request. Ask the server's owner.")

    def _busy(self, response: httpx.Response) -> PatronloadError:
        error = TransientError(
            f"{self} cannot be read now: the server answers {response.status_code}. Try again later."
        )
        error.retry_after = http_client.retry_after(response)
        return error


def _url(connection: Connection, path: str) -> httpx.URL:
    """The address of the file. Raises ConfigError for a connection without https."""
    base = http_client.address(connection)
    if base is None:
        raise ConfigError(
            f"The connection '{connection.id}' has no usable host. Write the server's address, like "
            "https://files.example.edu."
        )
    if base.scheme != "https" and not http_client.stays_here(base):
        raise ConfigError(
            f"The connection '{connection.id}' would send patrons and a password unencrypted. Write https:// in "
            "its host."
        )
    return httpx.URL(
        f"{base}/{path.lstrip('/')}" if base.path == "/" else f"{str(base).rstrip('/')}/{path.lstrip('/')}"
    )


def _name_and_password(connection: Connection) -> httpx.BasicAuth | None:
    named = connection.login and not connection.extra.get("header")
    return httpx.BasicAuth(connection.login, connection.password) if named else None


def _headers(connection: Connection) -> dict[str, str]:
    """The header of a login without a name: the server's own, or a token."""
    if header := str(connection.extra.get("header", "")):
        return {header: connection.password}
    has_token = connection.password and not connection.login
    return {"authorization": f"Bearer {connection.password}"} if has_token else {}


def _modified(response: httpx.Response) -> datetime | None:
    """When the file was changed, if the server says so."""
    try:
        return parsedate_to_datetime(response.headers["last-modified"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _name(path: str) -> str:
    """The name of the file, for people."""
    return plain_text.one_line(unquote(posixpath.basename(path.partition("?")[0]))) or "export"
