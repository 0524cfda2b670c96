"""Figures: what they draw, what they say in words, and whether they can be seen."""

import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import product

import pytest

from book import drawing, figures
from book.drawing import COLOURS, NARROW_PX, WIDE_PX, Figure
from book.drawn import Sources
from book.figures.lanes import lanes
from book.figures.timeline import below_one_another, timeline
from lab.paths import COMPARISON, ROOT, TRACES
from lab.record.measurement import Measurement
from tests.book import made_up
from tests.lab.sample_record import sample_comparison, sample_point

BOTH = Sources(
    Measurement(made_up.book(), {COMPARISON: sample_comparison()}),
    Measurement(made_up.mine(), {COMPARISON: sample_comparison(bjoern=90_000)}),
)
BOOK = Sources(BOTH.book)
ARGUMENTS: dict[str, list[object]] = {
    "eight": [],
    "question": [],
    "throughput": [["step02", "step03", "step08"]],
    "latency": [["step02", "step06"]],
    "silent": [["step07", "step08"]],
    "regimes": [["step05"], [100, 44]],
    "settled": ["step05", 100, [100, 44]],
    "cpu": [["step02", "step06"]],
    "peers": [["step08", "uvicorn"]],
    "workers": [],
    "processes": [],
    "compare": [],
}


def drawn(name: str, sources: Sources = BOTH) -> Figure:
    return figures.FIGURES[name](sources, *ARGUMENTS[name])


def test_every_figure_is_looked_at_here() -> None:
    assert set(ARGUMENTS) == set(figures.FIGURES)


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_a_figure_is_drawn_at_its_width(name: str, width: int) -> None:
    svg = drawing.svg(drawn(name), width)
    root = ElementTree.fromstring(svg)
    # On a narrow page it is shown at its own size, so no letter becomes too small.
    assert width * 0.85 <= float(root.attrib["width"]) <= width * 1.08
    assert root.attrib["role"] == "img"
    assert len(root.attrib["aria-label"]) > 20
    sizes = [float(size) for size in re.findall(r'font-size="([\d.]+)px"', svg)]
    assert min(sizes) >= 12
    colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) - {"none"}
    assert colours <= {f"var(--chart-{name})" for name in COLOURS} | {"transparent"}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_a_figure_says_the_same_in_words(name: str) -> None:
    """Whatever a mark says to the pointer stands in the table."""
    figure = drawn(name)
    svg = drawing.svg(figure, WIDE_PX)
    said = re.findall(r"<title>.*?: (≥?[\d\u202f. %]+)", svg)
    assert len(said) >= 4
    table = " ".join(cell for row in figure.rows for cell in row)
    assert [value for value in said if value.strip() not in table] == []
    assert all(len(row) == len(figure.header) for row in figure.rows)
    assert figure.caption


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_readers_record_stands_beside_the_books(name: str) -> None:
    assert "yours" in json.dumps(drawn(name).rows)
    assert "yours" not in json.dumps(drawn(name, BOOK).rows)
    assert "yours" not in json.dumps(drawn(name, BOOK).layout(WIDE_PX)["data"])


@pytest.mark.parametrize("name", ["eight", "throughput", "silent", "regimes", "peers"])
def test_a_point_that_the_generator_limited_is_hollow(name: str) -> None:
    points = [
        sample_point(server, n, [60_000.0], silent=silent, generator_bound=True)
        for server, n, silent in product(
            ("step05", "step08", "uvicorn"), (1, 10, 100), (0, 900)
        )
    ]
    record = made_up.book().model_copy(update={"points": points})
    figure = drawn(name, Sources(Measurement(record)))
    assert drawing.AT_LEAST in figure.key
    svg = drawing.svg(figure, WIDE_PX)
    marks = re.findall(r"<path[^>]*>(?=<title>)", svg)
    points_drawn = [m for m in marks if "stroke-width" in m and "fill" in m]
    assert points_drawn
    for mark in points_drawn:
        assert 'fill="var(--chart-paper)"' in mark or 'fill-opacity="0"' in mark
    assert "≥" in svg


def test_a_spread_is_drawn() -> None:
    layout = drawn("throughput", BOOK).layout(WIDE_PX)
    assert all(value["low"] < value["high"] for value in layout["data"]["values"]
               if not value["bound"])  # fmt: skip


def test_a_file_has_no_names_of_colours() -> None:
    figure = drawn("throughput", BOOK)
    light, dark = (drawing.standalone_svg(figure, s) for s in ("light", "dark"))
    for text in (light, dark):
        assert "var(" not in text
        assert figure.stamp() in text
        ElementTree.fromstring(text)
    assert COLOURS["paper"][0] in light
    assert COLOURS["paper"][1] in dark


