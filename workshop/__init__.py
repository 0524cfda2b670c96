"""How the exercises of the chapters are checked. Needs pytest, and nothing else.

A chapter's `test_exercise.py` asks for the fixture `exercise`, which is the reader's
`exercise.py`, and says with `check()` what it called, what came back, what was expected
and why that matters. What may hang is called within `within()`.
"""

from workshop.answer import Answer
from workshop.checking import WrongAnswer, check
from workshop.watchdog import within

__all__ = ["Answer", "WrongAnswer", "check", "within"]
