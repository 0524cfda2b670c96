"""What the exchanges mean that HTTP/1.1 allows."""

from __future__ import annotations

from shlex import quote

from lab.doctor import commands
from lab.doctor.finding import Finding, Verdict, chapters
from lab.doctor.judge_errors import unexplained
from lab.doctor.observations import Observations

PROTOCOL: dict[str, tuple[int, str, str, tuple[str, ...], str]] = {
    "length": (
        91,
        "An answer is not as long as its head says: {}",
        "an answer of the wrong length",
        ("13",),
        "every answer is as long as its head says",
    ),
    "pipelined": (
        60,
        "Requests that a client sends without waiting for answers (pipelining) are "
        "not all answered: {}",
        "pipelined requests that are lost or late",
        ("09",),
        "pipelined requests are answered, all and in order",
    ),
    "body_unread": (
        58,
        "An answer is lost when the server does not want the request's body: {}",
        "an answer lost to a reset",
        ("09",),
        "a POST with a long body is answered, whether it wants the body or not",
    ),
    "head": (
        55,
        "It answers HEAD wrongly: {}",
        "a wrong answer to HEAD",
        ("13",),
        "HEAD is answered without a body",
    ),
    "closing": (
        42,
        "It closes badly: {}",
        "a bad close",
        ("09",),
        "when it closes with something unread, the client still gets its answer",
    ),
    "expect": (
        45,
        "It does not answer `Expect: 100-continue`: {}",
        "no answer to Expect",
        ("09",),
        "Expect: 100-continue is answered",
    ),
    "post": (
        41,
        "A POST has no answer: {}",
        "no answer to a POST",
        ("13",),
        "",
    ),
    "half_closed": (
        40,
        "A client that has sent its request and closes its sending side gets no "
        "answer: {}",
        "no answer after a half-close",
        ("09",),
        "a client that closes its sending side is answered",
    ),
    "http10": (
        38,
        "It treats a client of HTTP/1.0 wrongly: {}",
        "wrong answers to HTTP/1.0",
        ("13",),
        "HTTP/1.0 is answered as it should be",
    ),
}
#: `printf` begins its format again for each further argument.
SEE = {
    # curl -I does not show what comes after a head.
    "head": "printf 'HEAD %s HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n"
    "\\r\\n' {path} | nc -w 2 {host} {port}",
    "expect": "curl -v -H 'Expect: 100-continue' -d 1234 {url}",
    "http10": "curl -v --http1.0 {url}",
    "post": "curl -v -d four {url}",
    "body_unread": "head -c 1000000 /dev/zero | curl -v --data-binary @- {url}",
    # Some answer only those who ask to close, and some only the others.
    "half_closed": "for more in '' 'Connection: close\\r\\n'; do printf \"GET %s "
    'HTTP/1.1\\r\\nHost: {host}\\r\\n$more\\r\\n" {path} | nc -N {host} {port}; done',
    "closing": "tcpdump -i any 'port {port} and tcp[tcpflags] & tcp-rst != 0' & "
    "(printf 'GET %s HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n' "
    "{path}; head -c 20000 /dev/zero) | nc {host} {port}",
    "pipelined": "printf 'GET %s HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n' {path} {path} "
    "| nc -w 2 {host} {port} | grep -ao 'HTTP/1.[01] [0-9]*'",
}


def protocol(seen: Observations, said: Verdict) -> None:
    protocol = seen.protocol
    if protocol is None:
        return
    few = seen.growth[0] if seen.growth else None
    failed = sum(unexplained(seen, few).values()) if few else 0
    if few and failed > 0.02 * few.requests and not protocol.length:
        said.open(
            "rarer requests that HTTP/1.1 allows",
            "requests fail already where one client asks for nothing unusual",
        )
        return
    words = {
        "url": commands.url(seen),
        "host": commands.address(seen).split()[0],
        "port": commands.port(seen),
        "path": quote(commands.path_of(seen)),
    }
    for name, (weight, sentence, short, numbers, fine) in PROTOCOL.items():
        wrong = getattr(protocol, name)
        if wrong is None:
            continue
        if not wrong:
            if fine:
                said.ok(fine, "")
            continue
        see = SEE.get(name, "curl -v {url}").format(**words)
        said.findings.append(
            Finding(
                id=name.replace("_", "-"),
                weight=weight,
                sentence=sentence.format(wrong),
                short=short,
                figure="the same both times",
                sure="certain",
                see=see,
                chapters=chapters(*numbers),
            )
        )
