"""What chapters 05 and 07 look at more closely."""

from pathlib import Path

from lab.load.probe import Probe
from lab.measure.closer import plans_here
from lab.measure.halves import SERVERS
from lab.measure.servers import running, step_command
from lab.paths import CLOSER
from lab.record.matrix import STAGGER_S, closer_plan
from lab.record.measurement import Measurement
from lab.record.model import save_record
from lab.record.names import NODELAY, ONE_WRITE, TITLES
from tests.lab.sample_record import sample_record


def test_a_half_of_the_cure_is_a_server_that_answers_and_names_itself() -> None:
    for name in (ONE_WRITE, NODELAY):
        assert name in TITLES
        with running(step_command(name)) as server:
            probe = Probe("127.0.0.1", server.port, "/", 5.0)
            assert [probe.request().status for _ in range(3)] == [200] * 3
            probe.close()
            assert server.sample().stats["dispatched"] >= 2


def test_each_half_is_one_half_alone() -> None:
    from steps.step01.connection import Connection
    from steps.step07.connection import OneWriteConnection

    halves = {flag: server.connection_class for flag, server in SERVERS.items()}
    one_write, no_delay = halves["--half-a"], halves["--half-b"]
    assert one_write.send is OneWriteConnection.send
    assert no_delay.send is Connection.send
    assert not issubclass(one_write, OneWriteConnection)  # which sets TCP_NODELAY
    assert issubclass(no_delay, OneWriteConnection)


def test_all_cores_is_no_flag_of_a_step() -> None:
    command = step_command("step07 --workers 1 --all-cores")
    assert command.argv[2:] == ("steps.step07", "--port", "0", "--workers", "1")


def test_the_plan_measures_both_ways_to_begin_and_both_halves() -> None:
    plans = closer_plan()
    assert len(set(plans)) == len(plans)
    assert set(plans_here()) <= set(plans)
    for connections in (10, 100):
        begun = {p.stagger_s for p in plans if p.connections == connections}
        assert begun >= {0.0, STAGGER_S}
    halves = [p.server for p in plans if p.connections == 100 and p.generator == "lab"]
    assert {"step06", ONE_WRITE, NODELAY, "step07"} <= set(halves)


def test_what_was_looked_at_more_closely_stands_beside_a_record(tmp_path: Path) -> None:
    record = sample_record()
    save_record(record, tmp_path / "mine.json")
    alone = Measurement.load(tmp_path / "mine.json")
    assert alone.closer.record == record
    closer = record.model_copy(update={"commit": "another"})
    save_record(closer, tmp_path / CLOSER)
    assert Measurement.load(tmp_path / "mine.json").closer.record == closer
    assert Measurement.load(tmp_path / "mine.json").record == record


def test_the_share_of_repeats_above_a_rate() -> None:
    m = Measurement(sample_record())
    share = m.share_above("step05", 100, 1_600)
    assert (share.median, share.repeats) == (1 / 3, 3)
    assert m.share_above("step05", 100, 1_600, stagger_s=0.05).is_missing
