"""The site: the repository's pages and links, and nothing from another host."""

import errno
import html.parser
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from mkdocs.exceptions import BuildError

from book import serve
from book import site as site_module
from book.serve import make_server
from book.site import SiteError, build
from lab.paths import BOOK, ROOT
from tests.book.conftest import Site

# The first of them builds the book, or waits until another process has.
pytestmark = pytest.mark.timeout(240)

CHAPTERS = sorted((ROOT / "chapters").glob("[0-9][0-9]-*"))


class Addresses(html.parser.HTMLParser):
    """Where a page leads, what it loads, and what can be pointed at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.names.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        elif tag == "link" and values.get("rel") not in ("prev", "next", "canonical"):
            self.loads.add(values["href"])
        elif "src" in values:
            self.loads.add(values["src"])


@pytest.fixture(scope="module")
def pages(site: Site) -> dict[str, Addresses]:
    return {
        name: Addresses((site.folder / name).read_text(encoding="utf-8"))
        for name in site.pages()
    }


def test_every_chapter_and_every_step_is_there(site: Site) -> None:
    for chapter in (ROOT / "chapters").glob("[0-9]*/README.md"):
        assert f"chapters/{chapter.parent.name}/index.html" in site.pages()
    for step in (ROOT / "steps").glob("step??"):
        assert f"source/steps-{step.name}.html" in site.pages()
    for page in ("index", "question", "lab", "results", "glossary"):
        assert f"{page}.html" in site.pages()


def test_every_link_within_the_book_leads_somewhere(
    site: Site, pages: dict[str, Addresses]
) -> None:
    dead = []
    for name, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme:
                assert parts.scheme in ("https", "http"), link
                continue
            target = unquote(urljoin(name, parts.path)) if parts.path else name
            if not (site.folder / target).is_file():
                dead.append(f"{name}: {link}")
                continue
            if parts.fragment and parts.fragment not in pages[target].names:
                dead.append(f"{name}: {link}")
    assert dead == []


def test_nothing_is_loaded_from_another_host(
    site: Site, pages: dict[str, Addresses]
) -> None:
    for page in pages.values():
        assert [a for a in page.loads if re.match(r"\w+:|//", a)] == []
    for sheet in site.folder.rglob("*.css"):
        text = sheet.read_text(encoding="utf-8")
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", text) == []


def test_no_marker_and_no_empty_number_is_left(site: Site) -> None:
    for name in site.pages():
        text = (site.folder / name).read_text(encoding="utf-8")
        shown = re.sub(r"<(pre|code).*?</\1>", "", text, flags=re.DOTALL)
        assert "<!-- {" not in shown, name
        assert "data-drawn" not in shown, name
        assert ">nan" not in shown, name


def test_nothing_is_warned_of(site: Site) -> None:
    # The records that the tests make up do not hold everything.
    made_up = re.compile("not measured|not counted")
    warnings = [w for w in site.warnings if BOOK.exists() or not made_up.search(w)]
    assert warnings == []


def test_both_records_are_printed_and_the_books_can_be_had(site: Site) -> None:
    results = (site.folder / "results.html").read_text(encoding="utf-8")
    assert 'class="yours"' in results
    assert "in the book&#x27;s record" in results
    record = json.loads((site.folder / "measurements" / "book.json").read_text())
    assert len(record["points"]) > 50


def test_a_folded_answer_is_read_as_markdown(site: Site) -> None:
    chapter = next((ROOT / "chapters").glob("06-*/README.md"))
    assert '<details markdown="1">' in chapter.read_text(encoding="utf-8")
    page = site.folder / "chapters" / chapter.parent.name / "index.html"
    text = page.read_text(encoding="utf-8")
    assert re.search(r"<details>\s*<summary>Answer</summary>\s*<p>", text)
    assert "markdown=" not in text


def test_the_index_has_the_text_and_not_the_sources(site: Site) -> None:
    script = (site.folder / "search" / "texts.js").read_text(encoding="utf-8")
    texts = json.loads(script.removeprefix("var __texts = "))
    pages = {text["location"].partition("#")[0] for text in texts}
    assert [page for page in pages if page.startswith("source/")] == []
    assert {f"chapters/{c.name}/index.html" for c in CHAPTERS} <= pages
    everything = "\n".join(text["text"] for text in texts)
    for left_out in ("@@ -", "import selectors", "Refused by"):
        assert left_out not in everything
    # The theme itself fetches the settings alone.
    for name in ("search_index.json", "search_index.js"):
        assert len((site.folder / "search" / name).read_text()) < 1000


def test_code_leads_to_the_whole_file(site: Site) -> None:
    text = (site.folder / "chapters/06-both/index.html").read_text(encoding="utf-8")
    link = '<a href="../../source/steps-step06.html#steps-step06-server-py">'
    assert f'<span class="filename">{link}' in text


def test_the_next_free_port_is_taken(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("the book")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with make_server(tmp_path, port) as server:
            assert port < server.server_port < port + 100
            assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("port", ["0", "99999", "-1", "http"])
def test_what_is_no_port_is_said_before_anything_else(
    port: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        serve.main(["--check", "--port", port])
    assert "no port: take a number from 1 to 65535" in capsys.readouterr().err


def test_a_port_that_needs_privileges_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("http.server.ThreadingHTTPServer.__init__", refuse)
    assert serve.main(["--check", "--port", "80"]) == 1
    said = capsys.readouterr().err
    assert said == "port 80 needs privileges: choose one above 1023\n"


def test_a_check_of_the_port_builds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "SITE", tmp_path)
    monkeypatch.setattr(serve, "build", lambda: pytest.fail("it built"))
    assert serve.main(["--check", "--port", "18000"]) == 0


def test_no_free_port_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EADDRINUSE, "Address already in use")

    monkeypatch.setattr("http.server.ThreadingHTTPServer.__init__", refuse)
    with pytest.raises(OSError, match="no free port from 8000 to 8099"):
        make_server(tmp_path)


def test_a_book_that_is_current_is_served_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And built anew after a change to any file that may be in it."""
    project, folder = tmp_path / "project", tmp_path / "site"
    for name in ("docs/index.md", "measurements/mine.json", "site/index.html"):
        (project / name).parent.mkdir(parents=True)
        (project / name).write_text(name)
    (project / ".cache").mkdir()
    folder.mkdir()
    monkeypatch.setattr(site_module, "ROOT", project)
    (folder / site_module.STAMP).write_text(site_module.state_of(project))
    assert site_module.is_current(folder)
    for unread in ("site/index.html", ".cache/x", "docs/.x"):
        (project / unread).write_text("another text")
        assert site_module.is_current(folder), unread
    for read in ("measurements/mine.json", "docs/new.md"):
        (project / read).write_text("another text")
        assert not site_module.is_current(folder), read
        (folder / site_module.STAMP).write_text(site_module.state_of(project))
    assert not site_module.is_current(tmp_path)


