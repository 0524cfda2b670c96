"""The question's server in C, compiled once, and running while a test wants it."""

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("question.c")
COMPILE = ("-std=c11", "-O2", "-pthread", "-Wall", "-Wextra", "-Werror")

LIMIT_S = 30.0


@dataclass(frozen=True)
class Question:
    """A running server in C."""

    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def end(self) -> dict[str, float]:
        """Stop it, and return what it has counted."""
        self.process.send_signal(signal.SIGTERM)
        return self.last_words()

    def last_words(self) -> dict[str, float]:
        """What it has counted, once it has ended."""
        said, _ = self.process.communicate(timeout=LIMIT_S)
        assert self.process.returncode == 0
        return {name: float(value) for name, value in re.findall(r"(\w+)=(\S+)", said)}


#: Starts it with these options: `with question("--one-write") as server:`
Start = Callable[..., AbstractContextManager[Question]]


@pytest.fixture(scope="session")
def question(
    needs_tool: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> Start:
    program = tmp_path_factory.mktemp("question") / "question"
    compiler = needs_tool("cc")
    command = [compiler, *COMPILE, "-o", str(program), str(SOURCE)]
    compiled = subprocess.run(command, capture_output=True, text=True)
    assert compiled.returncode == 0, compiled.stderr

    @contextmanager
    def start(*options: str) -> Iterator[Question]:
        with subprocess.Popen(
            [str(program), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout
                match = re.search(r":(\d+)$", process.stdout.readline())
                assert match
                yield Question(process, int(match[1]))
            finally:
                process.kill()

    return start
