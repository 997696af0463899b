"""A mapping: which column of the export goes to which field of the target, and what an export must be like."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, WithJsonSchema, model_validator

from patronload import demands, documents, expectations, fields, ownership, paths, recipes, systems, yaml_files
from patronload.documents import Document
from patronload.errors import ConfigError
from patronload.fields import Kind
from patronload.ownership import Owner
from patronload.systems import System

OTHERWISE = "otherwise"
SOURCES = ("column", "value", "first_of", "join")


def usable(column: str) -> bool:
    """Whether a column may be called so: * and ^...$ mean several columns to polars, and __...__ are ours."""
    return not (column == "*" or re.fullmatch(r"\^.*\$|__.*__", column))


Day = Annotated[
    str,
    Field(pattern=r"^(today|[+-][0-9]{1,3} years|[0-9]{4}-[0-9]{2}-[0-9]{2})$", examples=["2099-12-31", "+20 years"]),
]


class Rule(Document):
    """What goes into one field."""

    column: str | None = Field(
        None, min_length=1, description="the column to take; of several columns there are first_of and join"
    )
    value: (
        Annotated[StrictStr, Field(min_length=1)] | StrictBool | list[Annotated[StrictStr, Field(min_length=1)]] | None
    ) = Field(None, description="the same for every patron")
    first_of: list[str] | None = Field(None, min_length=2, description="the first of these columns that is not empty")
    join: list[str] | None = Field(
        None, min_length=2, description="these columns, those that are not empty, in one text"
    )
    between: str | None = Field(
        None, alias="with", description="what stands between joined columns; a space if left out"
    )
    steps: tuple[str, ...] = Field((), description="named changes, one after the other")
    split: str | None = Field(None, min_length=1, description="what stands between two values of a list in one cell")
    lookup: str | None = Field(None, description="the table below `lookups` that says what each code becomes")
    date: str | None = Field(None, description="how the date is written, like %m/%d/%Y")
    earliest: Day | None = Field(
        None, description="a date before this rejects the row: a day, today, or so many years from today"
    )
    latest: Day | None = Field(None, description="a date after this rejects the row")
    phone: str | None = Field(
        None,
        pattern="^[A-Z]{2}$",
        description="the country whose telephone numbers are written without +, for +13125550199",
    )
    required: StrictBool = Field(False, description="a row without it is rejected")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "Rule":
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(SOURCES)}; there is {' and '.join(given) or 'none'}.")
        if self.value is not None and self.model_fields_set != {"value"}:
            raise ValueError("a fixed value stands alone: it needs no steps, lookup, date, split or required.")
        if any(not usable(column) for column in self.columns):
            raise ValueError("a column of this name cannot be read; ask the sender for a name of letters and digits.")
        if self.between is not None and self.join is None:
            raise ValueError("'with' goes with 'join' only.")
        if self.date is not None and (self.lookup or self.split):
            raise ValueError("a date is neither looked up nor split.")
        if self.date is not None and not _names_a_day(self.date):
            raise ValueError(
                f"'{self.date}' does not tell day, month and year, each once. Write it like %m/%d/%Y or %d.%m.%Y."
            )
        if self.date is None and (self.earliest or self.latest):
            raise ValueError("'earliest' and 'latest' go with 'date' only.")
        if self.phone is not None and (self.date or self.lookup or self.split):
            raise ValueError("a telephone number is neither a date, nor looked up, nor split.")
        return self

    @model_validator(mode="after")
    def _steps_are_known(self) -> "Rule":
        for step in self.steps:
            if step not in recipes.STEPS:
                raise ValueError(f"no step is called '{step}'; {documents.suggestion(step, recipes.STEPS)}")
        return self

    @property
    def columns(self) -> list[str]:
        """The columns of the export that this rule reads."""
        return [self.column] if self.column else self.first_of or self.join or []


def _short_rule(written: Any) -> Any:
    """`barcode: CARD` is short for `barcode: {column: CARD}`."""
    return {"column": written} if isinstance(written, str) else written


DIRECTIVES = {*"YymbBdejaAF%", "-d", "-m"}
"""Of strftime's, those that are about a day."""


def _names_a_day(form: str) -> bool:
    """Whether a day that is written in this form can be read again."""
    if not set(re.findall(r"%(-?.)", form)) <= DIRECTIVES or not re.search(r"%-?[yY]|%F", form):
        return False
    day = datetime(2003, 12, 31)  # noqa: DTZ001 - a day has no zone
    try:
        read = datetime.strptime(day.strftime(form), form)  # noqa: DTZ007 - as above
    except (ValueError, re.error):  # the latter for a form that tells something twice
        return False
    return read == day


