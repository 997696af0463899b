"""The demo's stage: the sandbox and an Airflow that knows it, in one folder."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from local.airflow import LocalAirflow
from local.stand_ins import StandIns


class Stage(NamedTuple):
    """The running servers, and the folder of the runs' artifacts."""

    airflow: LocalAirflow
    stand_ins: StandIns
    artifacts: Path

    def check(self) -> None:
        """Raise when a part of it is no longer running."""
        self.airflow.check()
        self.stand_ins.check()


@contextmanager
def stage(
    folder: Path,
    *,
    port: int | None = None,
    without: Collection[str] = (),
    options: Collection[str] = (),
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Stage]:
    """
    Start everything below `folder`, `without` some of Airflow's parts; stop it, whatever happens, at the end.

    `options` are those of `python -m sandbox`.
    """
    artifacts = (folder / "artifacts").resolve()
    tell("starting the sandbox: an SFTP server with exports, FOLIO, Infiniti, a mail server")
    with StandIns(folder / "sandbox", *options) as stand_ins:
        environment = {**stand_ins.connections, "PATRONLOAD_ARTIFACTS": artifacts.as_uri()}
        home = folder / "airflow"
        with LocalAirflow(home, environment=environment, port=port, without=without, tell=tell) as airflow:
            yield Stage(airflow, stand_ins, artifacts)
