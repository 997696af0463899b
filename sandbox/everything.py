"""All stand-ins together, with the accounts of the three demo libraries, and a description of how to reach them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from sandbox import kept
from sandbox.folio import FolioServer, FolioTenant, Store
from sandbox.folio.reference import departments, select_field
from sandbox.infiniti import InfinitiServer
from sandbox.s3 import S3Server
from sandbox.server import Server
from sandbox.sftp import SftpAccount, SftpServer, new_key_pair
from sandbox.smtp import MailServer

BUCKET = "patronload"


class Library(NamedTuple):
    """A demo library in FOLIO: its name as a tenant, its tenant in FOLIO, and how it logs in."""

    tenant: str
    folio_tenant: str
    sftp_key: bool
    legacy_login: bool


LIBRARIES = (
    Library("northfield", "fs00001234", sftp_key=True, legacy_login=False),
    Library("stclare", "fs00005678", sftp_key=False, legacy_login=True),
)

OWN = Library("mylib", "fs00000000", sftp_key=False, legacy_login=False)
"""For someone's own library: the names that `patronload draft --name mylib` writes. Its FOLIO has no users."""

SCHOOL = "wattlegrove"
"""The demo library with an Infiniti of its own, as a tenant; it logs in at the SFTP server by password."""


class Ports(NamedTuple):
    """The port of each server; 0 means any free one."""

    folio: int = 0
    sftp: int = 0
    smtp: int = 0
    mail_page: int = 0
    s3: int = 0
    infiniti: int = 0


FREE_PORTS = Ports()


@dataclass
class Secrets:
    """The passwords and keys of the accounts; kept in the folder, so a sandbox started again there knows them."""

    sftp_private_key: str = field(default="", repr=False)
    sftp_public_key: str = ""
    sftp_password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    folio_passwords: dict[str, str] = field(default_factory=dict, repr=False)
    infiniti_password: str = field(default_factory=lambda: secrets.token_urlsafe(18), repr=False)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10).upper(), repr=False)
    s3_secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)


