"""The commands that need no Airflow."""
