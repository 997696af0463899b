"""
Draft a first tenant file and a first mapping file from a sample of an export, for a person to review.

Columns are assigned to fields by their names (column_names.py), and what their values look like decides the rest of the
rule (sample_values.py). Anything uncertain is left to the person, and listed at the top of the mapping file. No value
of the sample is written down, except codes: those of patron groups, departments and the like, and only if they are few
and each occurs in several rows.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml

from patronload import systems
from patronload.cli import column_names, sample_values
from patronload.cli.column_names import NAME, PLACE
from patronload.config.mapping import TO_FILL_IN
from patronload.config.source import Layout
from patronload.errors import SourceError
from patronload.exports import first_lines, reading, unpacking
from patronload.exports.reading import Export
from patronload.systems import System
from patronload.systems.fields import Kind

DELIMITERS = (",", ";", "|", "\t")

YES = {"y", "yes", "true", "t", "1", "active", "current", "a", "enrolled", "staff", "teacher", "employee", "stf", "fac"}
NO = {"n", "no", "false", "f", "0", "inactive", "left", "i", "l", "student", "stu", "s", "withdrawn", "pupil"}
"""Codes that mean true or false in a column of true and false; others are guessed as false, and noted."""

STATES = {"active", "inactive", "enabled", "disabled", "current", "left", "withdrawn", "terminated", "a", "i"}
"""Codes that say whether a patron is active. A column of others, such as FT and PT, has patron groups."""

USER_TYPES = {"patron", "staff", "system", "shadow", "dcb"}
"""FOLIO's types of users."""

ADDRESS = "personal.addresses[0]"

RAGGED = 0.5
"""A sample in which more rows than this share do not fit the header is not a table."""

Rules = dict[str, object]


class Draft(NamedTuple):
    """The texts of a tenant file and of a mapping file, and notes for the person who reviews them."""

    tenant: str
    mapping: str
    notes: list[str]


def draft(
    content: bytes, name: str, target: str = "folio", encoding: str = "cp1252", delimiter: str | None = None
) -> Draft:
    """
    Files for the library `name`, for the `target` folio or infiniti.

    Without a `delimiter`, it is the one that gives most columns; `encoding` is used for a sample that is not UTF-8.
    Raises SourceError if the sample cannot be read or is not a table with a header line.
    """
    export, used = _read(content, encoding, (delimiter,) if delimiter else _named(content) or DELIMITERS)
    _check_is_table(export, content, systems.KNOWN[target])
    made = _Drafting(export, systems.KNOWN[target])
    if used.quote == "none":
        made.notes.append("The sample has quotes that do not enclose cells, so the tenant file has quote: none.")
    if export.encoding == encoding != "utf-8":
        has = "has no accents" if unpacking.unpack(content).isascii() else "is not UTF-8"
        made.notes.append(f"The sample {has}; {encoding} is a guess. Check names with accents.")
    return Draft(_tenant(name, target, used, export.encoding, made.digits), made.mapping(), made.notes)


def _named(content: bytes) -> tuple[str, ...]:
    """The delimiter that Excel's first line names, if there is one."""
    found = first_lines.SEPARATOR.match(content[: first_lines.LONGEST].decode("utf-8", errors="ignore"))
    return (found[1],) if found else ()


def _read(content: bytes, encoding: str, delimiters: tuple[str, ...]) -> tuple[Export, Layout]:
    """The sample in the layout that gives most columns. Quotes enclose cells, unless it can only be read without."""
    read: list[tuple[Export, Layout]] = []
    errors: list[SourceError] = []
    for delimiter in delimiters:
        layout = Layout(delimiter=delimiter, encoding=encoding)
        for tried in (layout, layout.model_copy(update={"quote": "none"})):
            try:
                read.append((reading.read(content, tried), tried))
                break
            except SourceError as error:
                errors.append(error)
    best = max(read, key=lambda pair: len(pair[0].columns), default=None)
    if best is None or (errors and len(best[0].columns) == 1):
        raise _not_a_table(content) or errors[0]
    return best


