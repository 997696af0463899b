"""
Patronload without Airflow: check the YAML, and preview a load.

  python -m patronload check                      every tenant and mapping file
  python -m patronload preview --tenant northfield --export patrons.csv --out DIR
  python -m patronload preview --mapping folio/flat_patrons --export patrons.csv --out DIR
  python -m patronload draft --export patrons.csv --name northfield --out DIR
  python -m patronload decrypt --artifact rejects.csv --out DIR
  python -m patronload schemas                    write include/schemas from the models
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pydantic
from rich.console import Console
from rich.table import Table
from rich.text import Text

from patronload import settings, systems
from patronload.config import mapping_files, schemas, tenants
from patronload.config.source import Layout
from patronload.config.tenants import Limits, Tenant
from patronload.documents import models, yaml_files
from patronload.errors import ConfigError, Defect, PatronloadError

if TYPE_CHECKING:
    from patronload.artifacts.encryption import Cipher
    from patronload.cli.preview import Preview
    from patronload.exports.pgp import Key

PASSPHRASE = "PATRONLOAD_PGP_PASSPHRASE"  # noqa: S105 - its name, not a passphrase
"""The environment variable with the passphrase of --pgp-key."""

LOOK = 2
"""The number of records that a preview shows."""

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def main(arguments: list[str] | None = None) -> int:
    """0: no mistakes; 1: mistakes, which were reported; 2: wrong arguments."""
    parsed = _parser().parse_args(arguments)
    try:
        return int(parsed.command(parsed))
    except (PatronloadError, OSError) as error:
        err.print(str(error), style="red", markup=False)
        return 1
    except pydantic.ValidationError as error:
        for mistake in error.errors():
            message = f"--{mistake['loc'][0]}: {mistake['msg'].removeprefix('Value error, ')}"
            err.print(message, style="red", markup=False)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m patronload", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="check | preview | draft | decrypt | schemas")
    check = commands.add_parser("check", help="check every tenant and mapping file")
    check.set_defaults(command=_check)
    preview = commands.add_parser("preview", help="validate and map an export; send nothing")
    which = preview.add_mutually_exclusive_group(required=True)
    which.add_argument("--tenant", metavar="T", help="use this tenant's mapping, layout and limits")
    which.add_argument("--mapping", metavar="M", help="use this mapping, such as folio/flat_patrons")
    preview.add_argument("--export", metavar="F", type=Path, nargs="+", required=True, help="the file or files")
    preview.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to write the result")
    preview.add_argument("--delimiter", default=",", help="with --mapping: the character between two cells (a comma)")
    preview.add_argument("--encoding", default="utf-8", help="with --mapping: the file's encoding (utf-8)")
    preview.add_argument("--pgp-key", metavar="K", type=Path, help="the private key, for an export encrypted with PGP")
    preview.set_defaults(command=_preview)
    draft = commands.add_parser("draft", help="write a first tenant and mapping file from a sample of an export")
    draft.add_argument("--export", metavar="F", type=Path, required=True, help="the sample")
    draft.add_argument("--target", choices=sorted(systems.KNOWN), default="folio", help="the library system (folio)")
    draft.add_argument("--name", type=_name, default="draft", help="the library's short name (draft)")
    draft.add_argument("--out", metavar="DIR", type=Path, default=Path("draft"), help="where to write (draft)")
    draft.set_defaults(command=_draft)
    decrypt = commands.add_parser("decrypt", help="decrypt artifacts")
    decrypt.add_argument("--artifact", metavar="F", type=Path, required=True, help="a file, or a run's folder")
    decrypt.add_argument(
        "--keys", metavar="F", type=Path, help="a file with the keys; without it you are asked for them"
    )
    decrypt.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to write")
    decrypt.set_defaults(command=_decrypt)
    write = commands.add_parser("schemas", help="write the JSON Schemas for editors")
    write.set_defaults(command=_schemas)
    return parser


def _name(given: str) -> str:
    try:
        return pydantic.TypeAdapter(tenants.Name).validate_python(given)
    except pydantic.ValidationError:
        sentence = f"'{given}' must be lower-case letters, digits and _, beginning with a letter, like northfield"
        raise argparse.ArgumentTypeError(sentence) from None


def _check(_: argparse.Namespace) -> int:
    files = list(_checked())
    mistakes = [mistake for _, mistake in files if mistake]
    for name, mistake in files:
        out.print(f"[red]✗[/] {name}" if mistake else f"[green]✓[/] {name}")
    for mistake in mistakes:
        err.print(f"\n{mistake}", style="red", markup=False)
    return 1 if mistakes else 0


def _checked() -> Iterator[tuple[str, ConfigError | None]]:
    """Each tenant and mapping file with its mistake, if any."""
    for name, loaded in tenants.load_all():
        yield f"tenants/{name}.yaml", loaded if isinstance(loaded, ConfigError) else _expected(loaded)
    for path in sorted(settings.mappings().rglob("*.yaml")):
        name = path.relative_to(settings.include()).as_posix()
        try:
            mapping_files.load_file(path)
            yield name, None
        except ConfigError as error:
            yield name, error
        except Exception as error:  # noqa: BLE001 - one file must never hide the mistakes in the others
            yield name, ConfigError(f"{path.name}: this file causes an unexpected error. {Defect.hiding(error)}")


def _expected(tenant: Tenant) -> ConfigError | None:
    """The mistakes in the tenant's own expectations; those in the mapping file are reported separately."""
    with suppress(Exception):
        found = list(mapping_files.required_blanks(mapping_files.load(tenant.mapping), tenant.expect))
        file = yaml_files.read(settings.tenants() / f"{tenant.tenant}.yaml") if found else None
        if file:
            return ConfigError("\n".join(models.complaint(file, key, sentence) for key, sentence in found))
    return None


