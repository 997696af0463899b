"""
Generate patron exports for the demo, always and everywhere the same for the same day.

The people do not exist. Names are random combinations from lists; mail addresses end in the reserved domain `.example`;
telephone numbers are from the ranges that the United States (555-01xx) and Ireland (020 91x) reserve for fiction. The
form is realistic: accents, apostrophes, leading zeros, empty cells, quotes and line breaks inside cells, and a few rows
with each of the most common errors.
"""

import csv
import io
import random
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

NORTHFIELD_COLUMNS = (
    "ID", "LOGIN", "CARD", "ROLE", "SURNAME", "FIRST", "MIDDLE", "PREFERRED", "EMAIL", "PHONE", "STREET", "CITY",
    "STATE", "ZIP", "DEPTS", "EXPIRES", "CAMPUS",
)  # fmt: skip
STCLARE_COLUMNS = (
    "externalSystemId", "username", "barcode", "patronGroup", "lastName", "firstName", "email", "phone",
    "expirationDate",
)  # fmt: skip

WATTLEGROVE_COLUMNS = (
    "Code", "Login", "Family name", "Given name", "Second name", "Preferred", "Email", "Sex", "Type", "Status",
    "Leaves in", "Form", "Group", "Card",
)  # fmt: skip

NORTHFIELD_DEPARTMENTS = ("Biology", "Chemistry", "Classics", "Computer Science", "History", "Mathematics", "Music")
"""The departments of the demo's FOLIO; the export also names one that it does not have."""
UNKNOWN_DEPARTMENT = "Oceanography"

WINDOWS = "cp1252"
"""The columns that the school's program writes."""

_DAY_ONE = date(2026, 1, 1)
"""The first file has person 1 as its first row."""
_DAYS = 30_000
"""After this number of days the numbers repeat; each of them fits into a barcode."""
_NEWCOMERS = 3

Row = dict[str, str]


class Export(NamedTuple):
    """A file as a library delivers it, and its errors."""

    name: str
    content: bytes
    rows: Sequence[Row]
    faults: Mapping[str, Sequence[int]]
    """Kind of fault -> row numbers as a spreadsheet shows them (the header is 1). Both rows of a pair are listed."""


class Person(NamedTuple):
    """Someone who does not exist."""

    number: int
    first: str
    middle: str
    preferred: str
    last: str
    login: str
    chance: random.Random
    """The source of all other data about this person, so that it stays the same from day to day."""


