"""One load generator process: `run_load` starts it and talks to it in lines of JSON.

    standard input                        standard output
    {"spec": LoadSpec, "index": 0}        {"ready": true}       connections are open
    {"start_ns": monotonic clock}         {"requests": …, …}    the report
                                          {"error": "…"}        in place of either

It ends when its standard input does. `lab/load/connections.py` has the kinds of errors
that are reported.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import sys
from collections.abc import Callable

from lab.load.child import allow_connections, read_line, run_child, write_line
from lab.load.closed_loop import ClosedLoop
from lab.load.constant_rate import ConstantRate
from lab.load.poller import IN, Poller, best_poller
from lab.load.run import LoadSpec

PR_SET_TIMERSLACK = 29


def generate(make_poller: Callable[[], Poller] = best_poller) -> None:
    """Do what standard input says."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C: the parent ends us
    order = read_line()
    fields, index = order["spec"], order["index"]
    assert isinstance(fields, dict)
    assert isinstance(index, int)
    spec = LoadSpec(**fields)
    # In close mode a connection is closing while the next is at work.
    allow_connections(spec.connections * (1 if spec.keep_alive else 2))
    if sys.platform == "linux":
        if spec.cpus:
            os.sched_setaffinity(0, spec.cpus)
        # A constant rate is as even as the timer: 50 µs late by default.
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    poller = make_poller()
    poller.register(sys.stdin.fileno(), IN)
    kind = ClosedLoop if spec.rate is None else ConstantRate
    generator = kind(spec, index, poller)
    ready = generator.connect()
    write_line({"ready": True})
    start_ns = read_line()["start_ns"]
    assert isinstance(start_ns, int)
    gc.disable()  # no cycles are made from here on
    write_line(generator.run(ready, start_ns))


if __name__ == "__main__":
    sys.exit(run_child(generate))
