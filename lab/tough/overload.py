"""More clients than descriptors."""

from __future__ import annotations

import time
from contextlib import ExitStack

from lab.load.child import allow_connections
from lab.tough.subject import (
    GET,
    Result,
    Subject,
    Tell,
    connect,
    pass_time,
    receive_answer,
    soon,
    tell_nobody,
)

LIMIT = 64  # descriptors
MOST_CPU = 0.05  # of a core
MOST_LOG_BYTES_PER_S = 1000
RIGHT_AGAIN_S = 1.0


def descriptors(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """It neither spins nor ends nor fills a log, and is right again within a second."""
    result = Result()
    allow_connections(count)
    wrapper = ("sh", "-c", f'ulimit -n {LIMIT}; exec "$@"', "sh")
    with Subject("step12", wrapper=wrapper) as server, ExitStack() as stack:
        threads = server.process.num_threads()
        clients = [stack.enter_context(connect(server.port)) for _ in range(count)]

        def has_run_out() -> bool:
            return server.process.num_fds() >= LIMIT - 1

        result.expect(soon(has_run_out), "it never ran out of descriptors")
        logged, cpu_s, begin = len(server.log()), server.cpu_s(), time.monotonic()
        pass_time(seconds, tell)
        took_s = time.monotonic() - begin
        cpu = (server.cpu_s() - cpu_s) / took_s
        log_rate = (len(server.log()) - logged) / took_s
        result.expect(has_run_out(), "it had descriptors to spare")
        clients[0].sendall(GET)
        served = receive_answer(clients[0])[0] == 200
        result.expect(served, "a client that it has is not served")

        begin = time.monotonic()
        for client in clients:
            client.close()
        with connect(server.port) as client:
            client.sendall(GET)
            served = receive_answer(client)[0] == 200
        again_s = time.monotonic() - begin
        result.expect(served, "no good answer after they had left")
        result.facts |= {
            "CPU %": round(100 * cpu, 2),
            "log bytes a second": round(log_rate),
            "right again after ms": round(1000 * again_s, 1),
        }
        result.expect(cpu < MOST_CPU, f"{cpu:.0%} of a core for nothing")
        result.expect(log_rate < MOST_LOG_BYTES_PER_S, f"{log_rate:.0f} B/s of log")
        result.expect(again_s < RIGHT_AGAIN_S, f"right again only after {again_s} s")
        result.expect(server.process.num_threads() == threads, "threads were made")
        server.end_in_order(result)
    return result
