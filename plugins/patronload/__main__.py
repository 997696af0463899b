# PYTHON_ARGCOMPLETE_OK
"""
Patronload without Airflow: check the YAML, and preview a load.

  python -m patronload check                      every tenant and mapping file, or only those that are named
  python -m patronload doctor northfield          a library's connections, servers, permissions, mail and storage
  python -m patronload preview --tenant northfield --export patrons.csv --out DIR
  python -m patronload preview --mapping folio/flat_patrons --export patrons.csv --out DIR
  python -m patronload draft --export patrons.csv --name northfield --out DIR
  python -m patronload find northfield            every run of recent weeks that contained a person
  python -m patronload decrypt --artifact rejects.csv --out DIR
  python -m patronload init --out DIR             the folders of a deployment of your own
  python -m patronload ledger --tenant northfield build the patron ledger again from the archive of runs
  python -m patronload schemas                    write include/schemas from the models
"""

from __future__ import annotations

import argparse
import getpass
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
from rich.table import Table
from rich.text import Text

from patronload import __version__, dates, settings, systems
from patronload.cli import private_files
from patronload.cli.terminal import err, out, working
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

EXIT_CODES = """
exit codes:
  0  success: check found no mistakes, or the load of a preview would not stop
  1  a mistake, which was reported; or the load of a preview would stop
  2  wrong arguments
"""


def main(arguments: list[str] | None = None) -> int:
    """The exit code; see EXIT_CODES."""
    parser = command_line_parser()
    if "_ARGCOMPLETE" in os.environ:  # set by the shell that wants to complete a word
        import argcomplete

        argcomplete.autocomplete(parser)
    parsed = parser.parse_args(arguments)
    try:
        return int(parsed.command(parsed))
    except (PatronloadError, OSError) as error:
        err.print(re.sub(r"^\[Errno \d+\] ", "", str(error)), style="red", markup=False)
        return 1
    except pydantic.ValidationError as error:
        for mistake in error.errors():
            message = f"--{mistake['loc'][0]}: {mistake['msg'].removeprefix('Value error, ')}"
            err.print(message.replace("String should have", "must have"), style="red", markup=False)
        return 2


def command_line_parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    parser = argparse.ArgumentParser(
        "python -m patronload",
        description=__doc__,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"Patronload {__version__}")
    commands = parser.add_subparsers(
        required=True, metavar="check | doctor | preview | draft | find | decrypt | init | ledger | schemas"
    )
    check = commands.add_parser("check", help="check all tenant and mapping files, or only some")
    check.add_argument(
        "names", metavar="TENANT_OR_FILE", nargs="*", help="a tenant, or a YAML file; all of them if left out"
    )
    check.set_defaults(command=_check)
    doctor = commands.add_parser(
        "doctor", help="examine a library's connections, servers, permissions, mail and storage"
    )
    _complete_tenants(doctor.add_argument("tenant", metavar="TENANT"))
    doctor.set_defaults(command=_doctor)
    preview = commands.add_parser("preview", help="validate and map an export; send nothing")
    which = preview.add_mutually_exclusive_group(required=True)
    _complete_tenants(which.add_argument("--tenant", metavar="T", help="use this tenant's mapping, layout and limits"))
    which.add_argument("--mapping", metavar="M", help="use this mapping: folio/flat_patrons, or the path of a file")
    preview.add_argument("--export", metavar="F", type=Path, nargs="+", required=True, help="the file or files")
    preview.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to write the result")
    preview.add_argument("--delimiter", help="the character between two cells (default: the tenant's, or a comma)")
    preview.add_argument("--encoding", help="the file's encoding (default: the tenant's, or utf-8)")
    preview.add_argument("--pgp-key", metavar="K", type=Path, help="the private key, for an export encrypted with PGP")
    preview.set_defaults(command=_preview)
    _add_draft(commands.add_parser("draft", help="write a first tenant and mapping file from a sample of an export"))
    _add_find(commands)
    decrypt = commands.add_parser("decrypt", help="decrypt artifacts")
    decrypt.add_argument("--artifact", metavar="F", type=Path, required=True, help="a file, or a run's folder")
    decrypt.add_argument("--keys", metavar="F", type=Path, help="a file with the keys (asked for if left out)")
    decrypt.add_argument("--out", metavar="DIR", type=Path, required=True, help="where to write")
    decrypt.set_defaults(command=_decrypt)
    init = commands.add_parser("init", help="write the folders of a deployment of your own")
    init.add_argument("--out", metavar="DIR", type=Path, required=True, help="an empty or new folder")
    init.set_defaults(command=_init)
    _add_ledger(commands)
    write = commands.add_parser("schemas", help="write the JSON Schemas for editors")
    write.set_defaults(command=_schemas)
    return parser


