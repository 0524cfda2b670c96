"""Attempts to break the server of step 12, a module for each kind.

In: a count and a number of seconds. Out: what was seen and what was wrong (`Result`),
which `record.py` keeps. Each attempt ends by itself; `tell` is told which share of it
is done. `python -m lab tough` runs them (`command.py`), and so does the suite, briefly.
"""
