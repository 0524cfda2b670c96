"""The book is made here: `python -m book --help`.

In: the text of the chapters and of docs/, the records of `lab`, the steps' sources as
text. Out: the same text with figures and code in it, for a repository browser (`fill`)
and as a site (`site`, `serve`).

markers.py    finds what stands between markers, and evaluates it
pages.py      the functions that may be called there; each group is a module:
              numbers, results (tables), pictures (figures/), work (works/), code,
              verdicts (claims)
site_hooks.py what MkDocs is told of all that
"""

import sys

if sys.version_info < (3, 11):
    sys.exit(
        "the book needs Python 3.11 or later, and this is Python %d.%d: "
        "try python3.11 -m ..." % sys.version_info[:2]
    )
