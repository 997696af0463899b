"""Airflow on this machine: the launcher behind `make demo`, `make up` and the tests that need a scheduler."""
