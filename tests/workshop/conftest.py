"""One process for all the runs of pytest that may share what it has imported."""

from collections.abc import Iterator

import pytest

from tests.workshop.running import PreparedPytest


@pytest.fixture(scope="session")
def prepared() -> Iterator[PreparedPytest]:
    with PreparedPytest() as prepared:
        yield prepared