FIRST_NAMES = (
    "Aaliyah Aaron Abigail Agnieszka Aisha Alejandro Álvaro Amélie Amina Anaïs Andrei Ángela Anneliese Anya Astrid "
    "Beatriz Benjamin Björn Brigid Caitlín Carlos Chidi Chloë Ciarán Clara Daniela Darius Deirdre Dmitri Dơn Eamon "
    "Ebony Éilis Elena Elif Emeka Émile Esmé Fatima Fiona François Freya Gabriel Gráinne Grzegorz Hannah Haruki Hélène "
    "Ibrahim Ifeoma Ingrid Inês Isabel Jamal Jasmine Jérôme Joaquín João Jordan José Joséphine Jürgen Kaito Kateřina "
    "Keisha Khadija Kwame Lakshmi Lars Leïla Linh Lior Lucía Łukasz Maeve Magnus Malik Márta Marisol Mateo Mei Miguel "
    "Mildred Mónica Naoki Nadia Ngozi Niamh Noah Noël Nuria Ólafur Olivia Omar Oona Óscar Padraig Paloma Piotr Priya "
    "Quentin Rachel Rafael Ramón Renée Rosa Róisín Rubén Ruth Samuel Sanjay Saoirse Seán Selin Siobhán Søren Sofía "
    "Stanisław Tadhg Tamika Tariq Theo Thérèse Tomás Ulrike Uri Valentina Vikram Wanjiru Wei Xiomara Yasmin Yuki "
    "Yusuf Zainab Zoë Žofie"
)
LAST_NAMES = (
    "Abara Adeyemi Ahlström Almeida Anderson Araújo Bakker Barańska Becker Bengtsson Bianchi Björnsdóttir Brennan "
    "Castañeda Çelik Chaudhary Chen Clarke Costa Cruz D'Angelo D'Souza Dąbrowski Davies De la Cruz Delacroix Díaz "
    "Dvořák Ebeling Eze Fernández Fitzgerald Flores Gallagher García Gómez González Grønvold Guðmundsson Gupta "
    "Gutiérrez Hagen Hassan Hernández Horváth Hughes Ibáñez Ivanov Jackson Jiménez Johansson Kaya Kelly Kim Kowalczyk "
    "Kruger Lâm Larsson Lavoie Lefèvre Lindqvist López MacGiolla Mäkinen Martínez M'Baye McCarthy Mendoza Meyer "
    "Moreau Müller Muñoz Murphy N'Diaye Nakamura Nguyễn Novák Núñez Nwosu O'Brien O'Connor O'Neill Ó Súilleabháin "
    "Okafor Okonkwo Ortega Østergaard Özdemir Papadopoulos Park Patel Peña Pérez Petrov Piñeiro Quirke Ramírez "
    "Reyes Ríos Rodríguez Rojas Ruiz Saint-Jean Salazar Sánchez Santos Schäfer Schröder Sharma Silva Smith-Jones "
    "Sørensen Suárez Szabó Takahashi Tanaka Torres Trần Țurcanu Ueda Ünal Vargas Vásquez Vélez Villeneuve Walsh "
    "Washington Weiß Williams Wójcik Wright Xu Yamamoto Yılmaz Zając Zhang Zúñiga"
)
STREETS = ("Alder Lane", "Birch Street", "Cedar Avenue", "Chestnut Court", "Elm Street", "Juniper Way", "Linden Road",
           "Maple Drive", "Oak Terrace", "Poplar Place", "St. Mary's Road", "Willow Walk")  # fmt: skip
TOWNS = (("Northfield", "IL", "60093"), ("Riverside", "IL", "60546"), ("Holbrook", "MA", "02343"),
         ("Amity", "CT", "06525"), ("Fairmount", "NJ", "07834"), ("San José", "CA", "95110"))  # fmt: skip


def northfield(day: date, people: int = 4000) -> Export:
    """Northfield's file of a day: pipes between the cells, American dates, codes for the roles."""
    rows = [_northfield_row(person, day) for person in _people("northfield", day, people)]
    faults = _put_faults(
        rows,
        random.Random(f"northfield {day}"),
        {
            "barcode_twice": lambda row, other: row.update(CARD=other["CARD"]),
            "required_empty": lambda row, _: row.update(LOGIN=""),
            "unknown_group": lambda row, _: row.update(ROLE="ALUM"),
            "unreadable_date": lambda row, _: row.update(EXPIRES="31/31/2027"),
            "unknown_department": lambda row, _: row.update(DEPTS=UNKNOWN_DEPARTMENT),
        },
        each=4,
    )
    content = _csv(NORTHFIELD_COLUMNS, rows, "|").encode()
    return Export(f"patrons_{day:%Y%m%d}.csv", content, rows, faults)


def stclare(day: date, people: int = 2500) -> Export:
    """St. Clare's file of a day: commas, a byte order mark, ISO dates, and a registry that types freely."""
    rows = [_stclare_row(person) for person in _people("stclare", day, people)]
    faults = _put_faults(
        rows,
        random.Random(f"stclare {day}"),
        {
            "barcode_twice": lambda row, other: row.update(barcode=other["barcode"]),
            "required_empty": lambda row, _: row.update(lastName=""),
            "unknown_group": lambda row, _: row.update(patronGroup="Visiting scholar"),
            "unreadable_date": lambda row, _: row.update(expirationDate="end of term"),
        },
        each=3,
    )
    content = _csv(STCLARE_COLUMNS, rows, ",").encode("utf-8-sig")
    return Export(f"patrons_{day:%Y%m%d}.csv", content, rows, faults)


