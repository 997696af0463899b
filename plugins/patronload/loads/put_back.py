"""Put the rejects of a load back where the library can get them: into a folder of its own SFTP account."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from patronload import sources
from patronload.artifacts import names
from patronload.artifacts.models import PutBack
from patronload.config.source import SftpSource
from patronload.errors import ConfigError, SourceError, TransientError
from patronload.loads.load import Load

log = logging.getLogger(__name__)


def put_back(load: Load, written: Iterable[str]) -> PutBack | None:
    """
    Write these files of the run into the folder that the tenant file names; None if it names none, or there are none.

    The rejects of the same day are replaced. What fails is reported, and fails nothing else.
    """
    load.run.remove(names.PUT_BACK)
    rules, source = load.tenant.rejects, load.tenant.source
    if rules is None or load.dry_run or not isinstance(source, SftpSource):
        return None
    try:
        files = {rules.path(load.tenant.tenant, load.day, name): load.run.read(name) for name in written}
        if not files:
            return None
        sources.put(source, files)
        made = PutBack(paths=tuple(files), trouble=None)
    except (ConfigError, SourceError, TransientError) as error:
        log.warning("The rejects could not be put back: %s", error)
        made = PutBack(paths=(), trouble=f"The rejects could not be put into {rules.to}. {error}")
    made.write(load.run)
    for path in made.paths:
        log.info("The rejects are in %s on %s", path, source.connection)
    return made
