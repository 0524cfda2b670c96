"""Processes, and servers, are replaced under load, and nobody notices."""

from collections.abc import Callable

from lab.tough.reloading import reload, restart


def test_a_reload_loses_nobody() -> None:
    result = reload(50, 1)
    assert result.complaints == []
    assert result.facts["reloads"]
    assert result.facts["requests"]


def test_a_restart_behind_a_balancer_fails_nobody(
    needs_tool: Callable[[str], str],
) -> None:
    needs_tool("haproxy")
    result = restart(20, 8)
    assert result.complaints == []
    assert result.facts["requests"]