def test_a_build_that_fails_leaves_no_stamp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / site_module.STAMP).write_text(site_module.state_of(ROOT))

    def fail(*_: object) -> None:
        raise BuildError("the book cannot be built")

    monkeypatch.setattr(site_module, "mkdocs_build", fail)
    with pytest.raises(SiteError):
        build(tmp_path)
    assert not (tmp_path / site_module.STAMP).exists()


def test_where_the_book_cannot_be_written_it_is_said_before_the_tour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site"
    site.touch()
    monkeypatch.setattr(serve, "SITE", site)
    assert serve.main(["--check", "--port", "18000"]) == 1
    assert capsys.readouterr().err == f"{site / 'index.html'}: Not a directory\n"


def test_serve_says_in_one_line_where_the_book_is(site: Site) -> None:
    # Built already: what is left of the command is to serve it.
    program = (
        "import sys; from pathlib import Path; from book import serve;"
        "serve.build = lambda: None; serve.SITE = Path(sys.argv[1]);"
        "sys.exit(serve.main(['--port', '18000']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(site.folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "Building the book …\n"
        line = process.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address is not None, line
        with urllib.request.urlopen(f"{address[0]}/index.html", timeout=10) as answer:
            assert b"web servers" in answer.read()
    finally:
        process.send_signal(signal.SIGINT)
        # If it ignores that, it is a failure, and no server is left behind.
        late = threading.Timer(10, process.kill)
        late.start()
        rest, _ = process.communicate()
        late.cancel()
        late.join()
    assert rest == ""
    assert process.returncode == 0
