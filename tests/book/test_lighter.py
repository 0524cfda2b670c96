"""Pages have fewer marks, and look and read the same."""

import html
import re

from book.lighter import LINES_EACH, lighter


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", page))


def listing(lines: int) -> str:
    numbered = "\n".join(
        f'<span class="linenos" data-linenos="{n}"></span><span class="n">x</span>'
        f'<span class="p">,</span> <span class="c1"># {n}</span>'
        for n in range(lines)
    )
    start = '<div class="language-python highlight"><pre><span></span><code>'
    return f"{start}{numbered}\n</code></pre></div>"


def test_what_looks_like_plain_text_has_no_mark() -> None:
    page = listing(3)
    found = lighter(page)
    assert text_of(found) == text_of(page)
    assert 'class="n"' not in found
    assert 'class="p"' not in found
    assert found.count('class="c1"') == found.count('class="linenos"') == 3
    assert '<code style="--lines: 3">' in found


def test_a_long_source_is_in_parts_which_are_whole() -> None:
    page = listing(2 * LINES_EACH + 5)
    found = lighter(page)
    assert text_of(found) == text_of(page)
    assert re.findall(r'class="lines" style="--lines: (\d+)"', found) == [
        *(str(LINES_EACH), str(LINES_EACH), "5")
    ]
    for part in found.split('<span class="lines"')[1:]:
        assert part.count("<span") + 1 == part.count("</span>")


def test_a_mark_that_reaches_over_a_line_is_not_cut() -> None:
    page = listing(LINES_EACH + 40)
    last = f'<span class="c1"># {LINES_EACH - 1}</span>'
    page = page.replace(last, f'<span class="c1"># {LINES_EACH - 1}', 1)
    page = page.replace(f"# {LINES_EACH}</span>", f"# {LINES_EACH}</span></span>", 1)
    parts = re.findall(r'class="lines" style="--lines: (\d+)"', lighter(page))
    assert parts == [str(LINES_EACH + 1), "39"]


def test_a_terminals_words_have_no_colour_but_the_prompt() -> None:
    page = (
        '<div class="language-console highlight"><pre><span></span><code>'
        '<span class="gp">$ </span>seq<span class="w"> </span>'
        '<span class="m">1</span>\n'
        "</code></pre></div>"
    )
    found = lighter(page)
    assert text_of(found) == text_of(page)
    assert re.findall(r'<span class="(\w+)"', found) == ["gp"]