class Sandbox(Server):
    """FOLIO, Infiniti, SFTP, mail and (unless `s3` is False) S3, each in its own part of `folder`.

    host: what to listen on; advertised: the name by which clients elsewhere reach this machine.
    While it runs, `folder`/sandbox.json is its description, readable by its owner only. is_restored: whether FOLIO and
    Infiniti have what an earlier sandbox kept in the folder.
    """

    def __init__(
        self,
        folder: Path | str,
        host: str = "127.0.0.1",
        ports: Ports = FREE_PORTS,
        s3: bool = True,
        advertised: str = "",
        buckets: Iterable[str] = (BUCKET,),
    ) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._advertised_name = advertised
        self._secrets = read_or_make_secrets(self.folder / "secrets.json")
        self.folio = FolioServer(self._folio_tenants(), host, ports.folio)
        for folio_tenant in ("fs00001234", OWN.folio_tenant):
            give_reference_data(self.folio.store(folio_tenant))
        self.infiniti = InfinitiServer("autoimport", self._secrets.infiniti_password, host, ports.infiniti)
        self.sftp = SftpServer(self.folder / "sftp", self._sftp_accounts(), host, ports.sftp)
        self.mail = MailServer(self.folder / "mail", host, ports.smtp, ports.mail_page)
        keys = (self._secrets.s3_access_key, self._secrets.s3_secret_key)
        self.s3 = S3Server(self.folder / "s3", buckets, host, ports.s3, *keys) if s3 else None
        self._kept: Path | None = None
        self.is_restored = False
        self._running = ExitStack()

    def keeping(self) -> Self:
        """The sandbox, which keeps what FOLIO and Infiniti have in its folder, and has what an earlier one kept."""
        self._kept = self.folder / "kept.json"
        self.is_restored = kept.restore(self._kept, self.folio, self.infiniti.school)
        return self

    @property
    def description(self) -> dict[str, Any]:
        """Addresses, accounts and keys: what sandbox.json holds and `sandbox.connections` takes."""
        return {
            "folio": {"url": self._advertise(self.folio.url), "tenants": self._describe_tenants()},
            "infiniti": {
                "url": self._advertise(self.infiniti.url),
                "tenant": SCHOOL,
                "username": self.infiniti.username,
                "password": self.infiniti.password,
            },
            "sftp": {
                "host": self._advertised_name or self.sftp.host,
                "port": self.sftp.port,
                "host_key": self.sftp.host_key,
                "accounts": self._describe_accounts(),
            },
            "smtp": {
                "host": self._advertised_name or self.mail.host,
                "port": self.mail.port,
                "folder": str(self.mail.folder),
                "page_url": self._advertise(self.mail.page_url),
            },
            "s3": self._describe_s3(),
            "restored": self.is_restored,
        }

    def start(self) -> Self:
        """Start all; returns when all can be used and sandbox.json is written."""
        self._description_file.unlink(missing_ok=True)
        try:
            servers = (self.folio, self.infiniti, self.sftp, self.mail, self.s3)
            for server in servers:
                if server:
                    self._running.callback(server.stop)  # also frees the port of one that is not started yet
            for server in servers:
                if server:
                    server.start()
            write_private(self._description_file, self.description)
            self._running.callback(self._description_file.unlink, missing_ok=True)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop all; files, mails and objects stay in the folder, the users only with `keep`."""
        self._running.close()
        self.keep()

    def keep(self) -> None:
        """Write what FOLIO and Infiniti have into the folder, if it is to be kept."""
        if self._kept:
            kept.save(self._kept, self.folio, self.infiniti.school)

    @property
    def _description_file(self) -> Path:
        return self.folder / "sandbox.json"

    def _folio_tenants(self) -> list[FolioTenant]:
        return [
            FolioTenant(library.folio_tenant, "patronload", self._secrets.folio_passwords[library.folio_tenant])
            for library in (*LIBRARIES, OWN)
        ]

    def _sftp_accounts(self) -> list[SftpAccount]:
        key, password = self._secrets.sftp_public_key, self._secrets.sftp_password
        return [
            SftpAccount(tenant, public_key=key) if has_key else SftpAccount(tenant, password)
            for tenant, has_key in _sftp_logins()
        ]

    def _describe_tenants(self) -> list[dict[str, str]]:
        return [
            {
                "tenant": library.tenant,
                "folio_tenant": library.folio_tenant,
                "username": self.folio.tenants[library.folio_tenant].username,
                "password": self.folio.tenants[library.folio_tenant].password,
                "login": "legacy" if library.legacy_login else "expiring",
            }
            for library in (*LIBRARIES, OWN)
        ]

    def _describe_accounts(self) -> list[dict[str, str]]:
        return [
            {
                "username": tenant,
                "folder": str(self.sftp.folder(tenant)),
                **(
                    {"private_key": self._secrets.sftp_private_key}
                    if has_key
                    else {"password": self._secrets.sftp_password}
                ),
            }
            for tenant, has_key in _sftp_logins()
        ]

    def _describe_s3(self) -> dict[str, Any] | None:
        if self.s3 is None:
            return None
        keys = {"access_key": self.s3.access_key, "secret_key": self.s3.secret_key}
        return {"url": self._advertise(self.s3.url), **keys, "buckets": self.s3.buckets}

    def _advertise(self, url: str) -> str:
        return url.replace("127.0.0.1", self._advertised_name) if self._advertised_name else url


def _sftp_logins() -> list[tuple[str, bool]]:
    """Each demo library, and whether it logs in at the SFTP server with a key."""
    return [*((library.tenant, library.sftp_key) for library in (*LIBRARIES, OWN)), (SCHOOL, False)]


def give_reference_data(store: Store) -> None:
    """Add the departments and the custom field that Northfield's export uses."""
    names = ("Biology", "Chemistry", "Classics", "Computer Science", "History", "Mathematics", "Music")
    for department in departments(*names):
        store.departments.put(department)
    store.custom_fields.put(select_field("homeCampus", "Home campus", ["Main campus", "Riverside", "Online"]))


def read_or_make_secrets(path: Path) -> Secrets:
    """The secrets of a folder; they are created at the first start."""
    passwords = {library.folio_tenant: secrets.token_urlsafe(18) for library in (*LIBRARIES, OWN)}
    if path.exists():
        found = Secrets(**json.loads(path.read_text()))
        if passwords.keys() <= found.folio_passwords.keys():
            return found
        found.folio_passwords = passwords | found.folio_passwords  # a folder of an earlier version lacks some
        write_private(path, asdict(found))
        return found
    pair = new_key_pair("northfield@sandbox")
    created = Secrets(sftp_private_key=pair.private, sftp_public_key=pair.public, folio_passwords=passwords)
    write_private(path, asdict(created))
    return created


def write_private(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that only the owner can read, completely or not at all."""
    unfinished = path.with_suffix(".part")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file, indent=2)
    unfinished.rename(path)
