"""Servers are started, loaded, watched and stopped, and a record is written of it.

In: a plan of points (`lab.record.matrix`), a load from `lab.load`, and the servers: our
steps and other people's. Out: a record, after every run, so that an interruption costs
little; and what one sees meanwhile.

`points.py` measures one point once, `run.py` all of them; `tour.py` and `compare.py`
are plans with a command.
"""
