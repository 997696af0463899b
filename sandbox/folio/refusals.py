"""A request FOLIO refuses: the status and the body of the answer, raised where the rule is."""

from __future__ import annotations

import json
from typing import Any


class Refusal(Exception):  # noqa: N818 - an answer of FOLIO's, not an error of this program
    """An answer other than success."""

    def __init__(self, status: int, body: str, media_type: str = "text/plain") -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.media_type = media_type

    def __str__(self) -> str:
        return self.body


def compact(value: Any) -> str:
    """JSON as RMB writes it, without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def text(status: int, body: str) -> Refusal:
    """FOLIO: most refusals are plain text."""
    return Refusal(status, body)


def errors(message: str, key: str = "", value: str = "", status: int = 422) -> Refusal:
    """FOLIO: RMB's errors.schema, what a 422 carries."""
    error: dict[str, Any] = {"message": message, "type": "1", "code": "-1"}
    error["parameters"] = [{"key": key, "value": value}] if key else []
    return Refusal(status, compact({"errors": [error]}), "application/json")
