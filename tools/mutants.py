"""Do the checks of the exercises notice a solution with a small mistake in it?

    python -m tools.mutants             all chapters
    python -m tools.mutants 04 07       these

Cosmic Ray makes the mistakes, one at a time: another operator, another number, a
condition turned round. Each mutant of a chapter's `solution.py` is given to the
chapter's check; those that pass survive. What came of it is recorded in
tests/workshop/mutants/, where each survivor has a line that says why it is right: the
mutant behaves as the contract asks. Write it there by hand, in place of `null`; it is
kept as long as that mutant survives. The tests see to it that no line is missing, and
that the record is of the files as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from workshop import seals

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ROOT / "chapters"
RECORDS = ROOT / "tests" / "workshop" / "mutants"
#: A check ends a mutant that hangs by itself, within this time.
TIMEOUT_S = 30.0


@dataclass
class Record:
    """What came of one chapter."""

    #: The seals of the files: a record of other files says nothing.
    solution: str
    check: str
    mutants: int
    #: What each survivor changes, as a line removed and a line added; and why it is
    #: right all the same.
    survivors: dict[str, str | None] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Record | None:
        if not path.exists():
            return None
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n"
        path.write_text(text, encoding="utf-8")


def path_of(folder: Path) -> Path:
    return RECORDS / f"{folder.name}.json"


def is_fresh(folder: Path) -> bool:
    record = Record.load(path_of(folder))
    solution, check = _seals(folder)
    return record is not None and (record.solution, record.check) == (solution, check)


def _seals(folder: Path) -> tuple[str, str]:
    return seals.seal(folder / "solution.py"), seals.seal(folder / "test_exercise.py")


def run(folder: Path) -> Record:
    """Make and check all mutants of a chapter's solution."""
    with tempfile.TemporaryDirectory() as name:
        # The mutants are written over the solution, so that is a copy.
        copy = Path(name)
        skipped = shutil.ignore_patterns("__pycache__", ".pytest_cache")
        shutil.copytree(ROOT / "workshop", copy / "workshop", ignore=skipped)
        chapter = copy / "chapters" / folder.name
        shutil.copytree(folder, chapter, ignore=skipped)
        for file in ("conftest.py", "pytest.ini"):
            shutil.copy(CHAPTERS / file, copy / "chapters")
        # Chapter 06 reads the book's recording.
        traces = Path("docs", "measurements", "traces")
        shutil.copytree(ROOT / traces, copy / traces)
        solution = (chapter / "solution.py").relative_to(copy)
        check = f"{sys.executable} -m pytest {chapter.relative_to(copy)}"
        (copy / "mutants.toml").write_text(
            "[cosmic-ray]\n"
            f"module-path = {json.dumps(str(solution))}\n"
            f"timeout = {TIMEOUT_S}\n"
            f"test-command = {json.dumps(f'{check} --answer solution.py')}\n"
            '[cosmic-ray.distributor]\nname = "local"\n'
        )
        _cosmic_ray(copy, "init", "mutants.toml", "session.sqlite")
        _cosmic_ray(copy, "baseline", "mutants.toml")
        _cosmic_ray(copy, "exec", "mutants.toml", "session.sqlite")
        results = list(_results(_cosmic_ray(copy, "dump", "session.sqlite")))
    before = Record.load(path_of(folder))
    reasons = before.survivors if before else {}
    survivors = [change for change, survived in results if survived]
    return Record(
        *_seals(folder),
        mutants=len(results),
        survivors={change: reasons.get(change) for change in survivors},
    )


def _cosmic_ray(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "cosmic_ray.cli", *arguments],
        cwd=folder,
        # The plugins that are installed here are none of a reader's.
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"cosmic-ray {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout


def _results(dump: str) -> Iterator[tuple[str, bool]]:
    """What each mutant changes, and whether it survived."""
    for line in dump.splitlines():
        _, result = json.loads(line)
        if result is None:
            sys.exit("Cosmic Ray did not get through all mutants.")
        changed = [
            text
            for text in result["diff"].splitlines()
            if text[:1] in "-+" and text[:3] not in ("---", "+++")
        ]
        yield "\n".join(changed), result["test_outcome"] == "survived"


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutants")
    parser.add_argument("chapters", nargs="*", metavar="NN", help="default: all")
    wanted = parser.parse_args(argv).chapters or [""]
    folders = [
        folder
        for folder in sorted(CHAPTERS.glob("[0-9]*"))
        if any(folder.name.startswith(number) for number in wanted)
    ]
    open_questions = 0
    for folder in folders:
        record = run(folder)
        record.save(path_of(folder))
        print(
            f"{folder.name}: {record.mutants} mutants, {len(record.survivors)} survive",
            flush=True,
        )
        for change, why in record.survivors.items():
            if why is None:
                open_questions += 1
                print(change, end="\n\n", flush=True)
    if open_questions:
        print(f"{open_questions} survive: write a better check, or the reason.")
    return 1 if open_questions else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