def wattlegrove(day: date, people: int = 1200) -> Export:
    """Wattle Grove's file of a day: a school's, from a Windows program, with rows for those who have left."""
    rows = [_wattlegrove_row(person, day) for person in _people("wattlegrove", day, people, WINDOWS)]
    faults = _put_faults(
        rows,
        random.Random(f"wattlegrove {day}"),
        {
            "barcode_twice": lambda row, other: row.update(Card=other["Card"]),
            "unknown_type": lambda row, _: row.update(Type="Parent"),
            "no_graduation_year": lambda row, _: row.update({"Type": "Student", "Leaves in": ""}),
            "ill_formed_email": lambda row, _: row.update(Email=row["Email"].replace("@", " at ")),
        },
        each=2,
    )
    content = _csv(WATTLEGROVE_COLUMNS, rows, ",").encode(WINDOWS)
    return Export(f"library_{day:%Y-%m-%d}.csv", content, rows, faults)


def days_before(day: date, count: int) -> list[date]:
    """The days that end with `day`, the oldest first."""
    return [day - timedelta(days=back) for back in reversed(range(count + 1))]


def _people(library: str, day: date, count: int, encoding: str = "utf-8") -> Iterable[Person]:
    """
    `count` people whose names can be written in `encoding`.

    Each day the three who have been here longest leave and three newcomers join, so every file has the same
    length, and each person in it stays the same.
    """
    first_names, last_names = (_writable(names, encoding) for names in (FIRST_NAMES.split(" "), _last_names()))
    first_number = (day - _DAY_ONE).days % _DAYS * _NEWCOMERS + 1
    for number in range(first_number, first_number + count):
        chance = random.Random(f"{library} {number}")
        first, last = chance.choice(first_names), chance.choice(last_names)
        middle = chance.choice(first_names) if chance.random() < 0.4 else ""
        preferred = chance.choice(first_names) if chance.random() < 0.1 else ""
        login = f"{_plain(first)[0]}{_plain(last)[:8]}{number}"
        yield Person(number, first, middle, preferred, last, login, chance)


def _writable(names: Iterable[str], encoding: str) -> list[str]:
    """The names that can be written in an encoding."""
    return [name for name in names if name.encode(encoding, "replace").decode(encoding) == name]


def _last_names() -> list[str]:
    """Single words, except names that begin with a particle."""
    joined = re.sub(r"\b(De|la|Ó) ", r"\1_", LAST_NAMES)
    return [name.replace("_", " ") for name in joined.split(" ")]


