"""A server that is replaced while clients come and go."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor

from lab.load import LoadSpec, run_load
from lab.proofs.drain import alive
from lab.proofs.subject import Result, Subject, Tell, soon, tell_nobody


def reload(count: int, seconds: float, tell: Tell = tell_nobody) -> Result:
    """SIGHUP under load, again and again, for so long: nobody is lost.

    Each of `count` clients comes anew for each request, so that some always wait in the
    queue of a process that goes.
    """
    result = Result()
    reloads = 0
    with (
        Subject("step13", "--processes", "2", "--workers", "0") as server,
        ThreadPoolExecutor(1) as pool,
    ):
        spec = LoadSpec("127.0.0.1", server.port, count, seconds, keep_alive=False)
        loading = pool.submit(run_load, spec)
        while not loading.done():
            old = {child.pid for child in alive(server.process)}
            server.process.send_signal(signal.SIGHUP)

            def is_replaced(old: frozenset[int] = frozenset(old)) -> bool:
                now = {child.pid for child in alive(server.process)}
                return len(now) == len(old) and not now & old

            result.expect(soon(is_replaced), "they were not replaced")
            reloads += 1
        seen = loading.result()
    result.facts |= {
        "reloads": reloads,
        "requests": seen.requests,
        "lost": sum(seen.errors.values()),
    }
    result.expect(not seen.errors, f"requests were lost: {seen.errors}")
    result.expect(seen.requests > reloads, "there was no load")
    return result
