"""Commands that show a finding without the doctor. They can be pasted as they stand."""

from __future__ import annotations

from shlex import quote

from lab.doctor.observations import Observations

#: How `lab silent` holds a connection.
SILENT = {"silent": "", "half": " --half", "kept": " --kept"}
#: What it does not do, in a shell: send half a body, or more requests than the kernels
#: take answers, for `sleep` reads none of them.
IN_A_SHELL = {
    "body": "(printf 'POST %s HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 100\\r\\n"
    "\\r\\nhalf' {path}; sleep {seconds}) | nc {address}",
    "unread": "yes \"$(printf 'GET %s HTTP/1.1\\r\\nHost: a\\r\\n\\r' {path})\" | "
    "timeout {seconds} nc -I 4096 {address} | sleep {seconds}",
}


def url(seen: Observations, path: str | None = None) -> str:
    """The page that was asked for, or another one of the same server."""
    scheme, _, rest = seen.url.partition("//")
    return quote(f"{scheme}//{rest.partition('/')[0]}{path or path_of(seen)}")


def path_of(seen: Observations) -> str:
    return f"/{seen.url.partition('//')[2].partition('/')[2]}"


def address(seen: Observations) -> str:
    """Host and port, as nc takes them: "127.0.0.1 8000"."""
    host, _, port = seen.url.partition("//")[2].partition("/")[0].rpartition(":")
    return f"{host.strip('[]')} {port}"


def port(seen: Observations) -> str:
    return address(seen).split()[1]


def pid(seen: Observations) -> str:
    """The process to look at; PID where it is not known."""
    known = seen.process.pids if seen.process else []
    return str(known[0]) if known else "PID"


def probe(seen: Observations, requests: int | None = None, close: bool = False) -> str:
    count = f" --requests {requests}" if requests else ""
    return f"python -m lab probe {url(seen)}{count}{' --close' * close}"


def load(seen: Observations, connections: int, seconds: int = 3) -> str:
    """Ask as `growth` does."""
    contact = seen.contact
    closes = contact is not None and contact.closed == contact.connections
    return (
        f"python -m lab load {url(seen)} --connections {connections} "
        f"--seconds {seconds} --same-page{' --close' * closes}"
    )


def writes(seen: Observations) -> str:
    """Each call by which it sends something."""
    return f"strace -f -e trace=network,write,writev -p {pid(seen)}"


def hold(seen: Observations, kind: str, count: int, seconds: float = 10) -> str:
    """Hold so many connections for so long, each in the way of this kind."""
    if kind in SILENT:
        return (
            f"python -m lab silent {url(seen)} --connections {count}{SILENT[kind]} "
            f"--seconds {seconds:.0f}"
        )
    one = IN_A_SHELL[kind].format(
        path=quote(path_of(seen)), address=address(seen), seconds=f"{seconds:.0f}"
    )
    return one if count == 1 else f"for i in $(seq {count}); do {one} & done"


def beside(holding: str, asking: str) -> str:
    """One that asks when those who hold are there."""
    return f"{holding}{';' if holding.endswith('done') else ' &'} sleep 2; {asking}"