def _last_day(number: int) -> date:
    """The day on which a person leaves the library's files."""
    return _DAY_ONE + timedelta(days=(number - 1) // _NEWCOMERS)


def _northfield_row(person: Person, day: date) -> Row:
    chance = person.chance
    town, state, zip_code = chance.choice(TOWNS)
    role = chance.choices(("UG", "GR", "FAC", "STF"), (70, 15, 8, 7))[0]
    departments = chance.sample(NORTHFIELD_DEPARTMENTS, chance.choices((0, 1, 2), (30, 60, 10))[0])
    return {
        "ID": f"{person.number:08}",
        "LOGIN": person.login.upper() if chance.random() < 0.1 else person.login,
        "CARD": f"0021345{person.number * 7:07}" if chance.random() < 0.95 else "",
        "ROLE": role,
        "SURNAME": person.last,
        "FIRST": person.first,
        "MIDDLE": person.middle,
        "PREFERRED": person.preferred,
        "EMAIL": f"{person.login}@northfield.example",
        "PHONE": f"({chance.randint(200, 989)}) 555-01{chance.randint(0, 99):02}" if chance.random() < 0.8 else "",
        "STREET": f"{chance.randint(1, 999)} {chance.choice(STREETS)}{_moved(person, day)}",
        "CITY": town,
        "STATE": state,
        "ZIP": zip_code,
        "DEPTS": ";".join(departments),
        "EXPIRES": f"{_end_of_summer(person):%m/%d/%Y}",
        "CAMPUS": chance.choice(("NF", "NF", "RV", "ON")),
    }


def _stclare_row(person: Person) -> Row:
    chance = person.chance
    group = chance.choices(("Student", "Postgraduate", "Lecturer", "Staff"), (72, 15, 8, 5))[0]
    name = f'{person.first} "{person.preferred}"' if person.preferred else person.first
    phone = f"020 91{chance.randint(0, 9)} {chance.randint(0, 9999):04}" if chance.random() < 0.7 else ""
    # Someone at the registry presses Alt+Enter to add the extension.
    extension = f"\next. {chance.randint(1, 99)}" if phone and chance.random() < 0.02 else ""
    return {
        "externalSystemId": f"SC{person.number:07}",
        "username": person.login,
        "barcode": f"0040{person.number * 3:08}" if chance.random() < 0.97 else "",
        "patronGroup": group,
        "lastName": person.last,
        "firstName": name,
        "email": f"{person.login}@stclare.example" if chance.random() < 0.98 else "",
        "phone": phone + extension,
        "expirationDate": _end_of_summer(person).isoformat(),
    }


def _wattlegrove_row(person: Person, day: date) -> Row:
    chance = person.chance
    is_staff = chance.random() < 0.12
    year = chance.randint(0, 5)
    has_left = (person.number + day.toordinal()) % 150 == 0
    return {
        "Code": f"{'T' if is_staff else 'S'}{person.number:05}",
        "Login": person.login.upper() if chance.random() < 0.1 else person.login,
        "Family name": person.last,
        "Given name": person.first,
        "Second name": person.middle,
        "Preferred": person.preferred,
        "Email": f"{person.login}@wattlegrove.example" if chance.random() < 0.97 else "",
        "Sex": chance.choice(("F", "M", "F", "M", "")),
        "Type": "Staff" if is_staff else "Student",
        "Status": "Left" if has_left else "Current",
        "Leaves in": "" if is_staff else str(_last_day(person.number).year + year),
        "Form": "" if is_staff else f"{12 - year}{chance.choice('ABC')}",
        "Group": "" if is_staff else ("SEN" if year < 2 else "MID"),
        "Card": f"0070{person.number * 11:06}" if chance.random() < 0.96 else "",
    }


def _moved(person: Person, day: date) -> str:
    """One in a hundred moves to another flat on a given day."""
    return f", Apt. {day.day}" if (person.number + day.toordinal()) % 100 == 0 else ""


def _end_of_summer(person: Person) -> date:
    """Cards end with an academic year, one to four of them after the person's last day here."""
    return date(_last_day(person.number).year + person.chance.randint(1, 4), 8, 31)


def _put_faults(
    rows: list[Row],
    chance: random.Random,
    faults: Mapping[str, Callable[[Row, Row], None]],
    each: int,
) -> dict[str, list[int]]:
    """Damage `each` rows in each way; kind -> row numbers. Only rows with a barcode are chosen, each once."""
    barcode = next(name for name in ("CARD", "barcode", "Card") if name in rows[0])
    places = iter(chance.sample([place for place, row in enumerate(rows) if row[barcode]], 2 * each * len(faults)))
    spoiled: dict[str, list[int]] = {}
    for kind, spoil in faults.items():
        for _ in range(each):
            place, other = next(places), next(places)
            spoil(rows[place], rows[other])
            touched = (place, other) if kind == "barcode_twice" else (place,)
            spoiled.setdefault(kind, []).extend(place + 2 for place in touched)
    return {kind: sorted(numbers) for kind, numbers in spoiled.items()}


def _csv(columns: Sequence[str], rows: Iterable[Row], delimiter: str) -> str:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, delimiter=delimiter, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(name: str) -> str:
    """Only the letters a to z: Łukasz O'Brien becomes lukasz obrien."""
    replaced = name.lower().replace("ß", "ss").translate(str.maketrans("łøıðþđ", "loidtd"))
    letters = unicodedata.normalize("NFKD", replaced)
    return "".join(letter for letter in letters if letter.isascii() and letter.isalpha())
