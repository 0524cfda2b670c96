import re
from collections.abc import Callable

import pytest

from lab.measure import syscalls


def test_the_table_leaves_out_what_hardly_happens() -> None:
    found = {"step06": {"sendto": 2.0, "recvfrom": 1.0}, "step07": {"sendto": 1.0}}
    found["step07"] |= {"mmap": 0.001}
    assert [line.split() for line in syscalls.table(found).splitlines()] == [
        ["calls", "a", "request", "step06", "step07"],
        ["sendto", "2.00", "1.00"],
        ["recvfrom", "1.00", "0.00"],
        ["all", "but", "futex", "3.00", "1.00"],
    ]


def test_the_command(
    needs_tool: Callable[[str], str], capsys: pytest.CaptureFixture[str]
) -> None:
    needs_tool("strace")
    assert syscalls.main(["step07", "--connections", "10"]) == 0
    assert re.search(r"^sendto +\d\.\d\d$", capsys.readouterr().out, re.MULTILINE)


def test_without_strace(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(syscalls, "strace_version", lambda: None)
    assert syscalls.main(["step07"]) == 1
    assert "strace" in capsys.readouterr().err
