"""The book as one PDF file: `make pdf`.

It has the pages in the menu's order, with contents, page numbers and, at the end, the
answers, hints and solutions. Chromium prints it, so that it looks as the site does;
where there is none, this says so and makes nothing.

Chromium cannot print the number of the page that something is on. So the book is
printed twice: the first time tells where everything is, the second time says so.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from book.site import SITE, build, is_current, show_warnings
from tools import optional

ROOT = Path(__file__).resolve().parent.parent
PDF = ROOT / "dist" / "book.pdf"
PRINT = Path(__file__).resolve().parent / "print"
TITLE = "How web servers handle connections"
#: A slow machine needs a minute for one of the two.
PRINT_TIMEOUT_S = 600

_MENU = re.compile(r'<a href="([\w./-]+\.html)" class="md-nav__link')
_ARTICLE = re.compile(
    r'<article class="md-content__inner md-typeset">(.*?)</article>', re.DOTALL
)
_SHEET = re.compile(r'<link rel="stylesheet" href="(assets/[^"]+)"')


class PdfError(Exception):
    """It was not printed; the message says why."""


def pages_of(site: Path) -> list[str]:
    """The pages of the menu, in its order, and then each chapter's solution."""
    menu = _MENU.findall((site / "index.html").read_text(encoding="utf-8"))
    pages = [*dict.fromkeys(["index.html", *menu])]
    solutions = (Path(page).with_name("solution.html") for page in pages)
    found = [page.as_posix() for page in solutions if (site / page).exists()]
    return [*pages, *dict.fromkeys(found)]


def document(site: Path, pages: Sequence[str], numbers: Mapping[str, int]) -> str:
    """One page of HTML with all of them; tools/print/print.js arranges it.

    numbers: for the name of a place the page that it is on, as far as it is known.
    """
    home = (site / "index.html").read_text(encoding="utf-8")
    sheets = [site / name for name in dict.fromkeys(_SHEET.findall(home))]
    style = "\n".join(
        sheet.read_text(encoding="utf-8") for sheet in (*sheets, PRINT / "print.css")
    )
    sections = []
    for page in pages:
        article = _ARTICLE.search((site / page).read_text(encoding="utf-8"))
        if article is None:
            raise PdfError(f"{page} has no text")
        sections.append(
            f'<section class="page" data-page="{page}">{article[1]}</section>'
        )
    script = (PRINT / "print.js").read_text(encoding="utf-8")
    known = json.dumps(dict(numbers))
    return (
        '<!doctype html><html lang="en" dir="ltr" class="js"><head>'
        f'<meta charset="utf-8"><title>{TITLE}</title><style>{style}</style></head>'
        '<body dir="ltr" data-md-color-scheme="default">'
        f'<div class="md-typeset">{"".join(sections)}</div>'
        f"<script>const NUMBERS = {known};\n{script}</script></body></html>"
    )


def write(site: Path, target: Path, chromium: str, pages: Sequence[str] = ()) -> int:
    """Print those pages, or all; how many sheets it has. Raises PdfError."""
    wanted = pages or pages_of(site)
    target.parent.mkdir(parents=True, exist_ok=True)
    numbers: Mapping[str, int] = {}
    # What stands in the contents moves nothing; a third time would print the same.
    for _ in range(2):
        _print(document(site, wanted, numbers), target, chromium)
        numbers, sheets = places(target.read_bytes())
    return sheets


def _print(text: str, target: Path, chromium: str) -> None:
    with tempfile.TemporaryDirectory(prefix="book-") as name:
        source = Path(name, "book.html")
        source.write_text(text, encoding="utf-8")
        command = [
            *(chromium, "--headless", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update"),
            *("--disable-sync", "--no-pdf-header-footer"),
            *(f"--user-data-dir={name}/profile", f"--print-to-pdf={target}"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            source.as_uri(),
        ]
        target.unlink(missing_ok=True)
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PRINT_TIMEOUT_S
            )
        except subprocess.TimeoutExpired:
            raise PdfError(f"Chromium printed for {PRINT_TIMEOUT_S} s") from None
    if not target.exists():
        last = [*done.stderr.strip().splitlines(), "Chromium printed nothing"]
        raise PdfError(last[-2] if len(last) > 1 else last[0])


def places(pdf: bytes) -> tuple[dict[str, int], int]:
    """For each named place the page that it is on, from 1; and how many there are."""
    objects = {
        int(number): body
        for number, body in re.findall(rb"(?ms)^(\d+) 0 obj\s(.*?)endobj", pdf)
    }

    def below(number: int) -> list[int]:
        body = objects[number]
        kids = re.search(rb"/Kids\s*\[(.*?)\]", body, re.DOTALL)
        if kids is None:
            return [number]
        return [p for k in re.findall(rb"(\d+) 0 R", kids[1]) for p in below(int(k))]

    root = re.search(rb"/Type\s*/Catalog.*?/Pages (\d+) 0 R", pdf, re.DOTALL)
    if root is None:
        raise PdfError("the PDF has no pages")
    order = {number: n for n, number in enumerate(below(int(root[1])), start=1)}
    named = re.findall(rb"/([\w.#-]+)\s*\[(\d+) 0 R\s*/XYZ", pdf)
    return {_name(name): order[int(page)] for name, page in named}, len(order)


def _name(name: bytes) -> str:
    """A name in a PDF: what is no letter of its own stands there as a number."""
    plain = re.sub(rb"#([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), name)
    return plain.decode("utf-8", "replace")


def main() -> int:
    chromium = optional.find("chromium")
    if chromium is None:
        how = optional.how_to_get(["chromium"])
        print(f"No PDF: it is printed by Chromium, which is not here. To get it: {how}")
        return 0
    show_warnings()
    try:
        if not is_current(SITE):
            print("Building the book …", flush=True)
            build()
        print("Printing it, twice …", flush=True)
        sheets = write(SITE, PDF, chromium)
    except (PdfError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book is in {PDF.relative_to(ROOT)}, on {sheets} pages.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
