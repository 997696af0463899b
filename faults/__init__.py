"""The fault campaign: random loads against the stand-ins while everything goes wrong, judged by an oracle.

`make faults` or `python -m faults --runs 500 --seed 1`; `--target` chooses FOLIO or Infiniti.
Each run makes up a FOLIO or an Infiniti with users in it, an export, a mapping, and a schedule of faults and kills
(world.py, school.py, schedule.py); takes the product's own steps with the retries Airflow would make (load.py); and
compares what the stand-in then holds, and what the reports say, with what an independent computation says must be
(oracle.py and verdict.py for FOLIO; school.py and infiniti.py for Infiniti). The oracles share no code with the
product.
"""
