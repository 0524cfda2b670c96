"""Pages that a slow machine can show: less to lay out, and that when it is needed.

A page of sources had a mark for each comma. What has the colour of plain text has no
mark any more. And each piece of code says how many lines it has: so the style sheet
gives it its height, and the browser does the rest when it comes into view.
"""

from __future__ import annotations

import re

#: Pygments' names for what looks like plain text: names, space, punctuation, operators,
#: constants such as None.
PLAIN = ("n", "w", "p", "o", "kc", "go", "err")
#: A long source is divided into so many lines at a time.
LINES_EACH = 60

_PLAIN = re.compile(rf'<span class="(?:{"|".join(PLAIN)})">([^<]*)</span>')
_EMPTY = "<pre><span></span>"
_CODE = re.compile(r"(<pre\b[^>]*>)<code>(.*?)</code></pre>", re.DOTALL)
_CONSOLE = re.compile(r'<div class="language-console.*?</div>', re.DOTALL)
_NO_PROMPT = re.compile(r'<span class="(?!gp")[^"]*">([^<]*)</span>')


def lighter(page: str) -> str:
    """A page's HTML that looks the same."""
    page = page.replace(_EMPTY, "<pre>")
    # A terminal's words have no grammar: only its prompt is told from them.
    page = _CONSOLE.sub(lambda found: _NO_PROMPT.sub(r"\1", found[0]), page)
    return _CODE.sub(_with_lines, _PLAIN.sub(r"\1", page))


def _with_lines(found: re.Match[str]) -> str:
    before, code = found.groups()
    lines = code.removesuffix("\n").split("\n")
    if 'class="linenos"' in code and len(lines) > LINES_EACH:
        code = "".join(
            f'<span class="lines" style="--lines: {len(part)}">{_joined(part)}</span>'
            for part in _parts(lines)
        )
    return f'{before}<code style="--lines: {len(lines)}">{code}</code></pre>'


def _joined(part: list[str]) -> str:
    return "".join(f"{line}\n" for line in part)


def _parts(lines: list[str]) -> list[list[str]]:
    """So many lines at a time; more where a mark reaches over the end of one."""
    parts: list[list[str]] = [[]]
    for line in lines:
        if len(parts[-1]) >= LINES_EACH and _is_whole(parts[-1]):
            parts.append([])
        parts[-1].append(line)
    return parts


def _is_whole(part: list[str]) -> bool:
    text = "\n".join(part)
    return text.count("<span") == text.count("</span>")
