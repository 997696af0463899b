"""Everything that only Airflow imports: tasks, upkeep and pages."""
