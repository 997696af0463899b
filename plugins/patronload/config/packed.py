"""How several values are packed into one cell: as a JSON object, or as pairs like SID:4711,LANG:EN."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictInt, StrictStr, model_validator

from patronload.documents.models import Document

Text = Annotated[StrictStr, Field(min_length=1)]


def _one_key(written: Any) -> Any:
    """`json: homeCampus` is short for `json: [homeCampus]`."""
    return [written] if isinstance(written, str) else written


JsonKeys = Annotated[
    tuple[Text | Annotated[StrictInt, Field(ge=0)], ...],
    BeforeValidator(_one_key, json_schema_input_type=str | list[str | int]),
]
"""The keys that lead to a value: names in objects, and places in lists, from 0. Without any, the whole cell."""


def _full_pair(written: Any) -> Any:
    """`pair: SID` is short for `pair: {key: SID}`."""
    return {"key": written} if isinstance(written, str) else written


class PairKey(Document):
    """The pair to take from a cell of pairs."""

    key: Text = Field(description="the key of the pair")
    between: Text = Field(",", description="the text between two pairs")
    after_key: Text = Field(":", description="the text between a key and its value")

    @model_validator(mode="after")
    def _check_key(self) -> "PairKey":
        if self.between == self.after_key:
            raise ValueError("'between' and 'after_key' must be different texts.")
        if self.key != self.key.strip() or self.between in self.key or self.after_key in self.key:
            raise ValueError(f"'{self.key}' cannot be a key: it has blanks around it, or a separator in it.")
        return self


Pair = Annotated[PairKey, BeforeValidator(_full_pair, json_schema_input_type=str | PairKey)]
