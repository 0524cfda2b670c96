"""What MkDocs is told beyond mkdocs.yml: where the book's pages come from.

- chapters/*/README.md, chapters/*/solution.md and CONTRIBUTING.md are pages, besides
  those in docs/;
- sources that a page links to become pages with colours: one for each step's folder and
  each chapter's wrong answers, one for any other file;
- markers are evaluated (book/markers.py), for the book's record and the reader's;
- links are written as they are right in the repository, and turned here into the
  site's, where MkDocs checks them.
"""

from __future__ import annotations

import functools
import html
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page as SitePage

# MkDocs loads this file by its path, so the project's folder need not be known yet.
ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from book import card, listing, search, style_sheet, wrong_answers  # noqa: E402
from book.drawn import BookError, Sources  # noqa: E402
from book.lighter import lighter  # noqa: E402
from book.markers import Page  # noqa: E402
from book.pages import functions_for  # noqa: E402
from book.verdicts import all_claims, with_marks_behind  # noqa: E402

#: Pages that stand outside docs/ and the chapters.
OTHER_PAGES = ("CONTRIBUTING.md",)

_CODE = re.compile(
    r"^[ ]*(?P<fence>`{3,}|~{3,})[^\n]*\n(?:.*?\n)??[ ]*(?P=fence)[ ]*$"
    r"|(?P<ticks>`+)(?!`)[^\n]*?(?<!`)(?P=ticks)(?!`)",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(
    r"(?P<open>\]\(|^\[[^\]\n]+\]:[ ]+)(?P<target>[^\s)#]+)(?P<anchor>#[^\s)]*)?",
    re.MULTILINE,
)
_EXTERNAL = re.compile(r"[a-z]+:|/")
_PLACEHOLDER = '<div data-drawn="{}"></div>'
_LANGUAGES = {".py": "python", ".lua": "lua", ".json": "json", ".toml": "toml"}


class Site:
    """The state of one build."""

    def __init__(self, sources: Sources | None) -> None:
        self.sources = sources or Sources.load()
        self.drawn: dict[str, list[str]] = {}
        all_claims.cache_clear()


_site: Site | None = None


def _current() -> Site:
    assert _site is not None
    return _site


def on_config(config: MkDocsConfig) -> None:
    global _site
    _site = Site(config.extra.pop("sources", None))
    config.extra["sharing"]["card"] = card.words(_site.sources)


# -- pages and their files ----------------------------------------------------


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    pages = [
        *sorted((ROOT / "chapters").glob("[0-9]*/README.md")),
        *sorted((ROOT / "chapters").glob("[0-9]*/solution.md")),
    ]
    pages += [ROOT / name for name in OTHER_PAGES if (ROOT / name).exists()]
    for path in pages:
        _add(files, config, path.relative_to(ROOT).as_posix(), path)
    record = "measurements/book.json"
    measured = _current().sources.book
    if measured is not None and files.get_file_from_path(record) is None:
        text = measured.record.model_dump_json(indent=1)
        files.append(File.generated(config, record, content=text))
    wanted: set[str] = set()
    texts = [*pages, *(ROOT / "docs").glob("*.md")]
    for path in texts:
        wanted |= set(_linked_sources(path))
    # Every step's page is there, for the differences link to them.
    wanted |= {f"steps/{folder.name}" for folder in (ROOT / "steps").glob("step??")}
    for name in sorted(wanted):
        text = _source_page(ROOT / name)
        if text:
            uri = source_uri(name)
            files.append(File.generated(config, uri, content=text))


def _add(files: Files, config: MkDocsConfig, uri: str, path: Path) -> None:
    files.append(File.generated(config, uri, abs_src_path=str(path)))


def _linked_sources(page: Path) -> Iterator[str]:
    for match in _links(page.read_text(encoding="utf-8")):
        target = _repository_path(page, match["target"])
        if target is not None and _is_source(target):
            yield _source_name(target)


def _links(text: str) -> Iterator[re.Match[str]]:
    code = [match.span() for match in _CODE.finditer(text)]
    for match in _LINK.finditer(text):
        within = any(start <= match.start() < end for start, end in code)
        if not within and not _EXTERNAL.match(match["target"]):
            yield match


def _repository_path(page: Path, target: str) -> str | None:
    """The target as a path from the project's folder, if there is such a file."""
    path = posixpath.normpath(
        posixpath.join(page.parent.relative_to(ROOT).as_posix(), target)
    )
    return path if not path.startswith("..") and (ROOT / path).exists() else None


def _is_source(path: str) -> bool:
    return not path.startswith("docs/") and not path.endswith(".md")


def _source_name(path: str) -> str:
    """The file or folder that has the page on which `path` is shown."""
    folder = re.match(r"steps/step\d\d\b|chapters/[\w-]+/wrong\b", path)
    return folder[0] if folder else path


def source_uri(path: str) -> str:
    """The page for a source, and for a file of a step its place on that page."""
    name = _source_name(path)
    anchor = "" if name == path.rstrip("/") else "#" + _file_anchor(path)
    return f"source/{name.replace('/', '-').removesuffix('.py')}.md{anchor}"


def _file_anchor(path: str) -> str:
    return path.replace("/", "-").replace(".", "-").replace("_", "-").strip("-")


@functools.cache
def _source_page(path: Path) -> str:
    """Markdown that shows a file, or the files of a folder."""
    name = path.relative_to(ROOT).as_posix()
    options = (
        f"---\ndescription: The source of {name}, as the book shows it.\n"
        "search:\n  exclude: true\n---\n"
    )
    if path.is_file():
        return f"{options}# `{name}`\n\n{_listing(path)}\n"
    if path.name == "wrong":
        files = sorted(path.glob("*.py"))
        anchors = {f: _file_anchor(f.relative_to(ROOT).as_posix()) for f in files}
        return options + wrong_answers.page(path, ROOT, anchors)
    parts = [f"{options}# `{name}/`"]
    for file in listing.step_files(path):
        relative = file.relative_to(ROOT).as_posix()
        parts.append(f"## `{file.name}` {{ #{_file_anchor(relative)} }}")
        parts.append(_listing(file))
    return "\n\n".join(parts) + "\n" if len(parts) > 1 else ""


def _listing(path: Path) -> str:
    language = _LANGUAGES.get(path.suffix, "text")
    text = path.read_text(encoding="utf-8").rstrip("\n")
    return listing.fenced(text, f'{language} linenums="1"')


# -- the text of a page -------------------------------------------------------


def on_page_markdown(
    markdown: str, *, page: SitePage, config: MkDocsConfig, files: Files
) -> str:
    path = _text_file(page)
    if path is None:
        return markdown
    site = _current()
    drawn = site.drawn[page.file.src_uri] = []

    def keep(finished: str) -> str:
        drawn.append(finished)
        return _PLACEHOLDER.format(len(drawn) - 1)

    name = path.relative_to(ROOT).as_posix()
    functions = functions_for(path, site.sources)
    try:
        text = Page(name, markdown, site.sources, functions).for_site(keep)
    except BookError as error:
        raise PluginError(str(error)) from error
    return _with_site_links(text, path, page.file.src_uri, files)


def _text_file(page: SitePage) -> Path | None:
    """The file in the repository that a page comes from; None for a generated one."""
    if page.file.src_uri.startswith("source/"):
        return None
    return Path(page.file.abs_src_path or "")


def _with_site_links(text: str, path: Path, uri: str, files: Files) -> str:
    parts = []
    position = 0
    for match in _links(text):
        target = _site_target(path, match["target"], match["anchor"] or "", files)
        if target is None:
            continue
        relative = posixpath.relpath(target.partition("#")[0], posixpath.dirname(uri))
        anchor = target.partition("#")[2]
        parts.append(text[position : match.start()])
        parts.append(match["open"] + relative + (f"#{anchor}" if anchor else ""))
        position = match.end()
    return "".join(parts) + text[position:]


def _site_target(path: Path, target: str, anchor: str, files: Files) -> str | None:
    """Where a repository's link leads on the site; None leaves it to MkDocs."""
    found = _repository_path(path, target)
    if found is None:
        return None
    if (ROOT / found / "README.md").exists():
        found = f"{found}/README.md"
    if found == "README.md":
        return "index.md" + anchor
    if found.startswith("docs/"):
        return found.removeprefix("docs/") + anchor
    if found.endswith(".md"):
        return found + anchor
    uri = source_uri(found)
    known = files.get_file_from_path(uri.partition("#")[0]) is not None
    return uri if known else None


def on_page_content(
    html: str, *, page: SitePage, config: MkDocsConfig, files: Files
) -> str:
    if not page.is_homepage:
        page.meta.setdefault("description", _first_words(html))
    # A table that scrolls must be reachable by keyboard, and keep its width to itself.
    html = re.sub(
        r"<table>(.*?)</table>",
        r'<div class="table" role="group" tabindex="0" aria-label="Table">'
        r'<table class="plain">\1</table></div>',
        html,
        flags=re.DOTALL,
    )
    # A head without words is none: a screen reader would say "blank" for each cell.
    html = re.sub(r"<th([^>]*)></th>", r"<td\1></td>", html)
    html = with_marks_behind(html)
    for number, drawn in enumerate(_current().drawn.get(page.file.src_uri, [])):
        html = html.replace(_PLACEHOLDER.format(number), drawn)
    if page.file.src_uri.startswith("chapters/"):
        html = _with_parts(html)
    html = re.sub(
        r'<span class="filename">([^<]+)</span>',
        lambda match: _linked_filename(match[1], page, files),
        html,
    )
    html = lighter(html)
    return search.with_marks(html, code=not page.file.src_uri.endswith("solution.md"))


#: What a description has at least and at most; a search engine cuts a longer one.
_DESCRIBED = range(80, 200)


def _first_words(text: str) -> str:
    """The first sentences of a page, for whom its link is sent to."""
    found = re.search(r"<p>(.*?)</p>", text, re.DOTALL)
    plain = html.unescape(re.sub(r"<[^>]+>", "", found[1] if found else ""))
    said = ""
    for sentence in re.split(r"(?<=[.?:]) ", " ".join(plain.split())):
        longer = f"{said} {sentence}".strip()
        if len(said) >= _DESCRIBED.start or len(longer) >= _DESCRIBED.stop:
            break
        said = longer
    return said


def _with_parts(text: str) -> str:
    """Make a section of each part of a chapter, so that it can be seen as one."""
    head, *parts = re.split(r'(?=<h2 id="[\w-]+">)', text)
    sections = [
        f'<section class="part part-{part[8 : part.index(">") - 1]}">{part}</section>'
        for part in parts
    ]
    return head + "".join(sections)


def _linked_filename(name: str, page: SitePage, files: Files) -> str:
    """The title of a piece of code leads to the whole file."""
    shown = html.escape(html.unescape(name))
    uri, _, anchor = source_uri(name).partition("#")
    file = files.get_file_from_path(uri)
    if file is not None:
        address = file.url_relative_to(page.file) + (f"#{anchor}" if anchor else "")
        shown = f'<a href="{address}">{shown}</a>'
    return f'<span class="filename">{shown}</span>'


@event_priority(-100)
def on_post_build(*, config: MkDocsConfig) -> None:
    """Last: the search's own plugin has written its index."""
    folder = Path(config.site_dir)
    search.divide(folder / "search")
    assets = folder / "assets"
    style = assets / "book.css"
    style.write_text(style_sheet.without_scripts(style.read_text("utf-8")), "utf-8")
    drawing = card.picture(_current().sources)
    if drawing is not None:
        (assets / "card.png").write_bytes(card.png(drawing))
