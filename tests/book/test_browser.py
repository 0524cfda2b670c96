"""The book as a browser shows it: over HTTP, and opened from the file system.

No page asks another host for anything or logs an error; none scrolls sideways on a
phone; both colour schemes follow the system and can be chosen; the search finds; what
is folded opens with the keyboard; the rules of axe-core find nothing.
"""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect

from book.serve import make_server
from tests.book.conftest import Site

# The first of them builds the book, or waits until another process has.
pytestmark = pytest.mark.timeout(240)

# Long enough for a busy machine; what is right is seen at once.
expect.set_options(timeout=20_000)

PHONE = {"width": 360, "height": 780}
DESK = {"width": 1440, "height": 900}

CHAPTER = "chapters/06-both/index.html"


@pytest.fixture(scope="module")
def address(site: Site) -> Iterator[str]:
    """The book over HTTP, as `make` serves it."""
    server = make_server(site.folder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def opened(
    browser: Browser, size: dict[str, int], scheme: str = "light", script: bool = True
) -> Iterator[tuple[Page, list[str]]]:
    """A page, and what goes wrong on it: requests to others, errors."""
    context = browser.new_context(
        viewport={"width": size["width"], "height": size["height"]},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
    )
    page = context.new_page()
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(f"console: {message.text}")

    def failed(request: Request) -> None:
        # Whatever a page had not finished to load when the test went on to the next.
        if request.failure != "net::ERR_ABORTED":
            wrong.append(f"failed: {request.url}, {request.failure}")

    page.on("console", heard)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("requestfailed", failed)
    yield page, wrong
    context.close()


def asked_for(page: Page) -> list[str]:
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    return urls


def violations(page: Page, *, contrast: bool) -> list[str]:
    options = {
        "resultTypes": ["violations"],
        # From a file, axe may not read the style sheets a second time.
        "preload": False,
        "rules": {"color-contrast": {"enabled": contrast}},
    }
    results = Axe().run(page, options=options)
    return [
        f"{violation['id']}, {violation['impact']}: {node['html'][:160]}"
        for violation in results.response["violations"]
        for node in violation["nodes"]
    ]


UNFOLD = "document.querySelectorAll('details').forEach(d => d.open = true)"
# docs/assets/page.js gives the keyboard what scrolls, once it has been laid out.
SCROLLS_BY_KEYBOARD = """
  [...document.querySelectorAll('pre code, .table')]
    .every(box => box.tabIndex >= 0 || box.scrollWidth <= box.clientWidth)
"""
# On a phone the figure that a table or a terminal is about is seen, however far to the
# right it stands: neither scrolls.
OFF_THE_SCREEN = """
  [...document.querySelectorAll('.table, .language-console code')]
    .filter(box => box.scrollWidth > box.clientWidth)
    .map(box => box.innerText.slice(0, 80))
"""
# What is alike by the thousand is looked at once, for it would take minutes: the
# colours of code on one chapter and one source, a table's first rows. Figures are one
# image each to a screen reader; their colours have a test of their own.
PARE = """
  document.querySelectorAll('pre code').forEach(code => code.textContent += '');
  document.querySelectorAll('tbody tr:nth-child(n + 9)').forEach(row => row.remove());
  document.querySelectorAll('figure svg').forEach(svg => svg.replaceChildren());
"""
WITH_COLOURS = (CHAPTER, "source/steps-step07.html")
#: Where the contrast of letters is looked at, the slowest rule by far. What is coloured
#: is coloured by its kind, and here is one page of each kind.
OF_EACH_KIND = (
    *WITH_COLOURS,
    *("index.html", "question.html", "results.html", "glossary.html", "teachers.html"),
    *("exercises.html", "lab.html", "404.html", "chapters/06-both/solution.html"),
    "source/chapters-09-never-block-wrong.html",
)


def visit(
    browser: Browser, names: Iterable[str], base: str, size: dict[str, int], scheme: str
) -> list[str]:
    """Everything wrong on any of these pages, one line each."""
    found = []
    with opened(browser, size, scheme) as (page, wrong):
        urls = asked_for(page)
        for name in names:
            page.goto(f"{base}/{name}", wait_until="load")
            page.evaluate(UNFOLD)
            page.wait_for_function(SCROLLS_BY_KEYBOARD)
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            if wide > 0:
                found.append(f"{name}: scrolls sideways, by {wide} pixels")
            if size is PHONE:
                off = page.evaluate(OFF_THE_SCREEN)
                found += [f"{name}: off the screen: {text}" for text in off]
            if name not in WITH_COLOURS:
                page.evaluate(PARE)
            against = violations(page, contrast=name in OF_EACH_KIND)
            found += [f"{name}: {line}" for line in against]
            found += [f"{name}: {line}" for line in wrong]
            wrong.clear()
        own = (base, "data:", "about:")
        found += [f"asked another: {url}" for url in urls if not url.startswith(own)]
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_page_of_each_kind(
    browser: Browser, site: Site, address: str, size: dict[str, int], scheme: str
) -> None:
    """Over HTTP on a desk, and from the file system on a phone."""
    base = address if size is DESK else site.folder.as_uri()
    # A server sends this one for whatever address there is not.
    kinds = [name for name in OF_EACH_KIND if size is DESK or name != "404.html"]
    assert visit(browser, kinds, base, size, scheme) == []


# A minute on a quiet machine; a busy one may take its time.
@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_every_page_over_http_on_a_desk_in_light(
    browser: Browser, site: Site, address: str
) -> None:
    assert visit(browser, site.pages(), address, DESK, "light") == []


@pytest.mark.thorough
@pytest.mark.timeout(900)
def test_every_page_from_the_file_system_on_a_phone_in_dark(
    browser: Browser, site: Site
) -> None:
    assert visit(browser, site.pages(), site.folder.as_uri(), PHONE, "dark") == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_system_and_the_choice(
    browser: Browser, address: str, scheme: str
) -> None:
    with opened(browser, DESK, scheme) as (page, wrong):
        page.goto(f"{address}/index.html")
        shown = {"light": "default", "dark": "slate"}
        body = page.locator("body")
        expect(body).to_have_attribute("data-md-color-scheme", shown[scheme])
        # From "as the system has it" to light, and from there to dark.
        for chosen in ("light", "dark"):
            page.locator("label.md-header__button[for^=__palette]:visible").click()
            expect(body).to_have_attribute("data-md-color-scheme", shown[chosen])
        background = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(background) == "rgb(20, 24, 29)"
        page.reload()
        expect(body).to_have_attribute("data-md-color-scheme", "slate")
        assert wrong == []


#: So many boxes a page may have the browser lay out before anybody scrolls. With the
#: processor slowed down four times, 6000 kept it busy for more than two seconds.
BOXES = 4000
LARGEST = (
    *("results.html", "source/steps-step13.html", "source/steps-http11.html"),
    *("source/chapters-06-both-wrong.html", "source/tests-steps-test_wsgi.html"),
    "chapters/13-any-application/index.html",
)


@pytest.mark.parametrize("name", LARGEST)
def test_a_slow_machine_lays_out_what_is_in_view(
    browser: Browser, site: Site, name: str
) -> None:
    with opened(browser, DESK) as (page, _):
        asked = page.context.new_cdp_session(page)
        asked.send("Performance.enable")
        page.goto(f"{site.folder.as_uri()}/{name}", wait_until="load")
        found = asked.send("Performance.getMetrics")["metrics"]
        [boxes] = [m["value"] for m in found if m["name"] == "LayoutObjects"]
        assert 100 < boxes < BOXES
        # What is further down is there all the same: it is found, and reached.
        last = page.locator("article :is(.highlight, .table)").last
        last.scroll_into_view_if_needed()
        expect(last).to_be_in_viewport()


@pytest.mark.parametrize("way", ["http", "file"])
def test_the_search_finds_a_word(
    browser: Browser, site: Site, address: str, way: str
) -> None:
    base = address if way == "http" else site.folder.as_uri()
    with opened(browser, DESK) as (page, wrong):
        page.goto(f"{base}/index.html")
        page.get_by_role("textbox", name="Search").click()
        page.keyboard.type("Nagle")
        result = page.locator(".md-search-result__link", has_text="Nagle").first
        expect(result).to_be_visible()
        result.click()
        page.wait_for_url(lambda url: "index.html" not in url or "chapters" in url)
        expect(page.locator("article")).to_contain_text("Nagle")
        assert wrong == []


#: What a first visit may fetch, before a server compresses it.
FIRST_VISIT_BYTES = 900_000


def test_a_first_visit_is_small_and_has_no_index(
    browser: Browser, address: str
) -> None:
    with opened(browser, DESK) as (page, _):
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))
        page.goto(f"{address}/index.html", wait_until="networkidle")
        assert sum(len(answer.body()) for answer in answers) < FIRST_VISIT_BYTES
        urls = [answer.url for answer in answers]
        assert not [url for url in urls if "texts.js" in url or "workers" in url]
        page.get_by_role("textbox", name="Search").click()
        expect(page.locator(".md-search-result__meta")).to_have_text(
            "Type to start searching"
        )
        assert f"{address}/search/texts.js" in [answer.url for answer in answers]


