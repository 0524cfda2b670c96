"""The index of the site's search: what is in it, and when a browser fetches it.

The theme fetches the index with each page, though few readers search. So the files that
it fetches (search_index.json, and as a script where the book is opened from the file
system) hold the settings alone. The texts are in texts.js, which docs/assets/search.js
loads when the search is opened: a script, because a page from a file may load nothing
else, and the same one over HTTP.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

#: The theme's own plugin leaves out what has it. It counts tags of the same name within
#: one another wrongly, so it stands on elements that hold none of their own kind.
LEFT_OUT = ' data-search-exclude="true"'

_DIFFERENCE = re.compile(r'<details class="changed">.*?</details>', re.DOTALL)


def with_marks(page: str, *, code: bool) -> str:
    """A page's HTML, told what of it the index has not.

    That is what figures are made of, and differences: both are said in words beside
    them. code: whether the other code of the page is in the index.
    """
    page = page.replace("<svg ", f"<svg{LEFT_OUT} ")
    if not code:
        return page.replace("<pre>", f"<pre{LEFT_OUT}>")
    return _DIFFERENCE.sub(
        lambda found: found[0].replace("<pre>", f"<pre{LEFT_OUT}>"), page
    )


def divide(folder: Path) -> None:
    """Take the texts out of the index that the theme's plugin has written there."""
    path = folder / "search_index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    texts = json.dumps(index.pop("docs"), ensure_ascii=False, separators=(",", ":"))
    settings = json.dumps(index | {"docs": []})
    path.write_text(settings, encoding="utf-8")
    (folder / "search_index.js").write_text(f"var __index = {settings}\n", "utf-8")
    (folder / "texts.js").write_text(f"var __texts = {texts}\n", encoding="utf-8")
