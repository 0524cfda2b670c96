"""One process for all the runs of pytest that may share what it has imported."""

from collections.abc import Iterator

import pytest

from tests.workshop.running import PreparedPytest


@pytest.fixture(scope="session")
def warmed() -> Iterator[PreparedPytest]:
    """For many runs in the project's own folder: the checks are imported already."""
    with PreparedPytest("chapters", "--collect-only") as warmed:
        yield warmed


@pytest.fixture(scope="session")
def prepared() -> Iterator[PreparedPytest]:
    with PreparedPytest() as prepared:
        yield prepared