def _add_ledger(commands: Any) -> None:
    ledger = commands.add_parser("ledger", help="build a library's patron ledger again from the archive of its runs")
    _complete_tenants(ledger.add_argument("--tenant", metavar="T", required=True, help="the library's tenant file"))
    ledger.set_defaults(command=_ledger)


def _add_find(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    find = commands.add_parser("find", help="list every run of recent weeks that contained a person, and the result")
    _complete_tenants(find.add_argument("tenant", metavar="TENANT", help="the library's short name"))
    find.add_argument(
        "value", metavar="VALUE", nargs="?", help="an id, username, barcode or e-mail address (asked for if left out)"
    )
    find.set_defaults(command=_find)


def _add_draft(draft: argparse.ArgumentParser) -> None:
    draft.add_argument("--export", metavar="F", type=Path, required=True, help="the sample")
    draft.add_argument("--target", choices=sorted(systems.KNOWN), default="folio", help="default: folio")
    draft.add_argument("--name", type=_name, default="draft", help="the library's short name (default: draft)")
    draft.add_argument("--out", metavar="DIR", type=Path, default=Path("draft"), help="where to write (default: draft)")
    draft.add_argument("--delimiter", help="the character between two cells (default: guessed)")
    draft.add_argument("--encoding", default="cp1252", help="of a sample that is not UTF-8 (default: cp1252)")
    draft.add_argument("--force", action="store_true", help="replace existing files")
    draft.set_defaults(command=_draft)


def _complete_tenants(tenant: argparse.Action) -> None:
    """Let a shell complete the names of tenants; see docs/command-line.md."""
    tenant.completer = lambda **_: tenants.names()  # type: ignore[attr-defined] # argcomplete's way to ask


def _name(given: str) -> str:
    try:
        return pydantic.TypeAdapter(tenants.Name).validate_python(given)
    except pydantic.ValidationError:
        sentence = f"'{given}' must be lower-case letters, digits and _, beginning with a letter, like northfield"
        raise argparse.ArgumentTypeError(sentence) from None


def _check(parsed: argparse.Namespace) -> int:
    files = list(_checked_files(parsed.names) if parsed.names else _check_files())
    mistakes = [mistake for _, mistake in files if mistake]
    for name, mistake in files:
        out.print(f"[red]✗[/] {name}" if mistake else f"[green]✓[/] {name}")
    for mistake in mistakes:
        err.print(f"\n{mistake}", style="red", markup=False)
    for name, tenant in _loaded(parsed.names):
        for doubt in (
            [] if isinstance(tenant, ConfigError) else [*tenant.source.doubts, *mapping_files.doubts(tenant.mapping)]
        ):
            err.print(f"\nWarning: {name}.yaml: {doubt}", style="yellow", markup=False, highlight=False)
    return 1 if mistakes else 0


def _loaded(names: list[str]) -> Iterable[tuple[str, Tenant | ConfigError]]:
    """Each tenant, or only those named, with the mistake in its file, if any."""
    if not names:
        return tenants.load_all()
    named = {Path(name).stem for name in names}.intersection(tenants.names())
    return [(name, loaded) for name in sorted(named) if (loaded := _tenant_if_valid(name))]


def _tenant_if_valid(name: str) -> Tenant | None:
    with suppress(ConfigError):
        return tenants.load(name)
    return None


def _checked_files(names: list[str]) -> Iterator[tuple[str, ConfigError | None]]:
    """Each named tenant with its mapping file, and each named file, with its mistake, if any."""
    for name in names:
        path = Path(name)
        if path.suffix != ".yaml":
            yield _checked_tenant(name)
        elif path.resolve().is_relative_to(settings.tenants().resolve()):
            yield _checked_tenant(path.stem)
        else:
            yield name, _mistake(partial(mapping_files.load_file, path))


def _checked_tenant(name: str) -> tuple[str, ConfigError | None]:
    return f"tenants/{name}.yaml", _mistake(partial(_load_tenant, name))


def _load_tenant(name: str) -> None:
    """The tenant, its own expectations and its mapping file. Raises ConfigError."""
    _known_tenant(name)
    tenant = tenants.load(name)
    mapping_files.load(tenant.mapping)
    if mistake := _check_expectations(tenant):
        raise mistake


def _mistake(load: Callable[[], object]) -> ConfigError | None:
    try:
        load()
    except ConfigError as error:
        return error
    return None


def _check_files() -> Iterator[tuple[str, ConfigError | None]]:
    """Each tenant and mapping file with its mistake, if any."""
    for name, loaded in tenants.load_all():
        yield f"tenants/{name}.yaml", loaded if isinstance(loaded, ConfigError) else _check_expectations(loaded)
    for path in sorted(settings.mappings().rglob("*.yaml")):
        name = path.relative_to(settings.include()).as_posix()
        try:
            mapping_files.load_file(path)
            yield name, None
        except ConfigError as error:
            yield name, error
        except Exception as error:  # noqa: BLE001 - one file must never hide the mistakes in the others
            yield name, ConfigError(f"{path.name}: this file causes an unexpected error. {Defect.hiding(error)}")


def _check_expectations(tenant: Tenant) -> ConfigError | None:
    """The mistakes in the tenant's own expectations; those in the mapping file are reported separately."""
    with suppress(Exception):
        found = list(mapping_files.required_blanks(mapping_files.load(tenant.mapping), tenant.expect))
        file = yaml_files.read(settings.tenants() / f"{tenant.tenant}.yaml") if found else None
        if file:
            return ConfigError("\n".join(models.complaint(file, key, sentence) for key, sentence in found))
    return None


def _doctor(parsed: argparse.Namespace) -> int:
    from patronload.doctor import examination  # it asks Airflow for the connections, which takes seconds to import

    _known_tenant(parsed.tenant)
    failed = 0
    for check in examination.examine(parsed.tenant):
        failed += check.state == "failed"
        colour, mark = {"passed": ("green", "✓"), "warning": ("yellow", "!"), "failed": ("red", "✗")}[check.state]
        out.print(Text(f"{mark} {check.subject}", style=colour))
        for sentence in check.sentences:
            out.print(Text(f"    {sentence}"))
    return 1 if failed else 0


def _known_tenant(name: str) -> None:
    """Raises ConfigError, with the known ones, if there is no tenant of this name."""
    known = tenants.names()
    if name in known:
        return
    there = models.suggestion(name, known) if known else f"There are no files in {settings.tenants()}."
    raise ConfigError(f"No tenant is called '{name}'. {there[:1].upper()}{there[1:]}")


def _preview(parsed: argparse.Namespace) -> int:
    from patronload.cli import preview  # polars and Great Expectations take seconds to import

    key = _pgp_key(parsed.pgp_key) if parsed.pgp_key else None
    given = _layout(parsed)
    if parsed.tenant:
        _known_tenant(parsed.tenant)
        make = partial(preview.of_tenant, parsed.tenant, parsed.export, key, given)
    else:
        layout, allowed = Layout.model_validate(given), Limits(max_rejects="100%")
        make = partial(preview.preview, parsed.mapping, parsed.export, layout, allowed, key=key)
    with working("Checking and mapping the export"):
        made = make()
        preview.write(made, parsed.out)
    _show(made, parsed.out)
    return 1 if made.refusals else 0


def _layout(parsed: argparse.Namespace) -> dict[str, str]:
    """The delimiter and the encoding as far as they are given. Raises ValidationError for impossible ones."""
    given = {"delimiter": parsed.delimiter, "encoding": parsed.encoding}
    written = {name: value.replace("\\t", "\t") for name, value in given.items() if value is not None}
    Layout.model_validate(written)
    return written


def _pgp_key(path: Path) -> Key:
    """The key in a file. Its passphrase comes from the environment, or from a prompt on a terminal."""
    from patronload.exports.pgp import Key

    passphrase = os.environ.get(PASSPHRASE)
    if passphrase is None and sys.stdin.isatty():
        passphrase = getpass.getpass(f"Passphrase of {path.name} (none: Enter): ")
    comes = f"in the file, and its passphrase in the environment variable {PASSPHRASE}"
    return Key(path.read_text(encoding="ascii", errors="replace"), passphrase or "", f"the file {path.name}", comes)


def _show(made: Preview, folder: Path) -> None:
    from patronload.cli import preview  # see above

    for refusal in made.refusals:
        out.print(f"The run would stop: {refusal}", style="red", markup=False)
    skipped = f", {made.skipped.height:,} skipped by rule" if made.skipped.height else ""
    patrons = f"{made.patrons.height:,} patron{'' if made.patrons.height == 1 else 's'}"
    out.print(f"{made.rows:,} rows: {patrons}, {made.rejected:,} rejected{skipped}", style="bold")
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
    workbook = [preview.WORKBOOK] if made.rejects_workbook else []
    noted = [preview.NOTED] if made.noted.height else []
    written = ", ".join([preview.PATRONS, preview.REJECTS, *workbook, *noted, preview.REPORT])
    out.print(f"Written to {folder}: {written}", markup=False)


def _draft(parsed: argparse.Namespace) -> int:
    from patronload.cli import drafts  # polars is slow to import

    layout = _layout(parsed)
    made = drafts.draft(
        parsed.export.read_bytes(), parsed.name, parsed.target, layout["encoding"], layout.get("delimiter")
    )
    texts = {
        parsed.out / folder / f"{parsed.name}.yaml": text
        for folder, text in (("tenants", made.tenant), (f"mappings/{parsed.target}", made.mapping))
    }
    if there := [f"{path}" for path in texts if path.exists() and not parsed.force]:
        raise ConfigError(
            f"{' and '.join(there)} already {'exists' if len(there) == 1 else 'exist'}, so nothing was written. Choose "
            "another --name or --out, or replace what is there with --force."
        )
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out.print(f"Written to {path}", markup=False)
    for note in made.notes:
        out.print(f"Please check: {note}", style="yellow", markup=False)
    return 0


def _find(parsed: argparse.Namespace) -> int:
    from patronload.cli import find  # polars is slow to import

    value = getpass.getpass("ID, username, barcode or e-mail address: ") if parsed.value is None else parsed.value
    with working(f"Searching the runs of {parsed.tenant}"):
        lines = [*find.lines(find.find(parsed.tenant, value))]
    for line in lines:
        out.print(line, markup=False)
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
        content = cipher.decrypt(file, f"{path}").getvalue() if encryption.is_encrypted(file) else file.read()
    private_files.write(to, content)
    out.print(f"Written to {to}", markup=False)


def _init(parsed: argparse.Namespace) -> int:
    from patronload.cli import new_deployment

    written = new_deployment.write(parsed.out)
    out.print(f"Written to {parsed.out}: {len(written)} files in dags, plugins and include", markup=False)
    out.print("Next: `patronload draft` writes a first tenant file and mapping file from a sample of an export.")
    return 0


def _ledger(parsed: argparse.Namespace) -> int:
    from patronload.loads import ledger_rebuild  # polars and Airflow are slow to import

    _known_tenant(parsed.tenant)
    with working(f"Reading the runs of {parsed.tenant}"):
        made = ledger_rebuild.rebuild(parsed.tenant)
    runs = f"{len(made.days):,} run{'s' if made.days[1:] else ''}, of {dates.in_words(made.days[0])}"
    until = f" to {dates.in_words(made.days[-1])}" if made.days[1:] else ""
    out.print(
        f"Built the patron ledger of {parsed.tenant} again: {made.patrons:,} patrons from {runs}{until}.", markup=False
    )
    if made.purged:
        out.print(
            f"{made.purged:,} earlier runs no longer have patron data. Patrons who were only in those runs are "
            f"not in the ledger.",
            markup=False,
        )
    return 0


def _schemas(_: argparse.Namespace) -> int:
    for path in schemas.write():
        out.print(f"Written to {path}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
