"""
A generated export of 28 columns for measuring, always the same for the same number of rows: names with accents, leading
zeros, quotes, commas and line breaks in cells, four date formats, eight ways to write yes or no, and some bad rows.
"""

from pathlib import Path

import numpy as np
import polars as pl

from local.exports import FIRST_NAMES, LAST_NAMES, STREETS, TOWNS

MAPPING = Path(__file__).with_name("wide.yaml")
YES, NO = ("Y", "yes", "T", "1"), ("N", "no", "F", "0")
GROUPS = ("UG", "GR", "FAC", "STF")
CAMPUSES = ("NF", "RV", "ON")
DEPARTMENTS = ("BIO", "CHE", "CLA", "HIS", "MAT", "MUS")
DAY = 86_400


def write(path: Path, rows: int, bad: float = 0.0) -> None:
    """Write an export with this number of rows, of which the share `bad` has a fault."""
    frame = _frame(rows, np.random.default_rng(rows))
    _damage(frame, bad, np.random.default_rng(rows + 1)).write_csv(path, line_terminator="\r\n")


def _frame(rows: int, chance: np.random.Generator) -> pl.DataFrame:
    number = pl.int_range(rows, eager=True)
    digits = number.cast(pl.String).str.zfill(8)

    def one_of(words: tuple[str, ...] | list[str], filled: float = 1.0) -> pl.Series:
        taken = pl.Series(words, dtype=pl.String).gather(chance.integers(0, len(words), rows))
        return pl.select(pl.when(pl.lit(pl.Series(chance.random(rows) < filled))).then(taken)).to_series()

    def day(form: str, first: int, last: int) -> pl.Series:
        days = pl.Series(chance.integers(first, last, rows), dtype=pl.Int32).cast(pl.Date)
        return days.dt.to_string(form)

    def house(street: pl.Series) -> pl.Series:
        return pl.Series(chance.integers(1, 999, rows)).cast(pl.String) + " " + street

    last = one_of(LAST_NAMES.split(" "))
    login = last.str.to_lowercase().str.replace_all("[^a-z]", "") + number.cast(pl.String)
    towns = pl.Series(chance.integers(0, len(TOWNS), rows))
    phone = pl.Series(chance.integers(200, 989, rows)).cast(pl.String)
    note = one_of(['said "call me", twice', "two lines\nof a note", "prefers mail", "a, b"], 0.05)
    return pl.DataFrame(
        {
            "ID": digits, "LOGIN": login, "CARD": "002134" + digits, "STATUS": one_of([*YES, *NO]),
            "ROLE": one_of(GROUPS), "SURNAME": last, "FIRST": one_of(FIRST_NAMES.split(" ")),
            "MIDDLE": one_of(FIRST_NAMES.split(" "), 0.4), "PREFERRED": one_of(FIRST_NAMES.split(" "), 0.1),
            "EMAIL": login + "@northfield.example", "PHONE": "(" + phone + ") 555-0199",
            "MOBILE": one_of(["312 555 0123", "+1 312 555 0145"], 0.5), "BORN": day("%d.%m.%Y", 0, 14_000),
            "ENROLLED": day("%Y-%m-%d", 17_000, 20_400), "EXPIRES": day("%m/%d/%Y", 20_800, 22_000),
            "STREET": house(one_of(STREETS)), "STREET2": one_of(["Apt. 4", "Flat B, 2nd floor"], 0.2),
            "CITY": pl.Series([town for town, _, _ in TOWNS]).gather(towns),
            "REGION": pl.Series([region for _, region, _ in TOWNS]).gather(towns),
            "ZIP": pl.Series([code for _, _, code in TOWNS]).gather(towns), "COUNTRY": one_of(["US"]),
            "WORK_STREET": house(one_of(STREETS, 0.3)), "WORK_CITY": one_of(["Northfield", "San José"], 0.3),
            "WORK_ZIP": one_of(["60093", "02343"], 0.3),
            "DEPTS": one_of(DEPARTMENTS) + ";" + one_of(DEPARTMENTS), "CAMPUS": one_of(CAMPUSES),
            "CHANGED": day("%Y%m%d", 19_000, 20_400), "NOTE": note,
        }
    )  # fmt: skip


def _damage(frame: pl.DataFrame, share: float, chance: np.random.Generator) -> pl.DataFrame:
    """Add each fault to the same number of rows; the other rows stay good."""
    faults = {"ID": "47-11", "CARD": "0021340000000", "ROLE": "ALUM", "EXPIRES": "31/31/2027", "EMAIL": "at home"}
    drawn = pl.Series(chance.random(frame.height))
    each = share / len(faults)
    return frame.with_columns(
        pl.when(drawn.is_between(place * each, (place + 1) * each, closed="left"))
        .then(pl.lit(value))
        .otherwise(pl.col(name))
        .alias(name)
        for place, (name, value) in enumerate(faults.items())
    )
