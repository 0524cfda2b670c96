"""`python -m lab doctor URL`: a consultation of about half a minute.

    $ python -m lab doctor http://127.0.0.1:8000/
    It writes the head and the body of a response separately, and the kernel holds …

The report goes to standard output, progress to standard error, a line a stage.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from lab.doctor import report
from lab.doctor.consultation import Consultation
from lab.doctor.plan import LONGEST_S, SHORTEST_S, Plan
from lab.doctor.raw import Target
from lab.doctor.schema import schema
from lab.doctor.verdict import verdict
from lab.load.target import LoadError, is_path, parse_url


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m lab doctor URL …`: exit code 0, 1 if it could not look, 130 after
    Ctrl-C. What was found is no failure."""
    options = _parser().parse_args(argv)
    if options.schema:
        print(json.dumps(schema(), indent=2))
        return 0
    try:
        target = _target(options.url, options.yes_this_is_mine)
        if options.end_it and options.pid is None:
            raise LoadError("--end-it needs --pid: which process is to be ended?")
        if options.json:
            _try_to_write(options.json)
        consultation = Consultation(
            target,
            Plan(options.seconds),
            options.pid,
            options.slow_path,
            options.end_it,
            _progress(),
        )
        consultation.meet()
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    print(
        f"{target.url} is looked at for about {options.seconds:.0f} s, and longer if "
        "it is slow.\nCtrl-C ends it sooner.",
        file=sys.stderr,
        flush=True,
    )
    consultation.run()
    seen = consultation.seen
    said = verdict(seen)
    print(report.text(seen, said))
    if options.json:
        text = json.dumps(report.data(seen, said), indent=2)
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            print(f"{options.json} was not written: {error}", file=sys.stderr)
            return 1
    return 130 if seen.interrupted else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m lab doctor",
        description="Find out what holds a server back, whatever it is written in.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("url", nargs="?", help="for example http://127.0.0.1:8000/")
    what.add_argument(
        "--schema", action="store_true", help="print the schema of what --json writes"
    )
    parser.add_argument(
        "--pid",
        type=_pid,
        help="the server's process; on Linux it is found by its port",
    )
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=30.0,
        help="how long to look; default: %(default)g",
    )
    parser.add_argument(
        "--slow-path",
        type=_path,
        metavar="PATH",
        help="a page that takes long by itself",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the report as data as well"
    )
    parser.add_argument(
        "--end-it",
        action="store_true",
        help="at the end send SIGTERM to the process, and see what is lost",
    )
    parser.add_argument(
        "--yes-this-is-mine",
        action="store_true",
        help="the server is on another machine, and you may load it",
    )
    return parser


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a number from {SHORTEST_S:g} to {LONGEST_S:g}"
        )
    return seconds


def _target(url: str, anywhere: bool) -> Target:
    if url.startswith("https:"):
        raise LoadError(
            f"{url}: the doctor speaks plain HTTP; give it the port behind whatever "
            "ends the TLS"
        )
    if url.startswith(("unix:", "/", ".")):
        raise LoadError(
            f"{url}: the doctor speaks TCP; let the server listen on a port"
        )
    try:
        host, port, path = parse_url(url, anywhere or "[" in url)
    except LoadError as error:
        if "is refused" not in str(error):
            raise
        raise LoadError(f"{error} If it is yours: --yes-this-is-mine") from None
    if ":" in host:
        raise LoadError(
            f"{url}: the doctor speaks IPv4; let the server listen on 127.0.0.1 as well"
        )
    return Target(host, port, path, anywhere)


def _path(text: str) -> str:
    if not is_path(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a path like /report")
    return text


def _pid(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a process")
    return int(text)


def _try_to_write(path: Path) -> None:
    """Find out now, and not after the work, whether the file can be written."""
    is_new = not path.exists()
    try:
        with path.open("a"):
            pass
    except OSError as error:
        raise LoadError(f"{path} cannot be written: {error.strerror}") from None
    if is_new:
        path.unlink()


def _progress() -> Callable[[str], None]:
    began = time.monotonic()

    def tell(stage: str) -> None:
        now = time.monotonic() - began
        print(f"  {now:4.0f} s  {stage}", file=sys.stderr, flush=True)

    return tell