class Expectation(Document):
    """One Great Expectations check, by its own name: `expect_column_values_to_be_unique: {column: CARD}`."""

    name: str
    arguments: dict[str, Any]


def _single_key(written: Any) -> Any:
    if isinstance(written, dict) and len(written) == 1:
        ((name, arguments),) = written.items()
        if re.fullmatch(r"expect_\w+", name) and isinstance(arguments, dict | None):
            return {"name": name, "arguments": arguments or {}}
    raise ValueError("write one check a line, like '- expect_column_values_to_be_unique: {column: CARD}'.")


WrittenExpectation = Annotated[
    Expectation,
    BeforeValidator(
        _single_key,
        json_schema_input_type=dict[Annotated[str, Field(pattern=r"^expect_\w+$")], dict[str, Any] | None],
    ),
]


class Expectations(Document):
    """
    What an export must be like: a failure under `file` stops the run, one under `rows` rejects the row, one under
    `blank` empties the one cell, and one under `warn` is only told.
    """

    file: tuple[WrittenExpectation, ...] = Field((), description="a failure stops the run; nothing is sent")
    rows: tuple[WrittenExpectation, ...] = Field((), description="a failure rejects the row")
    blank: tuple[WrittenExpectation, ...] = Field((), description="a failure empties the cell; the patron is loaded")
    warn: tuple[WrittenExpectation, ...] = Field((), description="a failure is told, and the patron is loaded")

    def scopes(self) -> dict[str, tuple[Expectation, ...]]:
        """The expectations by what a failure does."""
        return {"file": self.file, "rows": self.rows, "blank": self.blank, "warn": self.warn}


def _is_target(written: str) -> str:
    if written not in systems.KNOWN:
        listed = " or ".join(f"'{name}'" for name in systems.KNOWN)
        raise ValueError(f"takes {listed}; '{written}' was given.")
    return written


TargetType = Annotated[str, AfterValidator(_is_target), WithJsonSchema({"enum": list(systems.KNOWN)})]

Text = Annotated[StrictStr, Field(min_length=1)]

Table = Annotated[StrictStr, Field(pattern=r"^[\w-]+\.csv$", examples=["patron_groups.csv"])]
"""A file beside the mapping file with a table of codes: a header, then a code and its value in each line."""

Lookup = Annotated[dict[str, Text | StrictBool], Field(min_length=1)]
"""What each code becomes; `otherwise` is for all codes that are not listed."""


class Mapping(Document):
    """The file that says which column goes to which field."""

    target: TargetType
    description: str | None = None
    expect: Expectations = Expectations()
    fields: dict[str, Annotated[Rule, BeforeValidator(_short_rule, json_schema_input_type=str | Rule)]] = Field(
        min_length=1
    )
    lookups: dict[str, Lookup] = Field(default_factory=dict)
    ownership: dict[str, Owner] = Field(
        default_factory=dict,
        description="who may change a field of a patron who is there already: campus, library, first or last",
    )

    @property
    def system(self) -> System:
        """The kind of library system that the mapping is for."""
        return systems.KNOWN[self.target]

    @property
    def columns(self) -> list[str]:
        """The columns of the export that the fields are made of, in the order of the file, each once."""
        return list(dict.fromkeys(column for rule in self.fields.values() for column in rule.columns))

    @property
    def required(self) -> list[str]:
        """The fields without which a row is rejected: those the target insists on and those marked `required`."""
        insisted = self.insisted_on
        return [path for path, rule in self.fields.items() if rule.columns and (rule.required or path in insisted)]

    @property
    def insisted_on(self) -> list[str]:
        """The fields without which the target refuses a patron, whether they are mapped or not."""
        within = self.system.required_within.items()
        needed = [path for parent, path in within if any(field.startswith(f"{parent}.") for field in self.fields)]
        return [*self.system.required, *needed]

    @property
    def unique(self) -> list[str]:
        """The mapped fields that no two patrons may share."""
        return [path for path in self.system.unique if path in self.fields]

    def over(self, columns: Collection[str]) -> "Mapping":
        """
        The mapping for an export that has only these columns: what is made of a missing one is not filled at all.

        Fields without which a row is rejected stay; so do the checks of columns that are there, and those that ask
        which columns there are.
        """
        kept = {
            path: rule
            for path, rule in self.fields.items()
            if path in self.required or all(column in columns for column in rule.columns)
        }
        gone = {column for path, rule in self.fields.items() if path not in kept for column in rule.columns}
        missing = gone - set(columns)
        checks = {
            scope: tuple(
                check for check in asked if missing.isdisjoint(expectations.columns(check.name, check.arguments))
            )
            for scope, asked in self.expect.scopes().items()
        }
        return self.model_copy(update={"fields": kept, "expect": self.expect.model_copy(update=checks)})

    def expecting(self, more: Expectations) -> "Mapping":
        """The mapping with more expectations, behind its own."""
        own, added = self.expect.scopes(), more.scopes()
        both = {scope: own[scope] + added[scope] for scope in own}
        return self.model_copy(update={"expect": self.expect.model_copy(update=both)})

    def lacking(self, columns: Collection[str]) -> list[str]:
        """What to tell of an export that has only these columns, if it may be loaded at all; see `over`."""
        missing = [column for column in self.columns if column not in columns]
        what = f"The export has no column {', '.join(missing)}; what is made of it stays as the library system has it."
        return [what] if missing else []

    def owner(self, path: str) -> Owner:
        """Who owns the field at `path`, or what is around it."""
        return ownership.owner(self.ownership, self.target, path)

    def source_of(self, path: str) -> str:
        """The columns that a field is made of, as the rejects name them."""
        return " + ".join(self.fields[path].columns) if path in self.fields else ""


