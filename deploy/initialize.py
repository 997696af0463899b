"""
Prepare the databases before any part of Airflow starts; the service `init` of docker-compose.yaml runs it.

It may run again and again. Each start migrates Airflow's database to the installed version, and sets Celery's password
and those of Airflow's users admin and watch to what the environment says.
"""

import json
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg import sql


def main() -> None:
    """Raises KeyError when a variable is missing, and CalledProcessError when Airflow cannot migrate."""
    address = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    create_celery_database(address, os.environ["CELERY_PASSWORD"])
    subprocess.run(["airflow", "db", "migrate"], check=True)  # noqa: S607  the image has one airflow
    passwords = {"admin": os.environ["ADMIN_PASSWORD"], "watch": os.environ.get("WATCH_PASSWORD", "")}
    write_passwords(Path(os.environ["PASSWORDS_FILE"]), {user: word for user, word in passwords.items() if word})


def create_celery_database(address: str, password: str) -> None:
    """
    A role and a database `celery`, on the server of Airflow's own database; the role can open no other database.

    `address` is SQLAlchemy's, of a role that may create roles. The workers know the role's password.
    """
    url = urlsplit(address)
    role, database = sql.Identifier("celery"), sql.Identifier(url.path.lstrip("/"))
    with psycopg.connect(
        host=url.hostname,
        port=url.port or 5432,
        user=unquote(url.username or ""),
        password=unquote(url.password or ""),
        dbname=url.path.lstrip("/"),
        autocommit=True,
    ) as connection:
        for name, create in (
            ("pg_roles WHERE rolname", sql.SQL("CREATE ROLE {}").format(role)),
            ("pg_database WHERE datname", sql.SQL("CREATE DATABASE {}").format(role)),
        ):
            if not connection.execute(f"SELECT 1 FROM {name} = 'celery'").fetchone():  # noqa: S608  both are above
                connection.execute(create)
        connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
        connection.execute(sql.SQL("ALTER DATABASE {0} OWNER TO {0}").format(role))
        connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))


def write_passwords(path: Path, passwords: dict[str, str]) -> None:
    """The file of SimpleAuthManager: only its owner can read it, and it is replaced as a whole."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(passwords, file)
    unfinished.replace(path)


if __name__ == "__main__":
    main()
