"""What each thread of a step did and what its clients saw, on one clock.

In: a scenario (`scenarios.py`). Out: a trace in the format of Chrome's trace viewer
(`play.py` describes it), sentences that say where each request's time went
(`explain.py`), and a picture in the terminal (`draw.py`).
"""