def _check_is_table(export: Export, content: bytes, system: System) -> None:
    """Raises SourceError for a sample that is not a table with a header line. It shows nothing of the content."""
    if refusal := _not_a_table(content):
        raise refusal
    columns = export.columns
    if len(columns) == 1:
        raise SourceError(
            "The sample is not a table: its first line has one column only. The delimiters , ; | and tab were tried. "
            "Give another one with --delimiter, or remove the lines before the header. For a file of fixed width, see "
            "source.widths in docs/tenant-files.md."
        )
    if export.ragged.height > RAGGED * export.rows:
        raise SourceError(
            f"The sample is not a table: {export.ragged.height:,} of {export.rows:,} lines have more or fewer cells "
            "than the first one. Is the first line the header? Remove lines before it."
        )
    values = [name for name in columns if _is_a_value(export, name)]
    if 2 * len(values) > len(columns) or (values and 3 * len(column_names.assign(columns, system)) < len(columns)):
        raise SourceError(
            "The sample has no header line: the first line looks like a patron. Ask the sender for a header line, or "
            "add one to the sample. A load can read a file without one; see source.columns in docs/tenant-files.md."
        )


def _is_a_value(export: Export, name: str) -> bool:
    """Whether the name of a column is a value: it looks like one, or other rows have it, too."""
    return sample_values.looks_like_a_value(name) or name.isdecimal() or name in set(export.frame[name])


def _not_a_table(content: bytes) -> SourceError | None:
    start = content[:64].replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # UTF-16 has zero bytes
    if start.startswith((b"{", b"[")):
        return SourceError(
            "The sample is JSON, not a table. Ask the sender for CSV: a header line, then one line for each person."
        )
    if start.startswith(b"<"):
        return SourceError("The sample is XML or a web page, not a table. Ask the sender for CSV.")
    return None


