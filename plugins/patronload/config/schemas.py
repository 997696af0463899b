"""The JSON Schemas of tenant and mapping files, generated from the models, so that editors complete and check YAML."""

import json
import re
from pathlib import Path
from typing import Any

from patronload import settings, systems
from patronload.config import value_steps
from patronload.config.mapping import Mapping
from patronload.config.tenants import Tenant
from patronload.systems import System


def all_schemas() -> dict[str, dict[str, Any]]:
    """Each schema by the name of its file in include/schemas."""
    return {"tenant.schema.json": Tenant.model_json_schema(), "mapping.schema.json": _mapping()}


def text(schema: dict[str, Any]) -> str:
    """A schema as the text of its file."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def write() -> list[Path]:
    """Write the schemas; returns their paths."""
    written = []
    for name, schema in all_schemas().items():
        path = settings.schemas() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(schema), encoding="utf-8")
        written.append(path)
    return written


def _mapping() -> dict[str, Any]:
    """The mapping's schema, with the names that the model checks in code: the fields of each target, and the steps."""
    schema = Mapping.model_json_schema()
    rule = schema["properties"]["fields"]["additionalProperties"]
    schema["allOf"] = [
        {
            "if": {"properties": {"target": {"const": system.type}}},
            "then": {"properties": {"fields": _fields(system, rule)}},
        }
        for system in systems.KNOWN.values()
    ]
    for model in ("Rule", "Case"):
        schema["$defs"][model]["properties"]["steps"]["items"] = _steps()
    return schema


def _steps() -> dict[str, Any]:
    """The schema of a step: a name, or a name with its value."""
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "string", "minLength": 1},
        "pattern": {"type": "string", "minLength": 1},
        "length": {"type": "integer", "minimum": 1, "maximum": value_steps.LONGEST},
        "words": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "replacement": {
            "type": "object",
            "properties": {"pattern": {"type": "string"}, "with": {"type": "string"}},
            "required": ["pattern", "with"],
            "additionalProperties": False,
        },
    }
    known = {name: kinds[step.kind] for name, step in value_steps.WITH_ARGUMENT.items()}
    argued = {
        "type": "object",
        "properties": known,
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    return {"anyOf": [{"enum": list(value_steps.STEPS)}, argued]}


def _fields(system: System, rule: dict[str, Any]) -> dict[str, Any]:
    """The schema of a target's fields; others are not allowed."""
    numbered = {re.escape(path).replace(r"\[\]", r"\[\d\]"): rule for path in system.fields if "[]" in path}
    named = dict.fromkeys(system.more, rule)
    return {
        "properties": dict.fromkeys(system.names, rule),
        "patternProperties": {f"^{pattern}$": rule for pattern in [*numbered, *named]},
        "additionalProperties": False,
    }