def load(name: str) -> Mapping:
    """The mapping of this name, such as folio/banner_patrons. Raises ConfigError with file, line, key and a way out."""
    return load_file(paths.mappings() / f"{name}.yaml")


def load_file(path: Path) -> Mapping:
    """The mapping in the file at `path`. Raises ConfigError."""
    file = _with_tables(yaml_files.read(path))
    mistakes = [documents.complaint(file, key, sentence) for key, sentence in expectations.mistakes(file.data)]
    try:
        mapping = documents.load(Mapping, file)
    except ConfigError as error:
        raise ConfigError("\n".join([str(error), *mistakes])) from None
    mistakes += [documents.complaint(file, key, sentence) for key, sentence in _mistakes(mapping)]
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return mapping


def _with_tables(file: yaml_files.YamlFile) -> yaml_files.YamlFile:
    """The file with the tables in it that it names. Raises ConfigError for one that cannot be read."""
    lookups = file.data.get("lookups")
    if not isinstance(lookups, dict):
        return file
    read = {name: _table(file, name, table) if isinstance(table, str) else table for name, table in lookups.items()}
    return file._replace(data=file.data | {"lookups": read})


def _table(file: yaml_files.YamlFile, name: str, table: str) -> dict[str, str | bool]:
    path = file.path.parent / table
    if not re.fullmatch(r"[\w-]+\.csv", table) or not path.is_file():
        sentence = f"there is no file {table} beside the mapping file. Name one there, like patron_groups.csv."
        raise ConfigError(documents.complaint(file, ("lookups", name), sentence))
    try:
        lines = io.StringIO(yaml_files.read_text(path), newline="")
    except ConfigError as error:
        raise ConfigError(documents.complaint(file, ("lookups", name), str(error))) from None
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines)][1:]
    found: dict[str, str] = {}
    for number, row in enumerate(rows, 2):
        if any(row) and (len(row) != len(("code", "value")) or not all(row) or row[0] in found):
            sentence = f"{table}, line {number}: write a code and its value, each code once."
            raise ConfigError(documents.complaint(file, ("lookups", name), sentence))
        if any(row):
            found[row[0]] = row[1]
    yes_no = set(found.values()) <= {"true", "false"}
    return {code: value == "true" for code, value in found.items()} if yes_no else dict(found)


