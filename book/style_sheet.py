"""The site's style sheet, as it is for a reader whose browser runs no scripts.

Which colours a page has says an attribute that a script of the theme sets. Without it,
and until it has run, the page has the light ones; so here the dark ones are written a
second time, for a system that prefers them.
"""

from __future__ import annotations

import re

_DARK = re.compile(r'^\[data-md-color-scheme="slate"\] (\{.*?^\})', re.M | re.S)


def without_scripts(sheet: str) -> str:
    """The style sheet, and what it says of the dark scheme for a page without scripts.

    Who has chosen a scheme has the attribute that names it from the first moment.
    """
    blocks = "\n".join(
        f".no-js body:not([data-md-color-media]) {block}"
        for block in _DARK.findall(sheet)
    )
    return f"{sheet}\n@media (prefers-color-scheme: dark) {{\n{blocks}\n}}\n"
