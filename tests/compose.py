"""The settings of docker-compose.yaml, as a service of it gets them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

VARIABLE = re.compile(r"\$(?:\$|\{(?P<name>\w+)(?:(?P<operator>:[-?+])(?P<word>[^}]*))?\})")


def load(project: Path) -> dict[str, Any]:
    """The file as YAML, with its variables."""
    loaded: dict[str, Any] = yaml.safe_load((project / "docker-compose.yaml").read_text())
    return loaded


def environment(project: Path, service: str, variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a service, where .env holds these variables."""
    found = load(project)["services"][service]["environment"]
    return {name: fill(str(value), variables) for name, value in found.items()}


def fill(text: str, variables: Mapping[str, str]) -> str:
    """A value with its variables as Compose fills them in: ${A}, ${A:-default}, ${A:?message}, ${A:+instead}, $$."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        found = variables.get(match["name"], "")
        if match["operator"] == ":+":
            return match["word"] if found else ""
        if match["operator"] == ":?" and not found:
            raise KeyError(match["word"])
        return found or match["word"] or ""

    return VARIABLE.sub(value, text)
