"""The load that the lab puts on a server, and what came of it.

`run_load` starts one or more generator processes (`lab/load/generator.py`) beside the
server, lets them work for a bounded time and adds up what they saw. It returns a
`LoadResult`, or raises `LoadError` with one line that a reader can act on.
`lab/load/wrk.py` does the same with wrk.

Closed loop or constant rate
    Without `rate`, every connection sends its next request as soon as the last one is
    answered: the load follows the server. With `rate`, requests are due at fixed
    moments, whatever the server does; each goes out on a free connection, or waits for
    one, and its latency counts from the moment it was due. So a server that stops for
    a second is charged for all the requests of that second and not for one
    ("coordinated omission"). A request that was due and had no answer counts with the
    time that it waited, which is less than its latency would have been.

Keep-alive or close
    Keep-alive opens all connections, a few at a time, before the clock starts. Close
    opens one for each request, and its latency counts from `connect`. Either way a
    request follows the last answer at once, so that connections / latency is the
    throughput (Little's law).

What is counted
    Answers that arrive between the end of the warm-up and the end of the run, and are
    right: status 2xx, and as many bytes as the head says. Everything else is in
    `errors`. At the end nothing new is sent, and what is in flight is awaited for
    `timeout_s` at most.

Is the generator the limit?
    See `is_generator_bound`.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from lab.load.child import Child
from lab.load.histogram import Histogram
from lab.load.kinds import Headers
from lab.load.silent import SilentClients
from lab.load.target import LoadError as LoadError  # part of this module's interface
from lab.load.target import is_path, loopback, parse_url

#: A generator that had less idle time than this share could have been the limit.
BUSY_GENERATOR = 0.9
#: A server that used more than this share of what it can use was near its limit.
BUSY_SERVER = 0.9

#: How long all generators may take to open their connections.
CONNECT_LIMIT_S = 60.0
#: Time between "all are ready" and the first request.
START_DELAY_S = 0.02
#: How long after its last deadline a generator may take to report.
REPORT_LIMIT_S = 10.0

#: The place of the counter that makes every request another: its width is constant.
COUNTER_DIGITS = 10

BROWSER_HEADERS = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) "
    "Gecko/20100101 Firefox/140.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.8,de;q=0.5,fr;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: http://127.0.0.1/chapters/?from=the-home-page",
    "Connection: {connection}",
    "Cookie: session=6f1c0d5e8a924b7db3e2; theme=dark; consent=essential",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i",
)


@dataclass(frozen=True)
class LoadSpec:
    """One load: on which server, how many connections, how, for how long."""

    #: A loopback address: the lab loads another machine only if `anywhere` says so.
    host: str
    port: int
    #: How many connections send requests.
    connections: int
    #: How long answers are counted, in seconds.
    seconds: float
    #: How long requests are sent before that, in seconds.
    warmup_s: float = 0.0
    #: False: one request a connection.
    keep_alive: bool = True
    #: Further connections that are opened first and never send a byte.
    silent: int = 0
    #: A counter is added to it as a query string, so that no two requests are the same.
    path: str = "/"
    #: The counter is a field of the head in place of that: some refuse a query.
    same_page: bool = False
    #: "plain": Host alone. "browser": thirteen fields like a browser's.
    headers: Headers = "plain"
    #: Requests a second, all connections together; None: a closed loop.
    rate: float | None = None
    #: How many generator processes share the connections (wrk: threads).
    processes: int = 1
    #: The processors that generators may use; None: all. Linux only.
    cpus: tuple[int, ...] | None = None
    #: How long a request, or opening a connection, may take, in seconds.
    timeout_s: float = 5.0
    #: Kept connections, closed loop: over how long their first requests are spread, in
    #: seconds. 0: all begin at once.
    stagger_s: float = 0.0
    #: Somebody has said that a server on another machine is their own.
    anywhere: bool = False

    def __post_init__(self) -> None:
        if self.connections < 1 or self.processes < 1 or self.silent < 0:
            raise LoadError("a load needs at least one connection and one process")
        if self.processes > min(self.connections, 9):
            raise LoadError("processes: at most one a connection, and at most 9")
        if self.seconds <= 0 or self.warmup_s < 0 or self.timeout_s <= 0:
            raise LoadError("seconds and timeout must be positive")
        if self.stagger_s and (self.rate is not None or not self.keep_alive):
            raise LoadError("only kept connections in a closed loop can be staggered")
        if not 0 <= self.stagger_s < self.warmup_s + self.seconds:
            raise LoadError("all connections must have begun before the end")
        if self.rate is not None and self.rate <= 0:
            raise LoadError("the rate must be positive")
        if not is_path(self.path):
            raise LoadError(f"{self.path!r} is not a path that can be asked for")
        if not self.anywhere:
            object.__setattr__(self, "host", loopback(self.host))

    @property
    def url(self) -> str:
        """Where the load goes, for messages."""
        return f"http://{self.host}:{self.port}"

    def request_parts(self) -> tuple[str, str]:
        """The request before and after its counter of `COUNTER_DIGITS` digits."""
        connection = "keep-alive" if self.keep_alive else "close"
        fields = [f"Host: {self.host}:{self.port}"]
        if self.headers == "browser":
            fields += [field.format(connection=connection) for field in BROWSER_HEADERS]
        elif not self.keep_alive:
            fields.append("Connection: close")
        head = "".join(f"{field}\r\n" for field in fields)
        if self.same_page:
            return f"GET {self.path} HTTP/1.1\r\n{head}X-Number: ", "\r\n\r\n"
        separator = "&" if "?" in self.path else "?"
        return f"GET {self.path}{separator}n=", f" HTTP/1.1\r\n{head}\r\n"


@dataclass(frozen=True)
class Latency:
    """Percentiles of the latency, its highest and its mean, in milliseconds."""

    p50: float
    p75: float
    p90: float
    p99: float
    p999: float
    max: float
    mean: float


@dataclass(frozen=True)
class LoadResult:
    """What came of a load."""

    #: Right answers that arrived in the counted time.
    requests: int
    #: The counted time as it really was.
    seconds: float
    #: requests / seconds
    throughput_rps: float
    #: None: there was no answer at all.
    latency: Latency | None
    #: Kind -> how often. The kinds: `lab/load/generator.py`.
    errors: dict[str, int]
    #: Processor time of the busiest generator, as a share of one core's (0..1).
    generator_cpu: float
    #: The same, and the time in which it waited for a processor, where that is known.
    generator_busy: float
    #: The generator, not the server, may have been the limit: `is_generator_bound`.
    generator_bound: bool
    #: Heads and bodies of right answers, in bytes.
    bytes_received: int
    #: How often a kept connection was closed by the server after an answer.
    reconnects: int = 0
    #: How many of the silent connections were still open at the end.
    silent_open: int = 0
    #: All latencies; None: the generator has none to give (wrk).
    histogram: Histogram | None = None

    def judged(self, server_cpu: float, server_cores: float = 1.0) -> LoadResult:
        """The same, with `generator_bound` decided in the knowledge of the server."""
        bound = is_generator_bound(self.generator_busy, server_cpu, server_cores)
        return replace(self, generator_bound=bound)


def is_generator_bound(
    generator_busy: float,
    server_cpu: float | None = None,
    server_cores: float = 1.0,
) -> bool:
    """Whether the generator may have been the limit, and not the server.

    A generator that waits for answers is idle, and idle time is proof that the server
    was the limit. So a generator that was busy less than 90 % of the time was not the
    limit. One that was busier may have been; unless the server is known to have used
    more than 90 % of the cores that it can use (1 for Python threads and their GIL).
    Then it can do at most a tenth more than was measured.

    `generator_busy`: share of the time of the busiest generator process, on a
    processor or waiting for one. The waiting counts, for a generator that must share
    its core measures the sharing. `server_cpu`: processor seconds a second.
    """
    if generator_busy < BUSY_GENERATOR:
        return False
    return server_cpu is None or server_cpu < BUSY_SERVER * server_cores


def run_load(
    spec: LoadSpec, on_window: Callable[[Literal["start", "end"]], None] | None = None
) -> LoadResult:
    """Put the load on the server and wait for the result.

    `on_window` is called when the counted time begins and when it ends, within a
    millisecond or so: the moments to read the server's own counters.

    Ends by itself after connecting, `warmup_s`, `seconds` and at most `timeout_s`.
    """
    with contextlib.ExitStack() as stack:
        silent = SilentClients(spec.host, spec.port, spec.silent)
        stack.enter_context(silent)
        children = [
            stack.enter_context(_Generator(spec, index))
            for index in range(spec.processes)
        ]
        ready_by = time.monotonic() + CONNECT_LIMIT_S
        for child in children:
            child.read(ready_by)
        start = time.monotonic() + START_DELAY_S
        for child in children:
            child.write({"start_ns": int(start * 1e9)})
        window_start = start + spec.warmup_s
        window_end = window_start + spec.seconds
        if on_window:
            time.sleep(max(0.0, window_start - time.monotonic()))
            on_window("start")
            time.sleep(max(0.0, window_end - time.monotonic()))
            on_window("end")
        # A rate that the server cannot follow leaves a backlog, but it is not sent.
        done_by = window_end + spec.timeout_s + REPORT_LIMIT_S
        reports = [child.read(done_by) for child in children]
        silent_open = silent.still_open()
    return _add_up(reports, silent_open)


def _add_up(reports: Sequence[dict[str, object]], silent_open: int) -> LoadResult:
    """One result from the reports of all generators."""
    histogram = Histogram()
    errors: Counter[str] = Counter()
    requests = received = reconnects = 0
    seconds = cpu = busy = 0.0
    for report in reports:
        data = report["histogram"]
        assert isinstance(data, dict)
        histogram.merge(Histogram.from_json(data))
        kinds = report["errors"]
        assert isinstance(kinds, dict)
        errors.update(kinds)
        requests += _int(report["requests"])
        received += _int(report["bytes_received"])
        reconnects += _int(report["reconnects"])
        seconds = max(seconds, _float(report["seconds"]))
        cpu = max(cpu, _float(report["cpu"]))
        busy = max(busy, _float(report["busy"]))
    return LoadResult(
        requests=requests,
        seconds=seconds,
        throughput_rps=requests / seconds,
        latency=latency_of(histogram),
        errors=dict(sorted(errors.items())),
        generator_cpu=cpu,
        generator_busy=busy,
        generator_bound=is_generator_bound(busy),
        bytes_received=received,
        reconnects=reconnects,
        silent_open=silent_open,
        histogram=histogram,
    )


def latency_of(histogram: Histogram) -> Latency | None:
    """The percentiles of a histogram, in milliseconds."""
    if not histogram.count:
        return None
    p50, p75, p90, p99, p999 = (
        histogram.percentile_ns(p) / 1e6 for p in (50, 75, 90, 99, 99.9)
    )
    return Latency(
        p50, p75, p90, p99, p999, histogram.highest_ns / 1e6, histogram.mean_ns() / 1e6
    )


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def _float(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)


class _Generator(Child):
    """One generator process; it takes its share of the connections."""

    def __init__(self, spec: LoadSpec, index: int) -> None:
        super().__init__("lab.load.generator")
        self.write({"spec": asdict(spec), "index": index})


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m lab load URL …`: put a load on a server and print what came of it."""
    parser = argparse.ArgumentParser(
        prog="python -m lab load",
        description="Put a load on a server on this machine and print what came of it.",
    )
    parser.add_argument("url", help="for example http://127.0.0.1:8000/")
    parser.add_argument("--connections", type=int, default=100, metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warmup", type=float, default=0.5, metavar="SECONDS")
    parser.add_argument("--close", action="store_true", help="one request a connection")
    parser.add_argument(
        "--same-page",
        action="store_true",
        help="count the requests in a field of their head, and not in a query",
    )
    parser.add_argument(
        "--stagger",
        type=float,
        default=0.0,
        metavar="MS",
        help="spread the first requests over so long; default: all at once",
    )
    parser.add_argument(
        "--silent", type=int, default=0, metavar="M", help="connections that never send"
    )
    parser.add_argument(
        "--rate", type=float, metavar="R", help="requests a second, whatever happens"
    )
    parser.add_argument("--headers", choices=("plain", "browser"), default="plain")
    parser.add_argument("--processes", type=int, default=1, metavar="P")
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS")
    options = parser.parse_args(argv)
    try:
        host, port, path = parse_url(options.url)
        spec = LoadSpec(
            host=host,
            port=port,
            connections=options.connections,
            seconds=options.seconds,
            warmup_s=options.warmup,
            keep_alive=not options.close,
            silent=options.silent,
            path=path,
            same_page=options.same_page,
            headers=options.headers,
            rate=options.rate,
            processes=options.processes,
            timeout_s=options.timeout,
            stagger_s=options.stagger / 1e3,
        )
        result = run_load(spec)
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(describe(spec, result))
    return 0


def describe(spec: LoadSpec, result: LoadResult) -> str:
    """A result in a few lines for a terminal."""
    mode = "keep-alive" if spec.keep_alive else "close"
    noun = "connection" if spec.connections == 1 else "connections"
    lines = [
        f"{result.throughput_rps:,.0f} requests/s "
        f"({result.requests:,} in {result.seconds:.1f} s, "
        f"{spec.connections} {noun}, {mode})"
    ]
    if latency := result.latency:
        lines.append(
            f"latency ms: median {latency.p50:.2f}, 90 % {latency.p90:.2f}, "
            f"99 % {latency.p99:.2f}, longest {latency.max:.2f}"
        )
    if spec.silent:
        lines.append(f"silent connections still open: {result.silent_open}")
    if result.reconnects:
        lines.append(f"closed by the server after an answer: {result.reconnects:,}")
    errors = ", ".join(f"{kind} {count:,}" for kind, count in result.errors.items())
    lines.append(f"errors: {errors or 'none'}")
    lines.append(f"generator: {result.generator_cpu:.0%} of a core")
    if result.generator_bound:
        lines.append(
            "the generator had no time to spare: the server may be faster than this"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