@pytest.mark.parametrize("way", ["http", "file"])
def test_from_a_file_too_the_index_waits_until_the_search_is_opened(
    browser: Browser, site: Site, address: str, way: str
) -> None:
    """By what the page holds: a browser does not report what it reads from files."""
    base = address if way == "http" else site.folder.as_uri()
    with opened(browser, DESK) as (page, _):
        page.goto(f"{base}/index.html", wait_until="networkidle")
        assert page.evaluate("typeof __texts") == "undefined"
        page.keyboard.press("/")
        page.wait_for_function("typeof __texts === 'object'")


def test_the_search_finds_where_select_is_explained(
    browser: Browser, address: str
) -> None:
    with opened(browser, DESK) as (page, _):
        page.goto(f"{address}/index.html")
        page.get_by_role("textbox", name="Search").click()
        page.keyboard.type("select()")
        results = page.locator(".md-search-result__item > a")
        expect(results.first).to_be_visible()
        first = [link.get_attribute("href") or "" for link in results.all()][:5]
        assert [link for link in first if "chapters/" in link], first
        assert [link for link in first if "glossary" in link], first


def test_a_folded_answer_opens_with_the_keyboard(browser: Browser, site: Site) -> None:
    with opened(browser, PHONE) as (page, _):
        page.goto(f"{site.folder.as_uri()}/{CHAPTER}")
        # The one that is no figure's words.
        answer = page.locator(".part-predict details:not(figure details)").first
        for _ in range(200):
            page.keyboard.press("Tab")
            if answer.locator("summary").evaluate("e => e === document.activeElement"):
                break
        else:
            pytest.fail("the keyboard does not reach the answer")
        inside = answer.locator("p").first
        expect(inside).to_be_hidden()
        page.keyboard.press("Enter")
        expect(inside).to_be_visible()


