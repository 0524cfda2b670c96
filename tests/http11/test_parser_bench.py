"""`python -m lab parser-bench` measures what it says."""

import sys

import pytest

from lab.measure import parser_bench
from tests.http11.reading import read

QUICKLY = ["--repeats", "2", "--requests", "20"]


def test_it_prints_a_row_for_each_parser(capsys: pytest.CaptureFixture[str]) -> None:
    assert parser_bench.main(QUICKLY) == 0
    out, err = capsys.readouterr()
    assert err == ""
    _, head, *rows = out.splitlines()
    assert head.split() == ["plain", "browser"]
    assert [row[:30].rstrip() for row in rows] == list(parser_bench.READERS)
    for row in rows:
        assert float(row[32:].split()[0]) > 0


def test_a_parser_that_is_not_installed_is_left_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)
    assert parser_bench.main(QUICKLY) == 0
    out, err = capsys.readouterr()
    assert err == "httptools is not here: `make test` installs it\n"
    assert "httptools" not in out
    assert "h11" in out


@pytest.mark.parametrize(("kind", "fields"), [("plain", 1), ("browser", 13)])
def test_the_requests_are_what_they_are_said_to_be(kind: str, fields: int) -> None:
    requests = parser_bench.requests(kind)
    assert len(set(requests)) == len(requests) > 1
    assert len({len(request) for request in requests}) == 1
    messages = read(b"".join(requests)).messages
    assert len(messages) == len(requests)
    assert all(len(message.headers) == fields for message in messages)
