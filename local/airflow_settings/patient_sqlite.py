"""How Airflow opens SQLite here: on a busy machine a write may have to wait longer than sqlite3's five seconds."""

CONNECT_ARGS = {"timeout": 60}
"""Seconds; see `sql_alchemy_connect_args` in Airflow's configuration."""
