"""Processes of step 13 are replaced under load, and nobody notices."""

from lab.proofs.reloading import reload


def test_a_reload_loses_nobody() -> None:
    result = reload(50, 1)
    assert result.complaints == []
    assert result.facts["reloads"]
    assert result.facts["requests"]