def _preview(parsed: argparse.Namespace) -> int:
    from patronload.cli import preview  # polars and Great Expectations take seconds to import

    key = _pgp_key(parsed.pgp_key) if parsed.pgp_key else None
    if parsed.tenant:
        made = preview.of_tenant(parsed.tenant, parsed.export, key)
    else:
        layout = Layout(delimiter=parsed.delimiter.replace("\\t", "\t"), encoding=parsed.encoding)
        made = preview.preview(parsed.mapping, parsed.export, layout, Limits(max_rejects="100%"), key=key)
    preview.write(made, parsed.out)
    _show(made, parsed.out)
    return 1 if made.refusals else 0


def _pgp_key(path: Path) -> Key:
    """The key in a file. Its passphrase comes from the environment, or from a prompt on a terminal."""
    from patronload.exports.pgp import Key

    passphrase = os.environ.get(PASSPHRASE)
    if passphrase is None and sys.stdin.isatty():
        passphrase = getpass.getpass(f"Passphrase of {path.name} (none: Enter): ")
    comes = f"in the file, and its passphrase in the environment variable {PASSPHRASE}"
    return Key(path.read_text(encoding="ascii", errors="replace"), passphrase or "", f"the file {path.name}", comes)


def _show(made: Preview, folder: Path) -> None:
    for refusal in made.refusals:
        out.print(f"The run would stop: {refusal}", style="red", markup=False)
    skipped = f", {made.skipped.height:,} skipped by rule" if made.skipped.height else ""
    out.print(f"{made.rows:,} rows: {made.patrons.height:,} patrons, {made.rejected:,} rejected{skipped}", style="bold")
    for skip in made.skips:
        out.print(f"Skipped {skip['count']:,} rows: {skip['reason']}", markup=False)
    if made.reasons:
        table = Table("rows", "stage", "why", box=None, pad_edge=False)
        for reason in made.reasons:
            table.add_row(f"{reason['count']:,}", reason["stage"], Text(reason["summary"]))
        out.print(table)
    for warning in made.warnings:
        out.print(f"Please note: {warning}", style="yellow", markup=False)
    for note in made.notes:
        out.print(f"Also noted in {note['count']:,} rows: {note['summary']}", markup=False)
    for patron in made.posted[:LOOK]:
        out.print_json(patron)
    out.print(f"Written to {folder}: patrons.jsonl, rejects.csv, report.json", markup=False)


def _draft(parsed: argparse.Namespace) -> int:
    from patronload.cli import drafts  # polars is slow to import

    made = drafts.draft(parsed.export.read_bytes(), parsed.name, parsed.target)
    for name, text in (("tenants", made.tenant), (f"mappings/{parsed.target}", made.mapping)):
        path = parsed.out / name / f"{parsed.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out.print(f"Written to {path}", markup=False)
    for note in made.notes:
        out.print(f"Please check: {note}", style="yellow", markup=False)
    return 0


def _decrypt(parsed: argparse.Namespace) -> int:
    from patronload.artifacts.encryption import Cipher

    if parsed.keys:
        cipher = Cipher(parsed.keys.read_text(encoding="utf-8", errors="replace"), f"{parsed.keys}")
    else:
        cipher = Cipher(getpass.getpass("The keys: "), "what you entered")
    folder = parsed.artifact if parsed.artifact.is_dir() else parsed.artifact.parent
    for path in sorted(folder.rglob("*")) if parsed.artifact.is_dir() else [parsed.artifact]:
        if path.is_file():
            _write_decrypted(path, cipher, parsed.out / path.relative_to(folder))
    return 0


def _write_decrypted(path: Path, cipher: Cipher, to: Path) -> None:
    from patronload.artifacts import encryption

    with path.open("rb") as file:
        content = cipher.decrypted(file, f"{path}").getvalue() if encryption.is_encrypted(file) else file.read()
    to.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    to.touch(mode=0o600)
    to.write_bytes(content)
    out.print(f"Written to {to}", markup=False)


def _schemas(_: argparse.Namespace) -> int:
    for path in schemas.write():
        out.print(f"Written to {path}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
