"""HTTP for sources and targets: the address of a connection, and the error for a missing answer."""

from __future__ import annotations

import ipaddress
import logging
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import httpx

from patronload.errors import ConfigError, PatronloadError, TargetError, TransientError, causes

# httpx logs every URL, and ours hold patrons' ids; httpcore, when asked for everything, logs cookies.
for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)


MOST_ANSWER = 24 << 20
"""The maximum size of an answer in bytes; a page of a thousand users is a tenth of that. JSON takes twenty times it."""

PACKINGS = ("gzip", "deflate")
"""How an answer may be packed: a piece of it that was received, 64 kB, unpacks to 64 MB at most."""


class Connection(Protocol):
    """The address in a connection."""

    @property
    def id(self) -> str:
        """The connection's id in Airflow."""

    @property
    def host(self) -> str | None:
        """A name, or a URL."""

    @property
    def port(self) -> int | None:
        """Left out: the protocol's own."""

    def says(self, name: str) -> bool:
        """Whether `name` is true in `extra`."""


def address(connection: Connection) -> httpx.URL | None:
    """
    The address of a connection's host: https unless it says http, with the connection's port and any path.

    None when there is no host, or one with a user name in it.
    """
    host = (connection.host or "").strip()
    try:
        url = httpx.URL(host if "://" in host else f"https://{host}")
    except httpx.InvalidURL:
        return None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
        return None
    url = url.copy_with(path=url.path.rstrip("/"))
    return url if url.port or not connection.port else url.copy_with(port=connection.port)


def check_encryption(connection: Connection, url: httpx.URL) -> None:
    """
    Raise ConfigError if patrons and a password would cross a network unencrypted, unless the connection allows it.

    On this machine alone http is fine: there a stand-in runs, or a proxy of one's own.
    """
    if url.scheme != "https" and not stays_here(url) and not connection.says("allow_http"):
        raise ConfigError(
            f"The connection '{connection.id}' would send patrons and a password unencrypted. Write https:// in its "
            'host. If only your own machines can reach that network, add "allow_http": true to its extra.'
        )


def stays_here(url: httpx.URL) -> bool:
    """Whether nothing that is sent there leaves this machine."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


class TooLarge(httpx.RequestError):
    """An answer is larger than any that a library system has a reason to give."""


class OddlyPacked(httpx.RequestError):
    """An answer is packed more than once, or in a way that was not asked for; either could unpack to any size."""


class BoundedTransport(httpx.HTTPTransport):
    """
    The transport of every target: it unpacks each answer as it is read, up to MOST_ANSWER. A packed answer of a few
    kilobytes could otherwise fill the memory of the worker.
    """

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx. Raises OddlyPacked; reading the answer raises TooLarge."""
        request.headers["accept-encoding"] = ", ".join(PACKINGS)
        response = super().handle_request(request)
        found = [name.lower() for name in response.headers.get_list("content-encoding", split_commas=True)]
        packings = [name for name in found if name not in ("", "identity")]
        if len(packings) > 1 or not {*packings} <= {*PACKINGS}:
            response.close()
            raise OddlyPacked("packed more than once, or not as asked for", request=request)
        packed = ("content-encoding", "content-length", "transfer-encoding")
        return httpx.Response(
            response.status_code,
            headers=[(name, value) for name, value in response.headers.multi_items() if name not in packed],
            stream=_Bounded(response, request),
            extensions=response.extensions,
        )


class _Bounded(httpx.SyncByteStream):
    """The unpacked bytes of an answer."""

    def __init__(self, response: httpx.Response, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for block in self._response.iter_bytes():
            read += len(block)
            if read > MOST_ANSWER:
                raise TooLarge(f"more than {MOST_ANSWER:,} bytes", request=self._request)
            yield block

    def close(self) -> None:
        self._response.close()


def was_not_sent(error: httpx.RequestError) -> bool:
    """Whether a request failed before it reached the server."""
    return isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def unreachable(place: str, error: httpx.RequestError, wrong: type[PatronloadError] = TargetError) -> PatronloadError:
    """The error for a harmless request without an answer; `wrong` if the server is not the one it should be."""
    if isinstance(_root(error), ssl.SSLCertVerificationError):
        return wrong(
            f"{place} shows a certificate that is not valid for it. Correct the host of the connection, or ask for a "
            "certificate that this machine trusts."
        )
    return TransientError(f"{place} cannot be reached: {cause(error)}.")


def cause(error: httpx.RequestError) -> str:
    """The cause in words; the text of httpx may contain more than a log should."""
    root = _root(error)
    if isinstance(root, socket.gaierror):
        return "its name is not known"
    if isinstance(error, TooLarge):
        return f"its answer is larger than {MOST_ANSWER >> 20} MB"
    if isinstance(error, OddlyPacked):
        return "its answer is packed more than once, or in a way that we do not ask for"
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "the connection was refused" if isinstance(root, ConnectionRefusedError) else "no connection"
    return "the connection was cut"


def server_time(response: httpx.Response) -> datetime | None:
    """The time of the server's clock, rounded down to the second, or None if it did not say."""
    try:
        return parsedate_to_datetime(response.headers["date"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def retry_after(response: httpx.Response) -> float | None:
    """The pause a server asks for, in seconds, or None. RFC 9110: a number of seconds, or a date."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        return max(0.0, (until - (server_time(response) or datetime.now(UTC))).total_seconds())
    except (ValueError, TypeError):
        return None


def _root(error: BaseException) -> BaseException:
    *_, root = causes(error)
    return root