@pytest.mark.parametrize(
    ("scheme", "paper"), [("dark", "rgb(20, 24, 29)"), ("light", "rgb(255, 255, 255)")]
)
def test_without_scripts_colours_follow_the_system(
    browser: Browser, site: Site, scheme: str, paper: str
) -> None:
    with opened(browser, DESK, scheme, script=False) as (page, _):
        page.goto(f"{site.folder.as_uri()}/{CHAPTER}")
        for part in ("body", ".md-header"):
            shown = page.locator(part).evaluate(
                "e => getComputedStyle(e).backgroundColor"
            )
            assert shown == paper, part


def test_a_figure_fits_its_width_and_needs_no_script(
    browser: Browser, site: Site
) -> None:
    for size, shown, hidden in (
        (DESK, ".chart-wide svg", ".chart-narrow svg"),
        (PHONE, ".chart-narrow svg", ".chart-wide svg"),
    ):
        with opened(browser, size, script=False) as (page, _):
            page.goto(f"{site.folder.as_uri()}/index.html")
            figure = page.locator("figure.chart").first
            expect(figure.locator(shown)).to_be_visible()
            expect(figure.locator(hidden)).to_be_hidden()
            box = figure.locator(shown).bounding_box()
            assert box is not None
            # Drawn at its own size, letters have theirs: 12 pixels and more.
            drawn = float(figure.locator(shown).get_attribute("width") or 0)
            assert box["width"] / drawn > 0.9


def test_the_key_hides_and_shows_a_series(browser: Browser, site: Site) -> None:
    with opened(browser, DESK) as (page, wrong):
        page.goto(f"{site.folder.as_uri()}/results.html")
        figure = page.locator("figure.chart", has=page.locator("button")).first
        button = figure.get_by_role("button", name="03 timeout and rebuild")
        marks = figure.locator(".chart-wide [data-series^='03']")
        assert marks.count() > 1
        expect(marks.first).to_be_visible()
        button.click()
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(marks.first).to_be_hidden()
        button.click()
        expect(marks.first).to_be_visible()
        assert wrong == []


def test_a_mark_says_what_it_shows(browser: Browser, site: Site) -> None:
    with opened(browser, DESK) as (page, _):
        page.goto(f"{site.folder.as_uri()}/index.html")
        page.locator(".chart-wide [data-series^='06']").first.hover()
        expect(page.locator(".chart-tip")).to_contain_text("06 both")


def test_motion_is_reduced_for_who_asks(browser: Browser, site: Site) -> None:
    with browser.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(f"{site.folder.as_uri()}/index.html")
        longest = page.evaluate(
            "Math.max(...[...document.querySelectorAll('*')].map("
            "e => parseFloat(getComputedStyle(e).transitionDuration)))"
        )
        assert longest < 0.001


def test_what_is_served_is_the_site_alone(address: str, site: Site) -> None:
    assert Path(site.folder, "index.html").exists()
    assert not Path(site.folder, "figures").exists()
    assert not Path(site.folder, "transcripts").exists()
