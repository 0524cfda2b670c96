"""What is committed names no machine, and the pins are what pyproject.toml asks for."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
GROUPS = (
    *("exercises", "lab", "threads", "book", "test", "dev"),
    *("peers", "peers-source", "peers-freastal", "peers-fastpysgi"),
)

# Where packages come from is each machine's own setting.
REGISTRY_HOST = re.compile(r"\b(pypi|pythonhosted|npmjs|debian)[a-z]*\.(org|com|net)\b")
# Somebody's folder; `/path/to/` and `/usr/bin/` are nobody's.
PRIVATE_PATH = re.compile(r"(?<![\w.~)])/(home|root|Users|work|private)/\w")


def project_files() -> list[Path]:
    """What is committed, or would be."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = sorted(set(listed.stdout.split("\0")) - {""})
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def lines_of(files: list[Path]) -> Iterator[tuple[str, str]]:
    """("FILE:LINE", text) for each line of each text file."""
    for path in files:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue  # an image or a font
        for number, line in enumerate(text.splitlines(), 1):
            yield f"{path.relative_to(ROOT)}:{number}", line


@pytest.mark.usefixtures("needs_clone")
@pytest.mark.parametrize("pattern", [REGISTRY_HOST, PRIVATE_PATH], ids=["host", "path"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    found = [
        f"{at}: {line:.100}" for at, line in lines_of(files) if pattern.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("https://files.pythonhosted" + ".org/x", True),
        ("see /home/" + "ann/server", True),
        ("/path/to/python and /usr/bin/python3", False),
        ("~/work/x and docs/home/index.md", False),
    ],
)
def test_the_patterns_find_what_they_are_for(text: str, is_found: bool) -> None:
    found = REGISTRY_HOST.search(text) or PRIVATE_PATH.search(text)
    assert (found is not None) == is_found


def pins(group: str) -> dict[str, set[str]]:
    """name -> pinned versions; more than one where a marker chooses between them."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / f"requirements/{group}.txt").read_text().splitlines():
        if match := re.match(r"([a-z0-9-]+)==([^ ]+)", line):
            found.setdefault(match[1], set()).add(match[2])
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_every_pin_has_hashes_and_no_address(group: str) -> None:
    text = (ROOT / f"requirements/{group}.txt").read_text()
    assert "://" not in text
    assert not re.search(r"^(-|--)", text, re.MULTILINE), "an option, such as an index"
    entries = [entry for entry in re.split(r"\n(?=\w)", text) if "==" in entry]
    assert entries
    for entry in entries:
        assert re.search(r"\\\n    --hash=sha256:[0-9a-f]{64}\b", entry), entry


@pytest.mark.parametrize("group", GROUPS)
def test_pins_satisfy_what_pyproject_asks_for(group: str) -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    pinned = pins(group)
    for entry in wanted[group]:
        if isinstance(entry, dict):
            included = pins(entry["include-group"])
            assert {name: pinned.get(name) for name in included} == included
            continue
        requirement = Requirement(entry)
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{entry} is not in requirements/{group}.txt: make lock"
        assert all(map(requirement.specifier.contains, versions)), f"{entry}: make lock"


LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
FENCED = re.compile(r"^( *)```.*?^\1```", re.DOTALL | re.MULTILINE)


@pytest.mark.usefixtures("needs_clone")
def test_links_between_files_lead_somewhere() -> None:
    """As in a repository browser; the site's own are checked by its strict build."""
    pages = [path for path in project_files() if path.suffix == ".md"]
    assert ROOT / "README.md" in pages
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in LINK.findall(FENCED.sub("", page.read_text("utf-8")))
        if not (page.parent / target).exists()
    ]
    assert dead == []
