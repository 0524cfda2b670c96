"""Each step has its fault, and the first sentence names it."""

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.lab.doctor.conftest import Start
from tests.steps.harness import Process

ROOT = Path(__file__).parents[3]
FINE = "Nothing was found that holds the server back"

#: Step -> the finding that the first sentence is about, and one that has to stand
#: behind it. None: there is none of the weight to lead.
FIRST = {
    "step01": ("stopped-by-silent", "closes"),
    "step02": ("closes", "stopped-by-half"),
    "step03": ("timeout", "stall"),
    "step04": ("stall", "stopped-by-half"),
    "step05": ("timeout", "stall"),
    "step06": ("stall", "stopped-by-half"),
    "step07": ("select", "stopped-by-half"),
    "step08": ("slow-handler", "stopped-by-unread"),
    "step09": ("slow-handler", None),
    "step10": (None, None),
    "step11": (None, None),
    "step12": (None, None),
    "step13": (None, None),
    "step14": (None, None),
    "step15": (None, None),
}
linux = pytest.mark.skipif(
    sys.platform != "linux",
    reason="how acknowledgements are delayed, and who listens, is Linux's way",
)


def consult(steps: Sequence[str], seconds: float, folder: Path) -> dict[str, Any]:
    """What the doctor says of each of these, all at the same time."""
    with ExitStack() as stack:
        doctors = []
        for step in steps:
            server = stack.enter_context(Process(step))
            url = f"http://127.0.0.1:{server.listening_port()}/"
            doctor = subprocess.Popen(
                [
                    *(sys.executable, "-S", "-m", "lab", "doctor", url),
                    *("--seconds", str(seconds), "--json", str(folder / step)),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            doctors.append(stack.enter_context(doctor))
            stack.callback(doctor.kill)
        for doctor in doctors:
            out, _ = doctor.communicate(timeout=seconds + 50)
            assert doctor.returncode == 0, out
    return {step: json.loads((folder / step).read_text())["verdict"] for step in steps}


def assert_names_its_fault(step: str, said: dict[str, Any]) -> None:
    lead, behind = FIRST[step]
    found = [each["id"] for each in said["findings"]]
    if lead is None:
        assert said["first"].startswith(FINE), said["first"]
        assert set(found) <= {"connection-limit"}, found
        assert ("deadlines" in said["first"]) is (step == "step10")
        return
    assert found[0] == lead, said["first"]
    assert said["first"].startswith(said["findings"][0]["sentence"])
    assert behind is None or behind in found


@linux
def test_the_first_sentence_names_the_fault(tmp_path: Path) -> None:
    steps = ("step01", "step03", "step06", "step08")
    for step, said in consult(steps, 6, tmp_path).items():
        assert_names_its_fault(step, said)


@linux
@pytest.mark.thorough
def test_the_question_in_c_has_its_two_writes_named_and_its_mutex_acquitted(
    question: Start, tmp_path: Path
) -> None:
    with question() as server:
        doctor = subprocess.run(
            [
                *(sys.executable, "-S", "-m", "lab", "doctor", server.url + "/"),
                *("--seconds", "10", "--json", str(tmp_path / "said")),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert doctor.returncode == 0, doctor.stderr
    said = json.loads((tmp_path / "said").read_text())["verdict"]
    assert said["findings"][0]["id"] == "stall", said["first"]
    assert any("no lock" in str(each) for each in said["tried"])


@linux
@pytest.mark.thorough
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "steps",
    [tuple(FIRST)[first : first + 3] for first in range(0, 15, 3)],
    ids=lambda steps: "-".join(step[-2:] for step in steps),
)
def test_and_that_of_every_step(steps: Sequence[str], tmp_path: Path) -> None:
    for step, said in consult(steps, 30, tmp_path).items():
        assert_names_its_fault(step, said)
