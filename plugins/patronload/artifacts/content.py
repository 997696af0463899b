"""Read and write a JSON file of a run through its model, and report a file that someone has changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, PlainSerializer, ValidationError

from patronload.artifacts import names
from patronload.artifacts.names import Artifact
from patronload.artifacts.run import Run
from patronload.errors import ConfigError

Moment = Annotated[AwareDatetime, PlainSerializer(datetime.isoformat, return_type=str)]
"""A time with a zone, written as 2026-11-21T09:58:12+00:00."""


class Part(BaseModel):
    """Something within an artifact."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, defer_build=True)

    def to_json(self) -> dict[str, Any]:
        """The data for the JSON file."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


ModelT = TypeVar("ModelT", bound=Part)


class Content(Part):
    """The content of one JSON file in a run's folder."""

    file: ClassVar[Artifact]

    @classmethod
    def read(cls, run: Run) -> Self:
        """The content. Raises FileNotFoundError, and ConfigError for a file that someone has changed."""
        return _read(cls, run, cls.file)

    @classmethod
    def find(cls, run: Run) -> Self | None:
        """The content; None if the file is not there."""
        return cls.read(run) if run.has(cls.file) else None

    def write(self, run: Run) -> None:
        """Write the file."""
        run.write_json(self.file, self.to_json())


class ChunkContent(Part):
    """The content of a JSON file that belongs to one chunk."""

    folder: ClassVar[Artifact]
    chunk: int

    @classmethod
    def read(cls, run: Run, number: int) -> Self:
        """The content for one chunk; raises as Content.read."""
        return _read(cls, run, cls.folder.of_chunk(number))

    @classmethod
    def find(cls, run: Run, number: int) -> Self | None:
        """The content for one chunk; None if the file is not there."""
        return cls.read(run, number) if run.has(cls.folder.of_chunk(number)) else None

    @classmethod
    def numbers(cls, run: Run) -> list[int]:
        """The chunks that have such a file, in order."""
        return sorted(names.chunk_number(name) for name in run.names(cls.folder))

    def write(self, run: Run) -> None:
        """Write the file."""
        run.write_json(self.folder.of_chunk(self.chunk), self.to_json())


def _read(model: type[ModelT], run: Run, name: str) -> ModelT:
    try:
        return model.model_validate_json(run.read(name))
    except ValidationError:  # its text has the values, which may be a patron's
        raise ConfigError(
            f"{run.url}/{name} cannot be read: it was changed or is damaged. Restore it, or start a new run."
        ) from None
