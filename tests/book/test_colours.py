"""Figures for all eyes: what two entries of a key stand for can be told apart.

Eyes that lack a kind of cone are simulated with the matrices of Machado, Oliveira and
Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency"
(IEEE Transactions on Visualization and Computer Graphics, volume 15, 2009) for full
severity; differences are measured in CIE L*a*b* (1976). Grey is what a printer makes of
a page.
"""

import re
from itertools import combinations

import pytest

from book.drawing import COLOURS, NARROW_PX, WIDE_PX, Figure, Key, svg
from book.drawn import Sources
from book.figures.timeline import KINDS, MARKS
from book.fill import pages
from book.markers import Page
from book.pages import functions_for
from book.pictures import Pictures
from lab.paths import ROOT
from tests.book.test_figures import linear, words_on

Triple = tuple[float, float, float]
Matrix = tuple[Triple, Triple, Triple]

EYES: dict[str, Matrix] = {
    "all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
    # What each colour gives to the luminance (ITU-R BT.709).
    "grey": ((0.2126, 0.7152, 0.0722),) * 3,
}
#: Linear red, green and blue to CIE XYZ (sRGB, D65), whose white is `WHITE`.
TO_XYZ: Matrix = (
    (0.4124, 0.3576, 0.1805),
    (0.2126, 0.7152, 0.0722),
    (0.0193, 0.1192, 0.9505),
)
WHITE: Triple = (0.9505, 1.0, 1.089)
#: Two fields of colour that differ by so much are told apart at a glance; a difference
#: of 2.3 is said to be only just seen.
ENOUGH = 15.0
SOFT = Key("", "line").colour


def times(matrix: Matrix, vector: Triple) -> Triple:
    one, two, three = (
        sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix
    )
    return one, two, three


def lab_of(colour: str, eyes: Matrix) -> Triple:
    """CIE L*a*b* of a colour as these eyes see it."""
    seen = times(eyes, linear(colour))
    inside = tuple(min(1.0, max(0.0, part)) for part in seen)
    xyz = times(TO_XYZ, (inside[0], inside[1], inside[2]))

    def bent(t: float) -> float:
        return t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29

    x, y, z = (bent(part / white) for part, white in zip(xyz, WHITE, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one: str, other: str, eyes: Matrix) -> float:
    pairs = zip(lab_of(one, eyes), lab_of(other, eyes), strict=True)
    return float(sum((a - b) ** 2 for a, b in pairs) ** 0.5)


def too_alike(one: Key, other: Key) -> list[str]:
    """For which eyes, on which page, two entries of a key look the same."""
    if one.glyph != other.glyph or abs(one.fill - other.fill) >= 0.5:
        return []
    # An entry in soft grey is about shapes, whatever their colour.
    if (one.colour == SOFT) != (other.colour == SOFT):
        return []
    names = [key.colour.removeprefix("var(--chart-")[:-1] for key in (one, other)]
    pairs = [(COLOURS[names[0]][n], COLOURS[names[1]][n]) for n in (0, 1)]
    return [
        f"{one.text!r} and {other.text!r}, {scheme}, {eyes}"
        for scheme, pair in zip(("light", "dark"), pairs, strict=True)
        for eyes, matrix in EYES.items()
        if difference(*pair, matrix) < ENOUGH
    ]


@pytest.fixture(scope="module")
def in_book() -> list[Figure]:
    """Every figure of the book, as a reader has it whose record is the book's."""
    book = Sources.load().book
    found: list[Figure] = []
    real = Pictures._drawn_figure

    def noted(self: Pictures, drawn: Figure, both: Figure) -> object:
        found.append(both)
        return real(self, drawn, both)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pictures, "_drawn_figure", noted)
        for path in pages(ROOT):
            sources = Sources(book, book)
            text = path.read_text(encoding="utf-8")
            Page(path.name, text, sources, functions_for(path, sources)).filled()
    assert len(found) > 40
    return found


def test_the_entries_of_a_key_can_be_told_apart(in_book: list[Figure]) -> None:
    alike = {
        line
        for figure in in_book
        for one, other in combinations(figure.key, 2)
        for line in too_alike(one, other)
    }
    assert sorted(alike) == []


def test_kinds_and_marks_of_a_timeline_need_no_colour() -> None:
    """All of them, whether or not the book has them in one figure."""
    looks = [(key.glyph, key.fill) for key in (kind.key for kind in KINDS.values())]
    looks += [(key.glyph, key.fill) for key in MARKS.values()]
    # Nobody wants the lock and the interpreter in one picture.
    assert len(set(looks)) == len(looks) - 1
    assert {KINDS[kind].word for kind in ("head", "body")} == {"head", "body"}


@pytest.mark.parametrize(
    ("one", "other", "eyes"),
    [
        ("#c2410c", "#946200", "deuteranopia"),  # the two waits, as they once were
        ("#0b62a8", "#b4450a", "grey"),
        ("#ff0000", "#8a7a00", "protanopia"),
    ],
)
def test_what_some_eyes_confuse_is_found(one: str, other: str, eyes: str) -> None:
    seen = difference(one, other, EYES["all cones"])
    assert difference(one, other, EYES[eyes]) < ENOUGH < seen


def test_eyes_see_white_as_white() -> None:
    for matrix in EYES.values():
        assert difference("#ffffff", "#ffffff", matrix) == 0
        for row in matrix:
            assert sum(row) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_words_in_a_timeline_end_within_it(in_book: list[Figure], width: int) -> None:
    timelines = [f for f in in_book if f.name.startswith(("timeline", "lanes"))]
    assert len(timelines) > 15
    for figure in timelines:
        drawn = svg(figure, width)
        # The thing to see is measured out, and said.
        assert re.search(r'<text[^>]*font-weight="600"[^>]*>\d', drawn), figure.name
        right = float(drawn.partition('width="')[2].partition('"')[0])
        for words, begin, end in words_on(drawn):
            assert begin > -1, (figure.name, words)
            assert end < right + 1, (figure.name, words)