def _mistakes(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    """What no single key can tell: whether the parts of the file fit each other and the target."""
    for path, rule in mapping.fields.items():
        kind = fields.kind(mapping.target, path)
        if kind is None:
            yield ("fields", path), f"no such field; {documents.suggestion(path, fields.names(mapping.target))}"
        elif rule.lookup is not None and rule.lookup not in mapping.lookups:
            known = documents.suggestion(rule.lookup, mapping.lookups) if mapping.lookups else "there are none."
            yield ("fields", path, "lookup"), f"no such table below 'lookups'; {known}"
        elif sentence := _misfit(kind, rule, mapping):
            yield ("fields", path), sentence
    for path in mapping.insisted_on:
        if path not in mapping.fields:
            yield ("fields",), f"{path} is missing; the target refuses a patron without it."
    for name in mapping.lookups:
        if not any(rule.lookup == name for rule in mapping.fields.values()):
            yield ("lookups", name), "no field uses this table. Remove it, or name it in a field's 'lookup'."
    yield from unemptiable(mapping, mapping.expect)
    yield from _unowned(mapping)
    yield from _gaps(mapping)
    yield from demands.unmet(mapping)


def unemptiable(mapping: Mapping, expect: Expectations) -> Iterator[tuple[yaml_files.Key, str]]:
    """Checks below `blank` of a column that a patron cannot do without."""
    for place, check in enumerate(expect.blank):
        column = check.arguments.get("column")
        for path in [path for path in mapping.required if mapping.fields[path].columns == [column]][:1]:
            key = ("expect", "blank", place, check.name)
            yield key, f"{column} cannot be emptied, because {path} is required. Write it under 'rows'."


def _unowned(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    if mapping.ownership and mapping.system.owners is None:
        yield (
            ("ownership",),
            f"{mapping.system.name} does not tell what it has, so the campus owns every field. Leave it out.",
        )
        return
    known = ownership.paths(mapping.target, mapping.fields)
    for path in mapping.ownership:
        if path not in known:
            yield ("ownership", path), f"nobody can own this; {documents.suggestion(path, known)}"


def _misfit(  # noqa: C901, PLR0911 - one return for each way not to fit
    kind: Kind, rule: Rule, mapping: Mapping
) -> str | None:
    """Why a field of this kind cannot be filled by the rule."""
    given = (
        [rule.value] if rule.value is not None else list(mapping.lookups[rule.lookup].values()) if rule.lookup else []
    )
    yes_no = bool(given) and all(isinstance(value, bool) for value in given)
    if kind is Kind.YES_NO and not yes_no:
        return "takes true or false: give {value: true}, or a lookup whose values are all true or false."
    if kind is Kind.CUSTOM and yes_no:
        return "takes one true or false for a row: leave 'split' out." if rule.split else None
    if kind is not Kind.YES_NO and any(isinstance(value, bool) for value in given):
        return f"takes {kind.value}, not true or false. Write the value in quotes."
    if kind is Kind.LIST and rule.value is not None and not isinstance(rule.value, list):
        return f"takes a list: write {{value: [{rule.value}]}}."
    if kind in (Kind.TEXT, Kind.DATE, Kind.YEAR) and isinstance(rule.value, list):
        return f"takes {kind.value}, not a list."
    if kind is Kind.YEAR and not all(re.fullmatch(r"\d{4}", str(value)) for value in given):
        return "takes a year: write four digits in quotes, like '2031'."
    if kind is Kind.DATE and rule.value is not None and not _is_day(rule.value):
        return "takes a date: write a fixed one like {value: '2027-08-31'}."
    if kind is Kind.DATE and rule.date is None and rule.value is None:
        return "takes a date: say how it is written, like 'date: \"%m/%d/%Y\"'."
    if kind not in (Kind.DATE, Kind.CUSTOM) and rule.date is not None:
        return f"takes {kind.value}, not a date."
    if kind is Kind.LIST and rule.split is None and rule.value is None:
        return "takes a list: say what stands between the values, like 'split: \";\"'."
    if kind in (Kind.TEXT, Kind.YES_NO, Kind.DATE, Kind.YEAR) and rule.split is not None:
        return f"takes {kind.value}, not a list."
    return None


def _is_day(written: object) -> bool:
    try:
        return bool(date.fromisoformat(str(written)).isoformat() == written)
    except ValueError:
        return False


def _gaps(mapping: Mapping) -> Iterator[tuple[yaml_files.Key, str]]:
    """addresses[1] without addresses[0]: a slip of the pen, and a hole in the list."""
    places: dict[str, set[int]] = {}
    for path in mapping.fields:
        if found := re.match(r"(.+)\[(\d)\]", path):
            places.setdefault(found[1], set()).add(int(found[2]))
    for name, numbers in places.items():
        if numbers != set(range(len(numbers))):
            yield ("fields",), f"{name} is numbered {sorted(numbers)}; number from [0] without a gap."
