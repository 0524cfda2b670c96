"""`python -m lab trace`: what each thread of a step did, and what its clients saw.

`python -m lab trace step06` plays the step's scenario: it starts the step in a process
of its own (`lab/trace/recorder.py` notes what the threads do), is the clients itself,
draws the lanes in the terminal and says of each request where its time went.
`--output FILE` writes the trace as well; `--record step08 step10/computing` writes
those that the book prints of a step, or one of them, and `--record-all` all of them.
What a Python without the GIL records (`--python`) has a name that ends in "-free".
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from lab.measure.machine import Cores, commit, describe_machine
from lab.measure.pythons import PythonsError, ask
from lab.paths import ROOT, check_writable
from lab.trace.draw import draw, listing
from lab.trace.explain import Trace, end_us, lanes_of
from lab.trace.play import TraceError, record
from lab.trace.scenarios import SCENARIOS, Client, Scenario, file_of

#: How often a recording is made in which chance decides what it shows.
ATTEMPTS = 20
#: Threads that compute side by side want all cores there are, and the clients want one
#: as well. So long they may wait for one in a recording for the book.
CORE_WAIT_MS = 5.0


def save(trace: Trace, path: Path) -> None:
    """Write the trace, an event a line, with where and when it was recorded."""
    head, dirty = commit()
    machine = describe_machine(Cores()).model_dump(
        include={"system", "release", "arch", "cpu_model", "cores", "python", "kernel"}
    )
    trace["otherData"] |= {
        "recorded_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": head,
        "dirty": dirty,
        "machine": machine,
    }
    events = ",\n".join(json.dumps(event) for event in trace["traceEvents"])
    rest = json.dumps({k: v for k, v in trace.items() if k != "traceEvents"}, indent=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{"traceEvents": [\n{events}\n],{rest[1:]}\n', encoding="utf-8")


def chosen(
    step: str, name: str, requests: int | None, connections: int | None
) -> tuple[str, Scenario]:
    """The step's scenario of that name, or so many clients with so many requests."""
    if requests is None and connections is None:
        scenarios = SCENARIOS[step]
        name = name or next(iter(scenarios))
        if name not in scenarios:
            raise TraceError(f"{step} has no scenario {name}: {', '.join(scenarios)}")
        return name, scenarios[name]
    count, clients = requests or 3, connections or 1
    words = f"Clients: {clients}. Requests that each of them sends: {count}."
    # What the kernel holds is chapter 06's discovery: no earlier step's trace tells.
    shown = step >= "step06"
    return "", Scenario(words, (Client(requests=count),) * clients, send_queue=shown)


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m lab trace",
        description="A timeline of a step's threads and of its clients, on one clock.",
    )
    parser.add_argument("step", choices=SCENARIOS, nargs="?")
    parser.add_argument("scenario", nargs="?", default="", help="default: its lesson")
    parser.add_argument(
        "--requests", type=int, metavar="N", help="instead of a scenario"
    )
    parser.add_argument("--connections", type=int, metavar="N", help="the same")
    parser.add_argument(
        "--python", metavar="PATH", help="what runs the step; default: this Python"
    )
    parser.add_argument("--events", action="store_true", help="list them, in ms")
    parser.add_argument("--output", type=Path, metavar="FILE", help="for Perfetto")
    parser.add_argument(
        "--record-all", action="store_true", help="write those that the book prints"
    )
    parser.add_argument(
        "--record", nargs="+", metavar="STEP[/SCENARIO]", help="write these of them"
    )
    options = parser.parse_args(argv)
    try:
        python = options.python or sys.executable
        if options.record_all:
            return _record_all(in_book(), python)
        if options.record:
            return _record_all(in_book(options.record), python)
        if not options.step:
            parser.error("which step?")
        name, scenario = chosen(
            options.step, options.scenario, options.requests, options.connections
        )
        if options.output:
            check_writable(options.output)
        about = ask(python)
        trace = record(options.step, scenario, name, python)
        trace["otherData"]["python"] = about.model_dump()
    except (TraceError, PythonsError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{options.step}: {scenario.words}\n")
    print(listing(trace) if options.events else draw(trace), end="\n\n")
    for line in trace["otherData"]["conclusions"]:
        print(re.sub(r"; (?!meanwhile)|(?<=slept): ", "\n    ", line))
    if options.output:
        save(trace, options.output)
        print(f"\nwritten to {options.output}, which Perfetto opens")
    return 0


def in_book(asked: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Steps and scenarios: all, or those asked for. Raises TraceError."""
    found = [(step, name) for step, of_step in SCENARIOS.items() for name in of_step]
    for each in asked:
        if each not in [*SCENARIOS, *map("/".join, found)]:
            raise TraceError(f"{each} is no step of the book, or none of its scenarios")
    return [
        (step, name)
        for step, name in found
        if not asked or step in asked or f"{step}/{name}" in asked
    ]


def _record_all(wanted: Sequence[tuple[str, str]], python: str) -> int:
    about = ask(python)
    for step, name in wanted:
        path = file_of(step, name)
        if not about.gil:
            path = path.with_stem(f"{path.stem}-free")
        check_writable(path)
        trace = _recorded(step, name, python)
        trace["otherData"]["python"] = about.model_dump()
        save(trace, path)
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes")
        for line in trace["otherData"]["conclusions"]:
            print(f"  {line}")
    return 0


def _recorded(step: str, name: str, python: str) -> Trace:
    """A recording that shows what the scenario is to show.

    Where a thread waited for a core, it shows the machine, and is made again; unless
    threads of the server compute side by side, and so want all cores there are.
    """
    scenario = SCENARIOS[step][name]
    for _ in range(ATTEMPTS):
        trace = record(step, scenario, name, python)
        least, most = scenario.later_take_ms
        allowed_ms = 0 if trace["otherData"]["gil"] else CORE_WAIT_MS
        if core_wait_ms(trace) <= allowed_ms and all(
            least <= wait <= most for wait in later_waits_ms(trace)
        ):
            return _clients_of(trace) if scenario.clients_only else trace
    raise TraceError(f"{step} did not show {name} in {ATTEMPTS} recordings")


def core_wait_ms(trace: Trace) -> float:
    """For how long threads wanted a core, all in all."""
    events = trace["traceEvents"]
    return sum(float(e["dur"]) for e in events if e["name"] == "wants a core") / 1000


def _clients_of(trace: Trace) -> Trace:
    names = (e for e in trace["traceEvents"] if e["name"] == "thread_name")
    clients = {e["tid"] for e in names if e["args"]["name"].startswith("client")}
    kept = [e for e in trace["traceEvents"] if e["tid"] in clients or not e["tid"]]
    # The conclusions speak of the server's threads.
    about = trace["otherData"] | {"conclusions": []}
    return {**trace, "traceEvents": kept, "otherData": about}


def later_waits_ms(trace: Trace) -> list[float]:
    """How long clients waited for each answer from their third on, in ms."""
    waits = []
    for lane, events in lanes_of(trace).items():
        if not lane.startswith("client"):
            continue
        sent = {
            e["args"]["request"]: e["ts"] for e in events if e["name"] == "send request"
        }
        had = {
            e["args"]["request"]: end_us(e)
            for e in events
            if e["name"].startswith("wait for")
        }
        waits += [(had[n] - sent[n]) / 1000 for n in had if n > 2]
    return waits


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
