"""`make` on a fresh machine: what tools/bootstrap does and says.

Its real code runs, in a folder with a space in its name. Where an install would take
long, a stand-in Python takes the place of venv and pip; it reports the version that
it is told to, and keeps a list of what it was asked for.
"""

import http.server
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# For 127.0.0.1, signed by itself, and the key to it: openssl req -x509 -newkey ec ...
CERTIFICATE = ROOT / "tests/project/stranger.pem"
REAL_PYTHON = getattr(sys, "_base_executable", sys.executable)
# What the scripts need from the system; a Python is not among it.
PROGRAMS = [
    "awk",
    "cat",
    "cp",
    "cmp",
    "dd",
    "dirname",
    "env",
    "grep",
    "ls",
    "make",
    "mkdir",
]
PROGRAMS += ["mv", "rm", "sed", "sh", "tail", "test", "uname"]

STAND_IN = """\
import os, pathlib, shutil, signal, sys, time

here = pathlib.Path(__file__[: -len(".py")])
settings = pathlib.Path(f"{here}.settings").read_text().split()
version = tuple(int(number) for number in settings[0].split("."))
venv_works, pip, lab = settings[1:]
arguments = sys.argv[1:]
if arguments[0] == "-c":
    sys.version_info = (*version, 0, "final", 0)
    sys.argv = arguments[1:]
    exec(arguments[1])
    sys.exit()
with open(here.with_name("calls"), "a") as calls:
    print(*arguments, file=calls)
if arguments[:2] == ["-m", "venv"]:
    if venv_works == "no":  # as Debian breaks the line, and ends it
        sys.exit(
            "The virtual environment was not created successfully because ensurepip is "
            "not\\navailable.  On Debian/Ubuntu systems, ...\\n\\nFailing command: x\\n"
        )
    if venv_works == "silent":
        sys.exit(1)
    if venv_works != "yes":
        sys.exit(f"Error: {venv_works.replace('_', ' ')}")
    shutil.rmtree(".venv", ignore_errors=True)
    pathlib.Path(".venv/bin").mkdir(parents=True)
    activate = f'VIRTUAL_ENV="{os.getcwd()}/.venv"'
    pathlib.Path(".venv/bin/activate").write_text(activate)
    shutil.copy(here, ".venv/bin/python")
elif arguments[:2] == ["-m", "pip"] and pip == "killed":
    os.kill(os.getppid(), signal.SIGKILL)
elif arguments[:2] == ["-m", "pip"] and pip == "slow":
    here.with_name("started").touch()
    time.sleep(60)
elif arguments[:3] == ["-m", "pip", "download"]:
    name = arguments[-1].partition("==")[0].replace("-", "_")
    print(f"Skipping link: none of the tags: https://index/{name}-1-cp311-none.whl")
    sys.exit(1)
elif arguments[:2] == ["-m", "pip"] and pip.startswith("lacks_"):
    # In wheels/ and, while there is no network, elsewhere.
    if not arguments[-1].endswith("exercises.txt"):
        lacking = pip.removeprefix("lacks_")
        nowhere = "--no-index" not in arguments and os.environ.get("OFFLINE")
        sys.exit(
            "ERROR: Max retries exceeded" if nowhere else
            f"ERROR: No matching distribution found for {lacking}"
        )
elif arguments[:2] == ["-m", "pip"] and pip != "works":
    sys.exit(pip.replace("_", " "))
elif arguments[:2] == ["-m", "pip"]:
    pathlib.Path(".venv/pip-was-here").touch()
elif arguments[:2] == ["-m", "lab"] and lab == "fails":
    sys.exit(130)
"""


