"""What the expressions in the chapters' markers may call.

Numbers, in a line; from a record, or from the source:

    rate("step06", 100)                 requests a second with 100 connections: 2 280
    latency("step06", 100, "p99")       with its unit; without "p99" the median
    cpu, memory, switches, syscalls     likewise, of the server; the last two a request
    stat("step03", 100, "ebadf")        what the step counted (per_request: a request)
    still_open("step11", 10, silent=900)    how many of the silent ones were, at the end
    silent_bytes("step11"), silent_cpu  memory of one, CPU of all of them together
    kept_bytes("step12")                memory of one that was served and is kept
    constant("steps/step03/server.py", "SELECT_TIMEOUT_S")      also "Class.name"
    setting("idle_timeout")             the default of a flag of step 13
    lines("steps/step15", "steps/app.py")   of code, without comments and docstrings
    tough("drain", "answered")          what a proof saw (`python -m lab tough --show`)
    alike(rate(…), rate(…))             "≈" if their spreads overlap, else nothing
    percent(rate(…) / rate(…))          arithmetic keeps spread, unit and doubt
    either_way(rate(…) / rate(…), less="…", same="…", more="…")     words, not a number:
                                        the ratio's spread is below 1, about it, above
    compare.rate("granian", 100)        of the comparison with peers; also latency, cpu,
                                        memory, syscalls, silent_bytes, kept_bytes,
                                        silent_cpu
    in_c.rate("question.c", 100)        of the question's server in C; also latency,
                                        cpu, stat, per_request

    closer.rate("step05", 100)          of what was measured many times; also latency

All of a server with so many connections take mode=, silent=, manner=, headers=, path=
and generator= (see lab/record/measurement.py). A step's flags stand in its name:
rate("step10 --workers 0", 100).

Blocks, between markers on lines of their own:

    table("rates", ["step02", "step03"])        also "latency", "cpu", "memory", …;
                                                connections=[1, 100], percentile="p99"
    table("syscalls", ["step06", "step07"])     for each request, by name
    table("silent", ["step07", "step08"])       with and without silent connections,
                                                or with manner="unread" or "half"
    table("closer", ["step07"], [10])           what `lab closer` measured, in one run
    table("stats", ["step03"], names=["ebadf"]) what the step counted for each request
    compare_table("ratios")                     of the comparison with peers, also
                                                "rates", "costs", "winners", "servers",
                                                "failures", "keep-alive", "processes"
    tough_table("drain", "soak")                of `python -m lab tough`; all, if none
                                                is named
    figure("throughput", […], caption="…")      see FIGURES in book/figures/
    timeline("step06")                          docs/measurements/traces/step06.json;
                                                beside={"06": "step06", …}: several of
                                                them; see=[{…}]: what is measured out, a
                                                `Gap`; until_ms=, inset_ms=, threads=:
                                                the `View` (book/figures/timeline.py)
    lanes("step05", {"in-step": "in step", …})  its traces of these names, side by side
    diagram("program-and-kernel", caption=…, words=…)   docs/diagrams/, drawn by hand
    work("ladder", …, caption="…")              a figure to work; see book/works/
    code("steps/step03/server.py", "rebuild")   from `# [rebuild]` to `# [/rebuild]`;
                                                new=True marks the lines that are new;
                                                new={"_advance": "_serve"} if a function
                                                had another name in the step before
                                                variant="09-no-flush" shows it with that
                                                mistake in it (book/variants.py);
                                                docstrings=False leaves them out
    diff("step03")                              the whole difference to earlier steps
    transcript("probe")                         docs/transcripts/03-probe.txt, in 03
    hints()                                     the chapter's hints.md, each folded
    exercises()                                 all chapters' exercises, in a table
    source("solution.py")                       a whole file of the chapter
    claims("01", "05"), points(), machine()     for the page with all results
    records()                                   each record, and what it was made with
    start(), imprint()                          for the first page
    remedies()                                  for the doctor's page: what helps

And in a line, at the end of a sentence that is one: claim("a_fifth"), in another
chapter claim("03.a_fifth").

Links in what is drawn are written as they are right in the repository.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from book.code import Code
from book.drawn import Sources
from book.front import Front
from book.numbers import numbers
from book.pictures import Pictures
from book.remedies import Remedies
from book.results import Results
from book.verdicts import Verdicts
from book.work import Working
from lab.paths import ROOT
from lab.record.measurement import Measurement


def functions_for(
    page: Path, sources: Sources, root: Path = ROOT
) -> Callable[[Measurement | None], Mapping[str, Any]]:
    """The functions for a page, once a measurement is chosen for its numbers."""
    results = Results(page, sources, root)
    pictures = Pictures(page, sources, root)
    working = Working(page, sources, root)
    code = Code(page, sources, root)
    verdicts = Verdicts(page, sources, root)
    front = Front(page, sources, root)
    draw = {
        "table": results.table,
        "compare_table": results.compare_table,
        "tough_table": results.tough_table,
        "points": results.points,
        "machine": results.machine,
        "records": results.records,
        "figure": pictures.figure,
        "timeline": pictures.timeline,
        "lanes": pictures.lanes,
        "diagram": pictures.diagram,
        "work": working.work,
        "code": code.code,
        "diff": code.diff,
        "transcript": code.transcript,
        "hints": code.hints,
        "exercises": code.exercises,
        "source": code.source,
        "claim": verdicts.claim,
        "claims": verdicts.claims,
        "start": front.start,
        "imprint": front.imprint,
        "remedies": Remedies(page, sources, root).remedies,
    }

    def bound(measurement: Measurement | None) -> Mapping[str, Any]:
        return numbers(measurement, root) | draw

    return bound
