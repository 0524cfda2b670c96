"""A report's commands can be pasted as they stand, and it says what usually helps."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.doctor.finding import Finding
from lab.doctor.judge_http import PROTOCOL
from lab.doctor.observations import Ending, Held, Observations, Process, Slow
from lab.doctor.remedies import REMEDIES
from lab.doctor.report import text
from lab.doctor.verdict import verdict
from tests.lab.doctor.test_verdict import CLOSES, STOPPED, healthy, only, points, shut


def everything() -> Observations:
    """A server that has most of what can be wrong."""
    seen = healthy()
    seen.contact = CLOSES
    seen.growth = points((9_000, 0.1), (20_000, 0.5), (20_000, 5.0))
    seen.growth[2].errors = {"timeout": 300}
    seen.growth[2].overflows, seen.growth[2].queue_full = 400, True
    seen.process = Process([4321], 1, "no epoll", backlog=5, idle_cpu=0.9)
    seen.held = [STOPPED, replace(STOPPED, kind="unread")]
    seen.crowd = replace(shut(1_014), recovered=False)
    seen.slow = Slow("/slow", 300.0, one=Held("slow", 1, 1, None, "", 1, (1, 1)))
    seen.ending = Ending(3, 0, 3, 3, "closed", None)
    assert seen.protocol
    for name in ("pipelined", "half_closed", "expect", "head", "http10", "closing"):
        setattr(seen.protocol, name, "it was wrong")
    return seen


FINDINGS = verdict(everything()).findings


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_a_shell_can_read_it(finding: Finding) -> None:
    read = subprocess.run(["sh", "-n", "-c", finding.see], stderr=subprocess.PIPE)
    assert read.returncode == 0, read.stderr


@pytest.mark.parametrize("finding", FINDINGS, ids=lambda finding: finding.id)
def test_who_asks_comes_after_those_who_hold_it(finding: Finding) -> None:
    before, and_then, after = finding.see.partition(" & ")
    if and_then:
        after = after.removeprefix("done; ")
        assert after.startswith("sleep ") or before.startswith("tcpdump"), finding.see


def test_the_process_is_named_where_it_is_known() -> None:
    seen = healthy()
    seen.process = Process([4321], 1, "epoll", idle_cpu=0.98)
    assert only(verdict(seen)).see == "top -H -p 4321"


def test_where_python_is_called_python3_the_commands_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = everything()
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}")
    assert "see it: python -m lab" in text(seen, verdict(seen))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "python -m lab" not in text(seen, verdict(seen))


def ids_in_the_code() -> set[str]:
    """Each `id="…"` that a judge writes, and those that are put together."""
    judges = (Path(__file__).parents[3] / "lab" / "doctor").glob("judge_*.py")
    found = {name.replace("_", "-") for name in PROTOCOL}
    found |= {f"stopped-by-{kind}" for kind in ("silent", "half", "body", "unread")}
    found |= {"spins", "spins-while-held", "spins-beside", "select"}
    found |= {"connection-limit", "timeout", "fixed-wait"}
    for judge in judges:
        found |= set(re.findall(r'\bid="([\w-]+)",', judge.read_text("utf-8")))
    return found


def test_it_says_of_each_finding_what_helps() -> None:
    told = [id for remedy in REMEDIES for id in remedy.ids]
    assert len(told) == len(set(told))
    assert set(told) == ids_in_the_code(), "lab/doctor/remedies.py has them all"


def test_no_other_ids_are_put_together() -> None:
    assert {finding.id for finding in FINDINGS} <= ids_in_the_code()
