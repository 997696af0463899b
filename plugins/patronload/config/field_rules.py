"""Check that the rule for a field gives a value that the field can take."""

import re
from collections.abc import Iterator
from datetime import date

from patronload.config import requirements
from patronload.config.mapping import Mapping
from patronload.config.rules import Constant, Rule, Variant
from patronload.documents import models
from patronload.documents.yaml_files import Key
from patronload.systems.fields import Kind


def mistakes(path: str, kind: Kind, rule: Rule, mapping: Mapping) -> Iterator[tuple[Key, str]]:
    """Mistakes in the rule for a field of this kind."""
    key: Key = ("fields", path)
    keys = [(*key, "cases", place) for place in range(len(rule.cases))] if rule.cases else [key]
    if rule.renew_within and path not in mapping.system.renewable:
        names = " or ".join(mapping.system.renewable)
        yield (*key, "renew_within"), f"is for {names} only." if names else f"is not for {mapping.system.name}."
    shapes = set()
    for at, variant in zip(keys, rule.variants, strict=True):
        if variant.lookup is not None and variant.lookup not in mapping.lookups:
            known = models.suggestion(variant.lookup, mapping.lookups) if mapping.lookups else "there are none."
            yield (*at, "lookup"), f"no such table in 'lookups'; {known}"
        elif sentence := _misfit(path, kind, variant, mapping):
            yield at, sentence
        else:
            shapes.add(_shape(variant, mapping))
    if len(shapes) > 1:
        yield key, f"all cases must give the same kind of value; these give {' and '.join(sorted(shapes))}."


def _shape(variant: Variant, mapping: Mapping) -> str:
    if variant.split or isinstance(variant.value, list):
        return "lists"
    if any(isinstance(value, bool) for value in requirements.constants(variant, mapping)):
        return "true or false"
    return "text"


def _misfit(path: str, kind: Kind, rule: Variant, mapping: Mapping) -> str | None:
    """The reason why the rule cannot fill a field of this kind, if there is one."""
    for fixed, key in ((rule.value, "value"), (rule.default, "default")):
        if fixed is not None and (sentence := _wrong_constant(kind, fixed, key)):
            return sentence
    given = list(mapping.lookups[rule.lookup].values()) if rule.lookup else []
    if rule.is_group_offset and path not in mapping.system.by_group:
        return "cannot have a group's offset; only FOLIO's expirationDate can. Write a date like {today: +365 days}."
    return _wrong_lookup(kind, given, rule) or _wrong_making(kind, rule, given)


def _wrong_constant(  # noqa: PLR0911 - one return for each reason
    kind: Kind, fixed: Constant, key: str
) -> str | None:
    """The reason why a field of this kind cannot have this fixed value."""
    values = fixed if isinstance(fixed, list) else [fixed]
    if kind is Kind.CUSTOM:
        return None
    if kind is Kind.YES_NO and not isinstance(fixed, bool):
        return f"takes true or false. Write {{{key}: true}}, or use a lookup with only true and false."
    if kind is not Kind.YES_NO and isinstance(fixed, bool):
        return f"takes {kind.value}, not true or false. Write the value in quotes."
    if kind is Kind.LIST and not isinstance(fixed, list):
        return f"takes a list. Write {{{key}: [{fixed}]}}."
    if kind is not Kind.LIST and isinstance(fixed, list):
        return f"takes {kind.value}, not a list."
    if kind is Kind.YEAR and not all(re.fullmatch(r"\d{4}", str(value)) for value in values):
        return "takes a year. Write four digits in quotes, like '2031'."
    if kind is Kind.DATE and not _is_day(fixed):
        return f"takes a date. Write a fixed date like {{{key}: '2027-08-31'}}."
    return None


def _wrong_lookup(kind: Kind, given: list[str | bool], rule: Variant) -> str | None:
    """The reason why a field of this kind cannot have the values of the rule's lookup."""
    yes_no = bool(given) and all(isinstance(value, bool) for value in given)
    if kind is Kind.CUSTOM and yes_no:
        return "takes a single true or false for each row. Remove 'split'." if rule.split else None
    if kind is not Kind.YES_NO and any(isinstance(value, bool) for value in given):
        return f"takes {kind.value}, not true or false. Write the value in quotes."
    if kind is Kind.YEAR and not all(re.fullmatch(r"\d{4}", str(value)) for value in given):
        return "takes a year. Write four digits in quotes, like '2031'."
    return None


def _wrong_making(  # noqa: PLR0911 - as above
    kind: Kind, rule: Variant, given: list[str | bool]
) -> str | None:
    """The reason why the rule does not give a value of this kind."""
    if rule.value is not None:
        return None
    if rule.today is not None:
        return None if kind in (Kind.DATE, Kind.CUSTOM) else f"takes {kind.value}, not a date."
    if kind is Kind.DATE and rule.lookup is not None:
        wrong = next((value for value in given if not _is_day(value)), None)
        return (
            None
            if wrong is None
            else f"takes a date, so a lookup must list days like '2027-08-31'; it lists '{wrong}'."
        )
    if rule.adjust and not rule.date:
        return f"takes {kind.value}, so 'adjust' cannot be used."
    if kind is Kind.YES_NO and not (given and all(isinstance(value, bool) for value in given)):
        return "takes true or false. Write {value: true}, or use a lookup with only true and false."
    if kind is Kind.DATE and rule.date is None:
        return "takes a date. Add its form, like 'date: \"%m/%d/%Y\"'."
    if kind not in (Kind.DATE, Kind.CUSTOM) and rule.date is not None:
        return f"takes {kind.value}, not a date."
    if kind is Kind.LIST and rule.split is None:
        return "takes a list. Add the text between its values, like 'split: \";\"'."
    if kind in (Kind.TEXT, Kind.YES_NO, Kind.DATE, Kind.YEAR) and rule.split is not None:
        return f"takes {kind.value}, not a list."
    return None


def _is_day(written: object) -> bool:
    try:
        return bool(date.fromisoformat(str(written)).isoformat() == written)
    except ValueError:
        return False
