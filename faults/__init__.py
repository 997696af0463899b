"""The fault campaign: random loads into the stand-ins with injected faults, judged by an oracle.

`make faults` or `python -m faults --runs 500 --seed 1`; `--target` chooses FOLIO or Infiniti.
Each run of a single load generates a FOLIO or an Infiniti with users, an export, a mapping, and a schedule of
faults and kills (world.py, school.py, schedule.py). It runs the product's own stages with Airflow's retries
(load.py). Then it compares the stand-in's content and the reports with the result of an independent computation
(oracle.py and verdict.py for FOLIO; school.py and infiniti.py for Infiniti). The oracles share no code with the
product.

The parts folio-weeks and infiniti-weeks play whole weeks of complete files (week.py, week_load.py), with an oracle for
who must be active after each night (week_oracle.py, weeks.py).
"""