class Machine:
    """A folder with the project's set-up files, and a PATH with chosen Pythons."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "a folder"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            path = shutil.which(name)
            assert path is not None, f"these tests need {name}"
            (self.bin / name).symlink_to(path)
        for name in ("tools", "requirements"):
            shutil.copytree(ROOT / name, self.project / name)
        shutil.copy(ROOT / "Makefile", self.project)

    def add_python(
        self,
        name: str,
        version: str,
        *,
        venv: str = "yes",
        pip: str = "works",
        lab: str = "works",
    ) -> Path:
        script = self.bin / f"{name}.py"
        script.write_text(STAND_IN)
        script.with_name(f"{name}.settings").write_text(f"{version} {venv} {pip} {lab}")
        program = self.bin / name
        program.write_text(f'#!/bin/sh\nexec "{REAL_PYTHON}" "{script}" "$@"\n')
        program.chmod(0o755)
        return program

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": str(self.bin), "HOME": str(self.bin), **more}

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command or ("tools/bootstrap", "book"),
            cwd=self.project,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    @property
    def calls(self) -> list[str]:
        """What the stand-ins were asked for, as `venv`, `pip book`, `lab tour`, ..."""
        path = self.bin / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [
            f"pip {Path(line.split()[-1]).stem}" if " pip " in line
            else "venv" if " venv " in line
            else line.removeprefix("-m ")
            for line in lines
        ]  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """The one line with which the command failed."""
    assert result.returncode == 1, (result.stdout, result.stderr)
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    return lines[0]


def test_an_old_python_is_named(machine: Machine) -> None:
    machine.add_python("python3", "3.9")
    line = refused(machine.run())
    assert line.startswith("This needs Python 3.11 or newer (here python3 is 3.9)")
    assert machine.calls == []


def test_a_shell_on_windows_is_told_where_a_linux_is(machine: Machine) -> None:
    machine.add_python("python3", "3.13")
    (machine.bin / "uname").unlink()
    (machine.bin / "uname").write_text("#!/bin/sh\necho MINGW64_NT-10.0-22631\n")
    (machine.bin / "uname").chmod(0o755)
    line = refused(machine.run())
    assert line.startswith("This needs Linux or macOS. On Windows, WSL is a Linux")
    assert machine.calls == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_venv_of_another_user(machine: Machine) -> None:
    machine.add_python("python3", "3.13")
    (machine.project / ".venv").mkdir(mode=0o555)
    assert "`sudo rm -rf .venv .venv.*`" in refused(machine.run())
    assert machine.calls == []


def test_no_python_at_all(machine: Machine) -> None:
    assert "(here there is none)" in refused(machine.run())


def test_a_newer_python_beside_an_old_one_is_found(machine: Machine) -> None:
    machine.add_python("python3", "3.9")
    machine.add_python("python3.12", "3.12")
    result = machine.run()
    assert result.returncode == 0, result.stderr
    assert "(Python 3.12)" in result.stdout


def test_a_python_that_packages_are_not_made_for_is_the_last_choice(
    machine: Machine,
) -> None:
    machine.add_python("python3", "3.99")
    assert "(Python 3.99)" in machine.run().stdout
    shutil.rmtree(machine.project / ".venv")
    machine.add_python("python3.11", "3.11")
    assert "(Python 3.11)" in machine.run().stdout


def test_the_python_that_is_asked_for_is_taken_or_refused(machine: Machine) -> None:
    machine.add_python("python3", "3.13")
    old = machine.add_python("old", "3.10")
    assert f"PYTHON={old} is Python 3.10" in refused(machine.run(PYTHON=str(old)))
    assert "PYTHON=nowhere does not run" in refused(machine.run(PYTHON="nowhere"))
    assert machine.run().returncode == 0
    # Another one than .venv was made with: made anew.
    machine.add_python("python3.12", "3.12")
    assert "(Python 3.12)" in machine.run(PYTHON="python3.12").stdout
    assert machine.run(PYTHON="python3.12").stdout == ""


def test_no_venv_module(machine: Machine) -> None:
    machine.add_python("python3", "3.11", venv="no")
    line = refused(machine.run())
    assert "apt install python3.11-venv" in line
    log = machine.project / ".venv.log"
    assert str(log.name) in line
    assert "because ensurepip is not\navailable" in log.read_text()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[Errno_28]_No_space_left_on_device", "the disk is full"),
        ("[Errno_30]_Read-only_file_system:_'.venv'", "Read-only file system"),
    ],
)
def test_no_venv_for_another_reason(machine: Machine, said: str, told: str) -> None:
    machine.add_python("python3", "3.11", venv=said)
    line = refused(machine.run())
    assert told in line
    assert "apt install" not in line


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("IncompleteRead(9_bytes_read)", "a download has broken off"),
        ("Connection_interrupted:_incomplete-download", "a download has broken off"),
        ("ProxyError(Tunnel_connection_failed:_407_Who'", 'refuses: "407 Who"'),
        ("ProxyError('Cannot_connect_to_proxy.')", "the proxy does not answer"),
        ("Exceeded_30_redirects.", "a page of your network"),
        ("THESE_PACKAGES_DO_NOT_MATCH_THE_HASHES", "not the one that was pinned"),
        ("OSError:_[Errno_28]_No_space_left_on_device", "the disk is full"),
        ("No_matching_distribution_found_for_rich==1", "no ready-made rich==1"),
        ("SSLError:_self-signed_certificate", "does not trust the certificate"),
        ("Max_retries_exceeded", "no network"),
    ],
)
def test_why_pip_has_failed(machine: Machine, said: str, told: str) -> None:
    machine.add_python("python3", "3.11", pip=said)
    assert told in refused(machine.run())


def test_a_full_disk_has_no_room_for_what_is_said_of_it(machine: Machine) -> None:
    """The log is empty then; and half a .venv would keep the disk full."""
    machine.add_python("python3", "3.11", venv="silent")
    (machine.bin / "dd").unlink()
    (machine.bin / "dd").symlink_to(shutil.which("false") or "/bin/false")
    (machine.project / ".venv/bin").mkdir(parents=True)
    assert refused(machine.run()).startswith("Cannot make .venv: the disk is full; ")
    assert not (machine.project / ".venv").exists()


@pytest.mark.parametrize("offline", [False, True], ids=["from the index", "wheels/"])
def test_where_a_package_is_not_made_for_this_python_the_rest_goes_on(
    machine: Machine, offline: bool
) -> None:
    """`make` says so in a line, and shows the exercises; the next one tries again."""
    machine.add_python("python3", "3.99", pip="lacks_pydantic-core==2.50.4")
    if offline:
        (machine.project / "wheels").mkdir()
    for _ in range(2):
        result = machine.run("make", **({"OFFLINE": "yes"} if offline else {}))
        assert result.returncode == 0, result.stderr
        (line,) = result.stderr.splitlines()
        assert line.startswith(
            "There is no ready-made pydantic-core==2.50.4 for Python 3.99 here, which "
            "'make book' needs"
        )
        assert machine.calls[-1] == "pytest chapters"
        assert "docs/exercises.md" in result.stdout
    assert (
        "pydantic-core"
        in (
            machine.project / (".venv.log.wheels" if offline else ".venv.log")
        ).read_text()
    )
    assert not (machine.project / ".venv/installed-book.txt").exists()
    assert machine.run("tools/bootstrap", "exercises").stdout == ""
    # What cannot go on without the book's packages does not.
    assert machine.run("make", "site").returncode != 0
    assert "book site" not in " ".join(machine.calls)
    # The next one that has them all installs them.
    machine.add_python("python3", "3.11")
    assert machine.run(PYTHON="python3").returncode == 0
    assert not list(machine.project.glob(".venv.log*"))


def test_two_do_not_install_at_once(machine: Machine) -> None:
    machine.add_python("python3", "3.11")
    lock = machine.project / ".venv.lock"
    lock.mkdir()
    (lock / "pid").write_text(f"{os.getpid()}\n")
    line = refused(machine.run())
    assert line.startswith(f"Another make (process {os.getpid()}) is installing here")
    assert machine.calls == []
    # One that was killed is waited for by nobody.
    ended = subprocess.Popen(["true"])
    ended.wait()
    (lock / "pid").write_text(f"{ended.pid}\n")
    assert machine.run().returncode == 0
    assert not lock.exists()


def test_a_clone_that_was_moved_has_its_venv_made_anew(machine: Machine) -> None:
    """The programs in it begin with the path of the Python that was there."""
    machine.add_python("python3", "3.11")
    machine.run()
    machine.project = machine.project.rename(machine.project.with_name("elsewhere"))
    assert machine.run().returncode == 0
    assert machine.calls == ["venv", "pip book", "venv", "pip book"]
    assert machine.run().stdout == ""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on: taken, but without `listen()`."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.mark.timeout(120)
def test_no_network(machine: Machine, closed_port: int) -> None:
    """The real venv and the real pip."""
    result = machine.run(
        PYTHON=REAL_PYTHON,
        PIP_INDEX_URL=f"http://127.0.0.1:{closed_port}/",
        PIP_CONFIG_FILE=os.devnull,
    )
    line = refused(result)
    assert line.startswith("Cannot install the packages: no network")
    assert "Retrying" in (machine.project / ".venv.log").read_text()


class InPlaceOfAnIndex(http.server.BaseHTTPRequestHandler):
    """/portal/ is a page to log in; /filter/ refuses."""

    def do_GET(self) -> None:
        page = b'<!DOCTYPE html><html><body><a href="/in">Log in</a></body></html>'
        self.send_response(403 if self.path.startswith("/filter/") else 200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def in_between() -> Iterator[int]:
    """The port of what stands in the place of an index."""
    with http.server.HTTPServer(("127.0.0.1", 0), InPlaceOfAnIndex) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_what_stands_in_the_place_of_the_index(
    machine: Machine, in_between: int
) -> None:
    """The real venv and the real pip, which says of both what it says of a package
    that there is no build of."""
    for path, told in (
        ("portal", "a page of your network, it seems"),
        ("filter", 'the package index answers "403 Forbidden"'),
    ):
        line = refused(
            machine.run(
                "tools/bootstrap",
                "exercises",
                PYTHON=REAL_PYTHON,
                PIP_INDEX_URL=f"http://127.0.0.1:{in_between}/{path}/",
                PIP_CONFIG_FILE=os.devnull,
            )
        )
        assert told in line
        assert "ready-made" not in line


@pytest.fixture
def stranger() -> Iterator[int]:
    """The port of a server whose certificate nobody has signed but itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    handler = http.server.SimpleHTTPRequestHandler
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_a_certificate_that_is_not_trusted(machine: Machine, stranger: int) -> None:
    """The real venv and the real pip, and then what the line says mends it."""
    index = f"https://127.0.0.1:{stranger}/"
    settings = {"PIP_INDEX_URL": index, "PIP_CONFIG_FILE": os.devnull}
    line = refused(machine.run(PYTHON=REAL_PYTHON, **settings))
    assert "Python does not trust the certificate" in line
    assert "no network" not in line
    assert "PIP_CERT=" in line
    assert "SSL_CERT_FILE" in line
    trusted = subprocess.run(
        [".venv/bin/python", "-m", "pip", "download", "--retries=0", "nothing"],
        cwd=machine.project,
        env=machine.environment(PIP_CERT=str(CERTIFICATE), **settings),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert "No matching distribution" in trusted.stderr
    assert "CERTIFICATE" not in trusted.stderr


def test_an_installed_group_is_not_installed_again(machine: Machine) -> None:
    machine.add_python("python3", "3.11")
    assert machine.run("tools/bootstrap", "test").returncode == 0
    assert machine.calls == ["venv", "pip test"]
    again = machine.run("tools/bootstrap", "test")
    smaller = machine.run("tools/bootstrap", "book")
    assert again.stdout == smaller.stdout == ""
    assert machine.calls == ["venv", "pip test"]


def test_changed_pins_are_installed_into_the_same_venv(machine: Machine) -> None:
    machine.add_python("python3", "3.11")
    machine.run()
    with open(machine.project / "requirements/book.txt", "a") as pins:
        pins.write("another==1\n")
    assert machine.run().returncode == 0
    assert machine.run().stdout == ""
    assert machine.calls == ["venv", "pip book", "pip book"]


def test_an_install_that_was_killed_is_made_anew(machine: Machine) -> None:
    machine.add_python("python3", "3.11", pip="killed")
    assert machine.run().returncode == -signal.SIGKILL
    machine.add_python("python3", "3.11")
    assert machine.run().returncode == 0
    assert machine.run().stdout == ""
    assert machine.calls == ["venv", "pip book", "venv", "pip book"]


def test_a_change_of_pins_that_was_killed_is_made_anew(machine: Machine) -> None:
    """Even if nothing is to be changed any more: what is installed is not known."""
    machine.add_python("python3", "3.11")
    machine.run()
    machine.add_python("python3", "3.11", pip="killed")
    assert machine.run("tools/bootstrap", "test").returncode == -signal.SIGKILL
    machine.add_python("python3", "3.11")
    assert machine.run().returncode == 0
    assert machine.calls == ["venv", "pip book", "pip test", "venv", "pip book"]


def test_a_venv_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    machine.add_python("python3", "3.11")
    machine.run()
    (machine.project / ".venv/bin/python").unlink()
    assert machine.run().returncode == 0
    assert machine.calls == ["venv", "pip book", "venv", "pip book"]


def test_ctrl_c_during_an_install(machine: Machine) -> None:
    machine.add_python("python3", "3.11", pip="slow")
    with subprocess.Popen(
        ["tools/bootstrap", "book"],
        cwd=machine.project,
        env=machine.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            while not (machine.bin / "started").exists():
                assert process.poll() is None
                time.sleep(0.01)
        finally:
            os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert said.splitlines() == ["Interrupted; the next make starts it anew."]
    assert process.returncode == 130


def test_make_measures_and_serves(machine: Machine) -> None:
    """`lab tour` keeps figures that are there already; `make tour` asks it not to."""
    machine.add_python("python3", "3.11")
    result = machine.run("make")
    assert result.returncode == 0, result.stderr
    served = ["book serve --check", "lab tour", "book serve"]
    assert machine.calls == ["venv", "pip book", *served]
    assert machine.run("make", "tour").returncode == 0
    assert machine.calls[5:] == ["lab tour --again"]


def test_make_does_not_serve_where_measuring_was_given_up(machine: Machine) -> None:
    machine.add_python("python3", "3.11", lab="fails")
    assert machine.run("make").returncode != 0
    assert machine.calls == ["venv", "pip book", "book serve --check", "lab tour"]


def test_make_passes_arguments_on(machine: Machine) -> None:
    machine.add_python("python3", "3.11")
    result = machine.run("make", "test", "ARGS=-k http11 -x")
    assert result.returncode == 0, result.stderr
    assert machine.calls[-1].startswith("pytest ")
    assert machine.calls[-1].endswith(" -k http11 -x")


def test_each_test_is_run_by_one_of_two_commands_and_ci_calls_both(
    machine: Machine,
) -> None:
    machine.add_python("python3", "3.11")
    for command, chosen in (("test", "not thorough"), ("thorough", "thorough")):
        assert machine.run("make", command).returncode == 0
        called = machine.calls[-1]
        assert called.startswith("pytest ")
        assert called.rpartition(" -m ")[2] == chosen
        for name in (".ci/run", ".github/workflows/ci.yml"):
            text = (ROOT / name).read_text(encoding="utf-8")
            assert re.search(rf"^ *make {command}$", text, re.MULTILINE), name


def test_make_does_not_look_into_another_projects_modules(
    machine: Machine, tmp_path: Path
) -> None:
    machine.add_python("python3", "3.11")
    (tmp_path / "shutil.py").write_text("raise SystemExit('of another project')")
    result = machine.run("make", PYTHONPATH=str(tmp_path), PYTHONHOME=str(tmp_path))
    assert result.returncode == 0, result.stderr


def test_make_stops_where_the_bootstrap_refuses(machine: Machine) -> None:
    machine.add_python("python3", "3.9")
    result = machine.run("make")
    assert result.returncode != 0
    first, second = result.stderr.splitlines()
    assert first.startswith("This needs Python 3.11 or newer")
    assert second.startswith("make: *** ")


def test_make_help_lists_every_target(machine: Machine) -> None:
    targets = {
        line.removeprefix(".PHONY: ")
        for line in (ROOT / "Makefile").read_text().splitlines()
        if line.startswith(".PHONY: ")
    }
    listed = {
        line.split()[1] for line in machine.run("make", "help").stdout.splitlines()
    }
    assert listed == targets
    assert {"book", "tour", "test", "check", "site", "measure", "help"} <= targets


def test_a_folder_is_not_taken_for_a_target_that_is_made_already(
    machine: Machine,
) -> None:
    (machine.project / "tests").mkdir()
    result = machine.run("make", "tests")
    assert result.returncode == 2
    assert "make help" in result.stderr
    assert result.stdout == ""
