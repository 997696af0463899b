"""The JSON Schemas of tenant and mapping files, made from the models, so that editors complete and check the YAML."""

import json
from pathlib import Path
from typing import Any

from patronload import fields, paths, recipes
from patronload.mappings import Mapping
from patronload.tenants import Tenant


def all_schemas() -> dict[str, dict[str, Any]]:
    """Each schema by the name of its file below include/schemas."""
    return {"tenant.schema.json": Tenant.model_json_schema(), "mapping.schema.json": _mapping()}


def text(schema: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def write() -> list[Path]:
    """Write the schemas, and tell where."""
    written = []
    for name, schema in all_schemas().items():
        path = paths.schemas() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(schema), encoding="utf-8")
        written.append(path)
    return written


def _mapping() -> dict[str, Any]:
    """The mapping's schema, with the names that the model checks in code: fields, custom fields, steps."""
    schema = Mapping.model_json_schema()
    rule = schema["properties"]["fields"].pop("additionalProperties")
    schema["properties"]["fields"] |= {
        "properties": dict.fromkeys(fields.names("folio"), rule),
        "patternProperties": {
            r"^personal\.addresses\[\d\]\.\w+$": rule,
            r"^customFields\.[A-Za-z0-9_-]+$": rule,
        },
        "additionalProperties": False,
    }
    schema["$defs"]["Rule"]["properties"]["steps"]["items"] = {"enum": list(recipes.STEPS)}
    return schema