class _Drafting:
    """The mapping of a sample, rule by rule."""

    def __init__(self, export: Export, system: System) -> None:
        self.export = export
        self.system = system
        self.notes: list[str] = []
        self.lookups: dict[str, dict[str, Any]] = {}
        self.digits: dict[str, int] = {}
        self.rules: Rules = {}
        likely = column_names.assign(export.columns, system)
        used = {column for column, path in likely if self._add(self._by_values(path, column), column)}
        left = [column for column in export.columns if column not in used]
        self._complete()
        self._note_packed(left)
        if left:
            self.notes.append(f"No field was found for these columns: {', '.join(left)}.")

    def mapping(self) -> str:
        """The text of the mapping file."""
        body: dict[str, object] = {"target": self.system.type, "description": "A first draft: check every line."}
        order = self.system.names
        body["fields"] = dict(sorted(self.rules.items(), key=lambda rule: order.index(rule[0])))
        if self.lookups:
            body["lookups"] = self.lookups
        schema = "# yaml-language-server: $schema=../../schemas/mapping.schema.json\n"
        notes = "".join(f"# {_on_one_line(note)}\n" for note in self.notes)
        return schema + notes + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)

    def _cells(self, column: str) -> list[str]:
        return sample_values.cells_of(self.export.frame[column].to_list())

    def _by_values(self, path: str, column: str) -> str:
        """The field of a column whose name does not decide: a status may be active or not, or the patron's group."""
        values = {cell.lower() for cell in self._cells(column)}
        if path == "type" and not values <= USER_TYPES:
            return self.system.group
        return "active" if path == "patronGroup" and values and values <= STATES else path

    def _add(self, path: str, column: str) -> bool:
        """Add the rules that a column gives; False if its fields are taken by an earlier one."""
        cells = self._cells(column)
        rules = self._whole(path, column, cells) or {path: self._rule(path, column, cells)}
        rules = {field: rule for field, rule in rules.items() if field not in self.rules and rule is not None}
        self.rules |= rules
        return bool(rules)

    def _whole(self, path: str, column: str, cells: list[str]) -> Rules | None:
        """The rules of a column with several fields in one cell; None for other columns."""
        if path == NAME:
            return _names(column, self.system, last_first=sample_values.packed(cells, "comma"))
        is_address = path.startswith(ADDRESS) or path == PLACE
        if is_address and sample_values.packed(cells, "place"):
            return _place(column)
        if path == PLACE:
            return {f"{ADDRESS}.city": column}
        if path == self.system.group == "patronGroup" and sample_values.packed(cells, "group and date"):
            self.notes.append(f"{column} has the patron group and the date; check both.")
            group = {"column": column, "steps": [{"extract": "-([0-9]{3}[a-z]+) "}], "required": True}
            until = {"column": column, "steps": [{"extract": "--(.+)$"}], "date": "%m/%d/%Y"}
            return {path: group, "expirationDate": until}
        return None

    def _complete(self) -> None:
        """Add every field that the target requires, even without a column for it."""
        needed = [*self.system.required, *self.system.required_within.values()]
        for path in needed:
            if path not in self.rules:
                self.rules[path] = self._asking(path)
                self.notes.append(f"{path} is required: which column has it?{self._instead(path)}")
        if any(path.startswith(f"{ADDRESS}.") for path in self.rules):
            self.rules.setdefault(f"{ADDRESS}.addressTypeId", {"value": "Home"})

    def _instead(self, path: str) -> str:
        """The usual way out if the export has no username: the id once more."""
        key = self.rules.get(self.system.key)
        column = key.get("column") if isinstance(key, dict) else key
        return f" If no column has it, write the id's again: {path}: {column}" if path == "username" and column else ""

    def _asking(self, path: str) -> object:
        """The rule of a required field without a column."""
        if self.system.fields[path] is not Kind.YES_NO:
            return {"column": TO_FILL_IN, "required": True}
        if path != "staffmember":
            return {"value": True}  # a column that was not found must not disable anyone
        # Nor make anyone staff, or a teacher a student: a person has to answer.
        self.lookups.setdefault("staff", {"STAFF": True, "STUDENT": False})
        return {"column": TO_FILL_IN, "lookup": "staff", "required": True}

    def _rule(self, path: str, column: str, cells: list[str]) -> object:
        kind = self.system.kind(path)
        needed = path in (*self.system.required, *self.system.required_within.values())
        if kind is Kind.DATE:
            return self._dated(column, cells)
        if kind is Kind.LIST:
            return self._list(path, column, cells)
        if kind is Kind.YES_NO:
            return self._yes_no(path, column, cells)
        if path == self.system.group:
            return self._group(column, cells)
        if path in self.system.unique and (width := sample_values.width(cells)):
            self.digits[column] = width
            self.notes.append(f"{column}: all ids have {width} digits; source.digits in the tenant file checks that.")
        rule: dict[str, object] = {
            "column": column,
            **({"required": True} if needed else {}),
            **self._more(path, cells),
        }
        return rule if len(rule) > 1 else column

    def _more(self, path: str, cells: list[str]) -> dict[str, object]:
        """The keys that the values need besides the column: steps, or the country of telephone numbers."""
        if path.endswith("countryId"):
            return {"steps": ["country"]}
        if path in ("personal.phone", "personal.mobilePhone") and (country := sample_values.phone_country(cells)):
            self.notes.append(f"{path}: the draft treats numbers without + as numbers of {country}.")
            return {"phone": country}
        if path in self.system.names_of_people and sample_values.is_upper(cells):
            return {"steps": ["name_case"]}
        return {}

    def _dated(self, column: str, cells: list[str]) -> object:
        found = sample_values.dates(cells)
        if found.note:
            self.notes.append(f"{column}: {found.note}")
        return {"column": column, "date": found.forms[0] if len(found.forms) == 1 else found.forms}

    def _list(self, path: str, column: str, cells: list[str]) -> object:
        sign = sample_values.separator(cells)
        if sign is None:
            self.notes.append(f"{column}: which character separates several values? The draft assumes a semicolon.")
        rule: dict[str, object] = {"column": column, "split": sign or ";"}
        codes = sample_values.codes(
            [part.strip() for cell in cells for part in cell.split(sign or ";") if part.strip()]
        )
        if path == "departments" and codes:
            self.lookups["departments"] = {code: code for code in codes}
            self.notes.append(f"{column}: write the names of {self.system.name}'s departments into the lookup.")
            rule["lookup"] = "departments"
        elif path == "departments":
            self.notes.append(
                f"{column}: a row with a department that {self.system.name} does not have is rejected. To create it, "
                "or to load the row without it, see target.create and target.unknown_values in docs/tenant-files.md."
            )
        return rule

    def _yes_no(self, path: str, column: str, cells: list[str]) -> object:
        codes = sample_values.codes(cells)
        if path == "requestPreference.holdShelf":
            yes = [code for code in codes if code.lower() in YES] or ["Y"]
            return {"cases": [{"when": {"column": column, "is": yes}, "value": True}]}
        name = re.sub(r"\W", "_", path.lower())
        table = {code.lower(): code.lower() in YES for code in codes} or {"y": True, "n": False}
        if unsure := [code for code in table if code not in YES | NO]:
            self.notes.append(f"{column}: the draft treats {', '.join(unsure)} as no; correct the lookup {name}.")
        self.lookups[name] = table
        return {"column": column, "steps": ["lower"], "lookup": name}

    def _group(self, column: str, cells: list[str]) -> object:
        rule: dict[str, object] = {"column": column, **({"required": True} if self.system.type == "folio" else {})}
        if not (codes := sample_values.codes(cells)):
            return rule
        self.lookups["patron_groups"] = {code: code for code in codes}
        self.notes.append(f"{column}: write the names of {self.system.name}'s groups into the lookup patron_groups.")
        return rule | {"lookup": "patron_groups"}

    def _note_packed(self, left: list[str]) -> None:
        for column in left:
            cells = self._cells(column)
            if sample_values.packed(cells, "json"):
                self.notes.append(f"{column} has JSON in its cells. Read a value with {{column: {column}, json: KEY}}.")
            elif sample_values.packed(cells, "pairs"):
                self.notes.append(
                    f"{column} has several values as KEY:value. Read one with {{column: {column}, pair: KEY}}."
                )


