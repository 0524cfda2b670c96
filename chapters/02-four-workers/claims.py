"""What chapter 02 claims."""

from lab.record.claims import Verdict, at_least, between, claim
from lab.record.measurement import Measurement


@claim("For the small document four workers are worth from half a thread to two.")
def workers_buy_little(m: Measurement) -> Verdict:
    four = m.rate("step02", 100, generator="lab")
    return between(four / m.rate("step01", 100, generator="lab"), 0.5, 2)


@claim("Where the handler sleeps, four workers answer at least three times as much.")
def workers_buy_waiting(m: Measurement) -> Verdict:
    four = m.rate("step02", 100, path="/sleep/10")
    return at_least(four / m.rate("step01", 100, path="/sleep/10"), 3)


@claim("Throughput times mean latency is the number of clients, within 10 %.")
def littles_law(m: Measurement) -> Verdict:
    # Not the small document: wrk's clock starts when it is connected, so its clients
    # wait for longer than it says. Beside a queue of sleepers that makes no difference.
    rate = m.rate("step02", 100, path="/sleep/10")
    clients = rate * m.latency("step02", 100, "mean", path="/sleep/10")
    return between(clients, 90, 110)
