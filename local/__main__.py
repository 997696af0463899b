"""Airflow with three fictional libraries on this machine: python -m local demo | up | down."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path


def main() -> int:
    """Run the command in the first argument; `make` has a target for each one that people need."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "demo", _demo, "load the patrons of all of them and show what happened")
    _add(commands, "up", _up, "start Airflow and the sandbox in the background")
    _add(commands, "down", _down, "stop what `up` started")
    _add(commands, "serve", _serve, "what `up` runs in the background")
    stand_ins = _add(commands, "stand-ins", _stand_ins, "the sandbox with exports, for Docker Compose")
    stand_ins.add_argument("--airflow", required=True, help="the address of the Airflow that gets the connections")
    stand_ins.add_argument("--advertise", required=True, help="the name by which others reach this machine")
    stand_ins.add_argument("--mail-page-port", required=True, help="where the mails can be read")
    arguments = parser.parse_args()
    do: Callable[[argparse.Namespace], int] = arguments.do
    return do(arguments)


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    do: Callable[[argparse.Namespace], int],
    what: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=what)
    command.add_argument("--folder", type=Path, help="the folder for everything (default: below .local/)")
    command.set_defaults(do=do)
    return command


# Each imports what it needs: `down` should not wait for the imports of `demo`.


def _demo(arguments: argparse.Namespace) -> int:
    from local import demo

    return demo.main(_folder(arguments, demo.FOLDER))


def _up(arguments: argparse.Namespace) -> int:
    from local import up

    return up.up(_folder(arguments, up.FOLDER))


def _down(arguments: argparse.Namespace) -> int:
    from local import up

    return up.down(_folder(arguments, up.FOLDER))


def _serve(arguments: argparse.Namespace) -> int:
    from local import up

    return up.serve(_folder(arguments, up.FOLDER))


def _stand_ins(arguments: argparse.Namespace) -> int:
    from local import stand_ins
    from local.airflow import USER
    from local.api import AirflowApi

    api = AirflowApi(arguments.airflow, USER, os.environ["ADMIN_PASSWORD"])
    options = ["--host", "0.0.0.0", "--advertise", arguments.advertise, "--mail-page-port", arguments.mail_page_port]
    stand_ins.serve(_folder(arguments, Path("sandbox")), api, *options)


def _folder(arguments: argparse.Namespace, default: Path) -> Path:
    return (arguments.folder or default).resolve()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
