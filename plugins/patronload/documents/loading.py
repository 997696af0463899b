"""Turn a YAML file into a model, or report which line is wrong and what to write instead."""

from typing import TypeVar

from pydantic import ValidationError

from patronload.documents.models import FROM_A_FILE, Document, complaint
from patronload.documents.yaml_files import YamlFile
from patronload.errors import ConfigError

AnyDocument = TypeVar("AnyDocument", bound=Document)


def load(model: type[AnyDocument], file: YamlFile) -> AnyDocument:
    """
    The file as a `model`.

    Raises ConfigError with one line for each mistake: file, line, key, what is wrong, what to write instead.
    """
    from patronload.documents import mistakes  # only needed for a file with mistakes

    try:
        return model.model_validate(file.data, context=FROM_A_FILE)
    except ValidationError as error:
        lines = [complaint(file, key, sentence) for key, sentence in mistakes.sentences(model, file, error.errors())]
        raise ConfigError("\n".join(lines)) from None
