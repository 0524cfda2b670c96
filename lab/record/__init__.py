"""What a run measured: its file, what can be asked of it, and what is claimed of it.

In: a JSON file (`model.py` documents every field). Out: quantities with their spread
and their doubts, from a `Measurement`; verdicts on the chapters' claims; tables in the
terminal. `matrix.py` says which points there are to be measured, `names.py` what
servers are called.

Nothing is measured here, so a page or a claim that asks a record starts no server.
"""
