"""The fault campaign: random loads against the stand-in FOLIO while everything goes wrong, judged by an oracle.

`make faults` or `python -m faults --runs 500 --seed 1`.
Each run makes up a FOLIO with users in it, an export, a mapping
with an ownership policy, and a schedule of faults and kills (world.py, schedule.py); takes the product's own steps with
the retries Airflow would make (load.py); and compares what FOLIO then holds, and what the reports say, with what an
independent computation says must be (oracle.py, verdict.py). The oracle shares no code with the product.
"""