def test_the_stamp_is_of_what_is_drawn() -> None:
    assert drawn("eight", BOOK).stamp() == drawn("eight", BOOK).stamp()
    assert drawn("eight", BOOK).stamp() != drawn("eight").stamp()


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_can_be_told_from_the_page(scheme: int) -> None:
    paper = COLOURS["paper"][scheme]
    for name, pair in COLOURS.items():
        if name not in ("paper", "grid"):
            assert contrast(pair[scheme], paper) >= 3, name
    for name in ("ink", "soft", "yours"):  # letters
        assert contrast(COLOURS[name][scheme], paper) >= 4.5, name


def test_the_style_sheet_has_the_same_colours() -> None:
    css = (ROOT / "docs" / "assets" / "book.css").read_text()
    light, dark = css.split('[data-md-color-scheme="slate"]')[:2]
    for part, scheme in ((light, 0), (dark, 1)):
        found = dict(re.findall(r"--chart-([\w]+): (#\w+);", part))
        assert found == {name: pair[scheme] for name, pair in COLOURS.items()}


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def event(name: str, tid: int, ts: float, dur: float, cat: str) -> dict[str, object]:
    return {"ph": "X", "name": name, "tid": tid, "ts": ts, "dur": dur, "cat": cat}


def said(what: str, tid: int, **args: object) -> dict[str, object]:
    return {"ph": "M", "name": what, "tid": tid, "args": args}


def test_a_timeline_tells_waiting_from_work() -> None:
    trace = {
        "traceEvents": [
            said("thread_name", 1, name="worker"),
            said("thread_name", 2, name="client 1"),
            said("thread_sort_index", 2, sort_index=0),
            said("thread_sort_index", 1, sort_index=1),
            event("send body", 1, 100, 20, "work"),
            event("select", 1, 120, 40_000, "wait"),
            event("wait for body", 2, 130, 40_000, "wait"),
            event("held back", 2, 130, 40_000, "work"),
        ],
        "otherData": {
            "step": "step06",
            "words": "One client.",
            "conclusions": ["request 1: 40 ms"],
        },
    }
    figure = timeline("timeline-step06", trace)
    values = figure.layout(WIDE_PX)["data"]["values"]
    assert [value["kind"] for value in values] == ["works", "sleeps", "body", "held"]
    assert [key.text for key in figure.key] == [
        "sleeps", "waits for the body", "held back by the kernel", "works",
    ]  # fmt: skip
    assert figure.layout(WIDE_PX)["encoding"]["y"]["sort"] == ["client 1", "worker"]
    assert "wait for body, 40.0 ms" in drawing.svg(figure, WIDE_PX)
    assert figure.notes == ["request 1: 40 ms"]
    assert len(figure.rows) == 4


@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_a_timeline_shows_where_the_server_is_told_to_stop(width: int) -> None:
    def dashes(*names: str) -> int:
        lanes = [said("thread_name", n, name=n) for n in range(len(names))]
        events = [event(name, n, 0, 9_000, "work") for n, name in enumerate(names)]
        words = {"step": "step12", "words": "", "conclusions": []}
        figure = timeline("t", {"traceEvents": lanes + events, "otherData": words})
        assert ("told to stop" in [key.text for key in figure.key]) == bool(
            "stop" in names
        )
        return drawing.svg(figure, width).count("stroke-dasharray")

    assert dashes("select", "handler") == 0
    assert dashes("select", "stop") == 1


def test_lanes_show_the_clients_of_both_traces_and_when_each_had_its_answers() -> None:
    traces = {
        name: json.loads((TRACES / f"step05-{name}.json").read_text())
        for name in ("in-step", "out-of-step")
    }
    figure = lanes("lanes", traces)
    assert [row[0] for row in figure.rows] == ["in-step"] * 8 + ["out-of-step"] * 8
    for width in (WIDE_PX, NARROW_PX):
        root = ElementTree.fromstring(drawing.svg(figure, width))
        assert width * 0.85 <= float(root.attrib["width"]) <= width * 1.08
    panels = figure.layout(WIDE_PX)["hconcat"]
    for panel, trace in zip(panels, traces.values(), strict=True):
        answered = [v for v in panel["data"]["values"] if v["answered"]]
        asked = [e for e in trace["traceEvents"] if e["name"] == "send request"]
        assert len(answered) == len(asked)


def test_two_traces_below_one_another_share_an_axis_and_no_lane() -> None:
    trace = json.loads((TRACES / "step10-computing.json").read_text())
    both = below_one_another({"with": trace, "without": trace})
    drawn = timeline("both", both)
    lanes_drawn = {row[1] for row in drawn.rows}
    assert {"loop, with", "loop, without", "client 1, without"} <= lanes_drawn
    at_work = [row for row in timeline("one", trace).rows if row[1] == "loop"]
    assert len([row for row in drawn.rows if row[1] == "loop, without"]) == len(at_work)
    assert {note.partition(":")[0] for note in drawn.notes} == {"with", "without"}
    assert below_one_another({"": trace}) == trace
