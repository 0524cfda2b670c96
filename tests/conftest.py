"""What the whole suite shares."""

import os
from collections.abc import Callable

import pytest

from tools import optional


@pytest.fixture(scope="session")
def needs_tool() -> Callable[[str], str]:
    """The path of an optional program: `wrk = needs_tool("wrk")`.

    Where it is missing the test is skipped. In CI it fails: there everything is
    installed, and a skip would hide that it is not.
    """

    def path_of(name: str) -> str:
        path = optional.find(name)
        if path is not None:
            return path
        if os.environ.get("CI") and optional.exists_here(name):
            pytest.fail(f"{name} is missing: {optional.how_to_get([name])}")
        pytest.skip(f"{name} is not here: {optional.how_to_get([name])}")

    return path_of
