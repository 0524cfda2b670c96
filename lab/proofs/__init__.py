"""Attempts to break the server of step 12, one file for each kind.

Each is a function of a count and a number of seconds; `tell` is told which share of it
is done. It ends by itself, and returns what it saw and what was wrong.
`python -m lab tough` runs them (lab/toughness.py), and so does the suite, briefly.
"""