def _names(column: str, system: System, *, last_first: bool) -> Rules:
    """The rules for a column with a whole name, 'Smith, Jane Marie' or 'Jane Marie Smith'."""
    last, first, middle = (
        system.names_of_people[:3] if system.type == "folio" else ("surname", "givenname", "middlename")
    )
    patterns = (
        ("^[^,]+", "^[^,]+, *([^ ]+)", "^[^,]+, *[^ ]+ +(.+)$")
        if last_first
        else ("[^ ]+$", "^([^ ]+) ", "^[^ ]+ (.+) [^ ]+$")
    )
    rules = {
        path: {"column": column, "steps": [{"extract": pattern}]}
        for path, pattern in zip((last, first, middle), patterns, strict=True)
    }
    needed = {last: rules[last] | {"required": True}} if last in system.required_within.values() else {}
    return {**rules, **needed}


def _place(column: str) -> Rules:
    """The rules for a column like 'Poplar Bluff, MO 63901'."""
    patterns = {"city": "^([^,]+),", "region": ", *([A-Za-z]{2}) ", "postalCode": "[0-9]{5}(?:-[0-9]{4})?$"}
    return {f"{ADDRESS}.{name}": {"column": column, "steps": [{"extract": each}]} for name, each in patterns.items()}


def _on_one_line(note: str) -> str:
    """Text on one line; the name of a column may contain line breaks and worse."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(note.split()))


def _tenant(name: str, target: str, layout: Layout, encoding: str, digits: dict[str, int]) -> str:
    connected: dict[str, str] = {"type": target, "connection": f"{name}_{target}"}
    body = {
        "tenant": name,
        "library": f"The library {name}",
        "mapping": f"{target}/{name}",
        "timezone": "UTC",
        "source": {
            "type": "sftp", "connection": f"{name}_sftp", "path": "patrons_{date:%Y%m%d}.csv",
            "delimiter": layout.delimiter, "encoding": encoding,
            **({"quote": "none"} if layout.quote == "none" else {}), **({"digits": digits} if digits else {}),
        },
        "target": connected | ({"folio_tenant": "fs00000000"} if target == "folio" else {}),
        "notify": {"on_failure": ["someone@library.example"]},
    }  # fmt: skip
    schema = "# yaml-language-server: $schema=../schemas/tenant.schema.json\n"
    return schema + yaml.safe_dump(body, sort_keys=False, allow_unicode=True, width=120)
