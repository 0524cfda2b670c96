"""What happens in each trace: the clients of a step's scenarios, and what they do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lab.paths import TRACES
from lab.record.names import NODELAY_FLAG, ONE_WRITE_FLAG


@dataclass(frozen=True)
class Client:
    """What one client does."""

    requests: int = 3
    path: str = "/"
    sends: Literal["requests", "half a request", "nothing", "bytes"] = "requests"
    #: How long after the first client it comes.
    after_s: float = 0.0
    #: How long it stays if it sends nothing or half a request.
    stays_s: float = 0.0
    #: How long it waits between an answer and its next request; or between two bytes,
    #: where it sends those one by one until the server has something to say.
    pause_s: float = 0.0
    #: How long after a request it begins to read the answer.
    reads_after_s: float = 0.0
    #: Whether it keeps its connection after the last answer, and is silent until the
    #: server closes.
    stays: bool = False
    #: Whether its last request says that the server is to close after the answer.
    closes: bool = False


@dataclass(frozen=True)
class Scenario:
    """What happens in a trace."""

    words: str
    clients: Sequence[Client]
    workers: int = 4
    #: The step's settings that are not its defaults.
    settings: Mapping[str, float] = field(default_factory=dict)
    #: Whether the server has one half of step 07's cure alone: ONE_WRITE_FLAG, or
    #: NODELAY_FLAG. Step 06 only.
    half: str = ""
    #: Whether to show what the server's kernel holds back. Not before chapter 06.
    send_queue: bool = False
    #: How long after the first client the server is told to stop, as SIGTERM does. Who
    #: comes after that may be refused. None: when the last client has left.
    stops_after_s: float | None = None
    #: Where chance decides what comes of it: a recording for the book is made again
    #: until every answer from a client's third on takes so long, at least and at most.
    later_take_ms: tuple[float, float] = (0.0, math.inf)
    #: Whether a recording for the book keeps what the clients saw, and no more.
    clients_only: bool = False


THREE = (Client(),)
NEWCOMER = (Client(requests=2), Client(requests=1, after_s=0.06))
#: One asks for a page that takes its time, the other does not.
SLOW = (Client(requests=1, path="/sleep/60"), Client(requests=1, after_s=0.01))
UNREAD = Scenario(
    "Client 1 asks for 10 MB and begins to read them after 60 ms. Client 2 comes 30 ms "
    "after it and sends three requests.",
    (
        Client(requests=1, path="/bytes/10000000", reads_after_s=0.06),
        Client(requests=3, after_s=0.03),
    ),
)

#: Step -> name -> scenario. The first of a step is its lesson.
SCENARIOS: dict[str, dict[str, Scenario]] = {
    "step01": {
        "silent": Scenario(
            "Client 1 connects, says nothing and leaves after 60 ms. Client 2 comes "
            "10 ms after it and sends a request.",
            (
                Client(sends="nothing", stays_s=0.06),
                Client(requests=1, after_s=0.01),
            ),
        )
    },
    "step02": {
        "half": Scenario(
            "Clients 1 to 4 send half a request each and leave after 60 ms. Client 5 "
            "comes 10 ms after them and sends a whole one.",
            (
                *[Client(sends="half a request", stays_s=0.06)] * 4,
                Client(requests=1, after_s=0.01),
            ),
        )
    },
    "step03": {
        "alone": Scenario("One client sends three requests on one connection.", THREE),
        "newcomer": Scenario(
            "Client 1 sends two requests on one connection. Client 2 comes 60 ms "
            "after it and sends one.",
            NEWCOMER,
        ),
    },
    "step04": {
        "busy": Scenario(
            "There is one worker. Client 1 sends half a request and leaves after "
            "30 ms. Client 2 comes 5 ms after it and sends a whole one.",
            (
                Client(sends="half a request", stays_s=0.03),
                Client(requests=1, after_s=0.005),
            ),
            workers=1,
        )
    },
    "step05": {
        "alone": Scenario("One client sends three requests on one connection.", THREE),
        "in-step": Scenario(
            "Eight clients begin at once. Each sends its next request as soon as it "
            "has an answer.",
            (Client(requests=5),) * 8,
            later_take_ms=(80, 125),
            clients_only=True,
        ),
        "out-of-step": Scenario(
            "Eight clients begin one after another, 6 ms apart. Each sends its next "
            "request as soon as it has an answer.",
            tuple(Client(requests=10, after_s=0.006 * n) for n in range(8)),
            later_take_ms=(30, 60),
            clients_only=True,
        ),
        "newcomer": Scenario(
            "Client 1 sends two requests on one connection. Client 2 comes 60 ms "
            "after it and sends one.",
            NEWCOMER,
        ),
    },
    "step06": {
        "alone": Scenario(
            "One client sends three requests on one connection.",
            THREE,
            send_queue=True,
        ),
        "pause": Scenario(
            "One client sends three requests on one connection, with 60 ms between "
            "an answer and the next request.",
            (Client(pause_s=0.06),),
            send_queue=True,
        ),
        "closing": Scenario(
            "One client sends two requests on one connection. The second one says that "
            "the server is to close after the answer.",
            (Client(requests=2, closes=True),),
            send_queue=True,
        ),
        "one-write": Scenario(
            "Head and body go out in one write, and Nagle's algorithm is on. One "
            "client sends three requests on one connection.",
            THREE,
            half=ONE_WRITE_FLAG,
            send_queue=True,
        ),
        "nodelay": Scenario(
            "TCP_NODELAY is set, and head and body go out in two writes. One client "
            "sends three requests on one connection.",
            THREE,
            half=NODELAY_FLAG,
            send_queue=True,
        ),
    },
    "step07": {
        "alone": Scenario(
            "One client sends three requests on one connection.",
            THREE,
            send_queue=True,
        )
    },
    "step08": {
        "slow": Scenario(
            "Client 1 asks for a page that takes 60 ms; client 2 comes 10 ms after it.",
            SLOW,
        ),
        "kept": Scenario(
            "Client 1 sends two requests on one connection, with 30 ms between the "
            "answer and the next request. Client 2 comes 10 ms after it and sends one.",
            (Client(requests=2, pause_s=0.03), Client(requests=1, after_s=0.01)),
        ),
        "unread": UNREAD,
    },
    "step09": {"unread": UNREAD},
    "step10": {
        "slow": Scenario(
            "Client 1 asks for a page that takes 60 ms; client 2 comes 10 ms after it.",
            SLOW,
        ),
        "occupied": Scenario(
            "Clients 1 to 4 ask for a page that takes 60 ms; client 5 comes 10 ms "
            "after them and asks for one that takes no time.",
            (*[Client(requests=1, path="/sleep/60")] * 4, SLOW[1]),
        ),
        "computing": Scenario(
            "Clients 1 and 2 ask for a page that takes 30 ms of computing. Client 3 "
            "comes 10 ms after them and asks twice for one that takes no time.",
            (
                *[Client(requests=1, path="/spin/30")] * 2,
                Client(requests=2, after_s=0.01),
            ),
        ),
    },
    "step11": {
        "bytes": Scenario(
            "A head may take half a second. Client 1 sends a byte of one every 50 ms. "
            "Client 2 comes 100 ms after it and sends three requests, with 200 ms "
            "between an answer and the next request.",
            (
                Client(sends="bytes", pause_s=0.05),
                Client(requests=3, after_s=0.1, pause_s=0.2),
            ),
            workers=1,
            settings={"header_timeout": 0.5},
        )
    },
    "step12": {
        "drain": Scenario(
            "After 100 ms the server is told to stop. Client 1 waits for a page that "
            "takes 300 ms. Clients 2 and 3 have asked once and keep their connections. "
            "100 ms after the stop, client 3 asks again; 50 ms later, client 4 comes.",
            (
                Client(requests=1, path="/sleep/300", stays=True),
                Client(requests=1, stays=True),
                Client(requests=2, pause_s=0.2, stays=True),
                Client(requests=1, after_s=0.25),
            ),
            workers=2,
            stops_after_s=0.1,
        )
    },
    "step15": {
        "alone": Scenario(
            "One client sends two requests on one connection. Handlers run in the "
            "loop.",
            (Client(requests=2),),
            workers=0,
        )
    },
}

#: What the thread that calls `run()` is for; in the other steps it is the loop.
MAIN_THREAD = {"step04": "acceptor", "step06": "acceptor", "step07": "acceptor"}


def file_of(step: str, name: str) -> Path:
    """Where the book's trace of a scenario is: `timeline(step, name)` in a chapter."""
    first = next(iter(SCENARIOS[step]))
    return TRACES / (f"{step}.json" if name == first else f"{step}-{name}.json")
