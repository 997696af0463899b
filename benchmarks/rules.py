"""The cost of rules: the mapping of 28 columns alone, and with ten cases and five patterns, on the same rows."""

import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmarks import core, wide

ROUNDS = 3

PATTERNS = {
    "personal.lastName": {"replace": {"pattern": "^(Mc)([a-z])", "with": "${1}${2}"}},
    "personal.addresses[0].addressLine1": {"extract": "^.{1,60}"},
    "personal.addresses[1].addressLine1": {"extract": "^.{1,60}"},
    "personal.mobilePhone": {"replace": {"pattern": "[^0-9+]", "with": ""}},
    "customFields.note": {"extract": "^[^|]*"},
}
"""A step for each of five fields."""

CASES: dict[str, list[dict[str, Any]]] = {
    "patronGroup": [
        {"when": {"column": "ROLE", "is": "FAC"}, "value": "faculty"},
        {
            "when": {"column": "ROLE", "is": "STF", "and": [{"column": "STATUS", "matches": "^[YyT1]"}]},
            "value": "staff",
        },
        {"when": {"column": "CAMPUS", "is": "RV"}, "column": "ROLE", "lookup": "groups"},
        {"column": "ROLE", "lookup": "groups"},
    ],
    "expirationDate": [
        {"when": {"column": "ROLE", "is": "FAC"}, "column": "EXPIRES", "date": "%m/%d/%Y"},
        {"when": {"column": "CAMPUS", "is": "RV"}, "column": "EXPIRES", "date": "%m/%d/%Y"},
        {"column": "EXPIRES", "date": "%m/%d/%Y"},
    ],
    "personal.email": [
        {"when": {"column": "EMAIL", "matches": "@"}, "column": "EMAIL", "steps": ["lower"]},
        {"when": {"column": "CAMPUS", "is": "NF"}, "column": "EMAIL", "steps": ["lower"]},
        {"column": "EMAIL"},
    ],
}
"""Ten cases for three fields."""


def measure(rows: int) -> None:
    """Print the CPU seconds of validate and transform with both mappings, the best of three, and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"plain": Path(folder) / "plain", "ten cases, five patterns": Path(folder) / "rules"}
        for place in places.values():
            place.mkdir()
            core.export(place, rows, 0.0)
        mapping = with_rules(Path(folder) / "rules.yaml")
        found: dict[str, list[dict[str, float]]] = {name: [] for name in places}
        for _ in range(ROUNDS):
            for name, place in places.items():
                found[name].append(core.measured(str(place), wide.MAPPING if name == "plain" else mapping)["cpu"])
    print(f"rules: CPU seconds for {rows:,} rows")
    best = {name: {stage: min(took[stage] for took in rounds) for stage in rounds[0]} for name, rounds in found.items()}
    for name, took in best.items():
        print(f"  {name:26} " + ", ".join(f"{stage} {seconds:.2f} s" for stage, seconds in took.items()))
    plain, ruled = best.values()
    print(f"  transform takes {ruled[core.TRANSFORM] / plain[core.TRANSFORM]:.2f} times as long", end="; ")
    print(f"everything {sum(ruled.values()) / sum(plain.values()):.2f} times")


def with_rules(path: Path) -> Path:
    """The mapping of 28 columns with the cases and the patterns."""
    mapping = yaml.safe_load(wide.MAPPING.read_text(encoding="utf-8"))
    fields = mapping["fields"]
    for field, step in PATTERNS.items():
        rule = fields[field] if isinstance(fields[field], dict) else {"column": fields[field]}
        fields[field] = rule | {"steps": [step, *rule.get("steps", [])]}
    for field, cases in CASES.items():
        required = {"required": True} if isinstance(fields[field], dict) and fields[field].get("required") else {}
        fields[field] = required | {"cases": cases}
    path.write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    return path
