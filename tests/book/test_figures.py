"""Figures: what they draw, what they say in words, and whether they can be seen."""

import json
import re
import xml.etree.ElementTree as ElementTree
from itertools import product
from typing import Any

import pytest

from book import drawing, figures
from book.drawing import COLOURS, NARROW_PX, WIDE_PX, Figure
from book.drawn import Sources
from book.figures.lanes import lanes
from book.figures.timeline import (
    BOLD_PX,
    DEADLINE,
    KINDS,
    LETTER_PX,
    Gap,
    Traces,
    View,
    below_one_another,
    timeline,
)
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
    named = {f"var(--chart-{name})" for name in COLOURS} | {"transparent"}
    patterns = {f"url(#{each})" for each in re.findall(r'<pattern id="([^"]+)"', svg)}
    assert colours <= named | patterns


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


@pytest.mark.parametrize("name", ["cpu", "peers"])
def test_the_readers_bars_have_a_pattern_and_the_books_have_none(name: str) -> None:
    """In grey the two colours are one."""
    svg = drawing.svg(drawn(name), WIDE_PX)
    found = re.findall(r'<path[^>]*fill="([^"]+)"[^>]*><title>[^<]*\((\w+)', svg)
    assert {whose for _, whose in found} == {"the", "yours"}
    for fill, whose in found:
        assert fill.startswith("url(#") == (whose == "yours")


@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_the_title_of_an_axis_is_wrapped_where_it_is_too_long(width: int) -> None:
    lines = drawn("workers").layout(width)["layer"][0]["encoding"]["x"]["title"]
    assert " ".join(lines) == "times as many requests a second as without workers"
    assert max(map(len, lines)) * 7 <= width - 24


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


#: Those that have points, and not bars alone.
WITH_POINTS = (
    *("eight", "question", "throughput", "latency", "silent", "regimes", "settled"),
)


@pytest.mark.parametrize("name", WITH_POINTS)
def test_a_point_of_the_readers_is_told_by_its_ring(name: str) -> None:
    """Not by its colour alone, nor by what it stands beside."""
    ringed = 'datum.whose == \\"yours\\"'
    both, book = (drawn(name, sources) for sources in (BOTH, BOOK))
    for width in (WIDE_PX, NARROW_PX):
        assert ringed in json.dumps(both.layout(width))
        assert ringed not in json.dumps(book.layout(width))
    assert [key.text for key in both.key if "yours" in key.text]


PLACE = r'transform="translate\(([-\d.]+),([-\d.]+)\)"'


@pytest.mark.parametrize("name", ["eight", "question", "cpu", "peers", "compare"])
@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_the_bar_of_a_spread_ends_before_its_number(name: str, width: int) -> None:
    svg = drawing.svg(drawn(name), width)
    labels = [
        (float(x), float(y) - 4)
        for x, y in re.findall(
            rf'<text text-anchor="start" {PLACE}[^>]*>[≥≤]?\s*\d', svg
        )
    ]
    bars = [
        (float(x), float(y), float(x) + float(length))
        for x, y, length in re.findall(rf'<line {PLACE} x2="([-\d.]+)" y2="0"', svg)
    ]
    beside = [
        label - end
        for label, at in labels
        for start, y, end in bars
        if abs(y - at) < 3 and start <= label
    ]
    assert len(beside) >= len(drawn(name).rows) / 2
    assert min(beside) > 8


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
    red, green, blue = linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(colour: str) -> tuple[float, float, float]:
    """The light of each of a colour's parts, from 0 to 1 (sRGB)."""
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    red, green, blue = (
        p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
    )
    return red, green, blue


def event(name: str, tid: int, ts: float, dur: float, cat: str) -> dict[str, object]:
    return {"ph": "X", "name": name, "tid": tid, "ts": ts, "dur": dur, "cat": cat}


def said(what: str, tid: int, **args: object) -> dict[str, object]:
    return {"ph": "M", "name": what, "tid": tid, "args": args}


def made(*events: dict[str, object], settings: object = None) -> Traces:
    """A trace of these events, whose lanes are named by their numbers."""
    names = {1: "client 1", 2: "loop", 3: "operator", 4: "queue to client 1"}
    tids = {event["tid"] for event in events}
    return {
        "": {
            "traceEvents": [
                *(said("thread_name", tid, name=names[tid]) for tid in names
                  if tid in tids),
                *({"args": {}, **event} for event in events),
            ],
            "otherData": {
                "step": "step06",
                "words": "One client.",
                "conclusions": ["request 1: 40 ms"],
                "settings": settings or {},
            },
        }
    }  # fmt: skip


def marks(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers of a figure: their marks, with how they are filtered."""
    return [
        layer["mark"] | {"of": layer.get("transform", [{"filter": ""}])[0]["filter"]}
        for panel in spec.get("vconcat", [spec])
        for layer in panel["layer"]
    ]


def test_a_timeline_tells_waiting_from_work() -> None:
    figure = timeline(
        "timeline-step06",
        made(
            event("send body", 2, 0, 130, "work"),
            event("select", 2, 130, 40_000, "wait"),
            event("wait for body", 1, 130, 40_000, "wait"),
            event("held back", 4, 130, 40_000, "work"),
        ),
    )
    values = figure.layout(WIDE_PX)["data"]["values"]
    assert {value["lane"]: value["kind"] for value in values} == {
        "client 1": "body", "loop": "sleeps", "queue to client 1": "held",
    }  # fmt: skip
    assert [key.text for key in figure.key] == [
        "sleeps", "waits for the body", "held back by the kernel", "works",
    ]  # fmt: skip
    svg = drawing.svg(figure, WIDE_PX)
    assert "40 ms" in re.findall(r"<text[^>]*>([^<]*)", svg)
    assert figure.notes == ["request 1: 40 ms"]
    assert len(figure.rows) == 4


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("handler", "works"), ("sleep", "asleep"), ("select", "sleeps"),
        ("lock wait", "lock"), ("wants the interpreter", "interpreter"),
        ("wants a core", "core"), ("wait for head", "head"),
    ],
)  # fmt: skip
def test_what_a_thread_does_has_its_kind(name: str, kind: str) -> None:
    figure = timeline("t", made(event(name, 2, 0, 9_000, "")))
    (value,) = figure.layout(WIDE_PX)["data"]["values"]
    assert value["kind"] == kind
    assert figure.key == [KINDS[kind].key]


def test_a_handler_that_sleeps_is_not_drawn_as_one_that_works() -> None:
    traces = made(
        event("handler", 2, 0, 9_000, "work"), event("sleep", 2, 1_000, 7_000, "wait")
    )
    values = timeline("t", traces).layout(WIDE_PX)["data"]["values"]
    assert [(v["kind"], v["start"], v["end"]) for v in values] == [
        ("works", 0, 1), ("asleep", 1, 8), ("works", 8, 9),
    ]  # fmt: skip


def test_what_was_not_recorded_is_not_blank() -> None:
    """Of a thread; a client before it comes, and after it has left, is not there."""
    figure = timeline(
        "t",
        made(
            event("select", 2, 2_000, 3_000, "wait"),
            event("connect", 1, 2_000, 1_000, "work"),
        ),
        view=View(until_ms=9),
    )
    values = figure.layout(WIDE_PX)["data"]["values"]
    unknown = [v for v in values if v["kind"] == "unknown"]
    assert [(v["lane"], v["start"], v["end"]) for v in unknown] == [
        ("loop", 0, 2), ("loop", 5, 9),
    ]  # fmt: skip
    assert KINDS["unknown"].key in figure.key


def test_the_key_shows_a_kind_as_it_is_drawn() -> None:
    """What the key says to the eye: a height, and a pattern, outline or colour."""
    heights = {"thin": 3, "dots": 2, "bar": 14, "striped": 14}
    for name, kind in KINDS.items():
        assert kind.px == heights.get(kind.glyph, 20), name
        drawn_as = kind.fill
        if kind.glyph in ("hatched", "striped", "crossed"):
            colour = kind.colour.removeprefix("var(--chart-").removesuffix(")")
            assert drawn_as == f"url(#{kind.glyph}-{colour})"
            assert kind.glyph in drawing.PATTERNS
        else:
            assert kind.key.fill == (drawn_as == kind.colour)


def test_patterns_of_two_drawings_do_not_share_a_name() -> None:
    traces = made(event("wants the interpreter", 2, 0, 9_000, ""))
    svg = drawing.svg(timeline("t", traces), WIDE_PX)
    assert f'<pattern id="t-{WIDE_PX}-hatched-7"' in svg
    assert f'fill="url(#t-{WIDE_PX}-hatched-7)"' in svg


@pytest.mark.parametrize("width", [WIDE_PX, NARROW_PX])
def test_a_timeline_shows_where_the_server_is_told_to_stop(width: int) -> None:
    def dashes(*names: str) -> int:
        events = [event(name, n, 0, 9_000, "work") for n, name in enumerate(names, 2)]
        figure = timeline("t", made(*events))
        assert ("told to stop" in [key.text for key in figure.key]) == bool(
            "stop" in names
        )
        return drawing.svg(figure, width).count("stroke-dasharray")

    assert dashes("select", "silent") == 0
    assert dashes("select", "stop") == 1


def test_a_deadline_is_a_line_and_what_ends_a_client_is_a_mark() -> None:
    byte = event("send a byte", 1, 0, 10, "work")
    received = event("receive", 2, 2_000, 10, "work") | {"args": {"client": "client 1"}}
    status = {"args": {"status": "408 Request Timeout"}}
    told = event("told", 1, 9_000, 1, "work") | status
    figure = timeline(
        "t", made(byte, received, told, settings={"header_timeout": 0.005})
    )
    assert [key.text for key in figure.key][-2:] == ["is told 408", DEADLINE]
    (line,) = (
        layer for layer in figure.layout(WIDE_PX)["layer"]
        if layer["mark"]["type"] == "rule"
        and layer.get("data", {}).get("values", [{}])[0].get("words") == DEADLINE
    )  # fmt: skip
    assert line["data"]["values"][0]["start"] == 7  # of the first byte, and 5 ms
    svg = drawing.svg(figure, NARROW_PX)
    assert {"408", DEADLINE} <= set(re.findall(r"<text[^>]*>([^<]*)", svg))


def test_a_gap_is_measured_from_one_event_to_another() -> None:
    traces = made(
        event("send a byte", 1, 1_000, 10, "work"),
        event("send a byte", 1, 3_000, 10, "work"),
        event("told", 1, 8_000, 1_000, "work"),
    )
    gap = Gap("client 1", "send a byte", "{ms} ms in all", nth=2, until="told")
    svg = drawing.svg(timeline("t", traces, [gap]), WIDE_PX)
    assert "6.0 ms in all" in re.findall(r"<text[^>]*>([^<]*)", svg)


def words_on(svg: str) -> list[tuple[str, float, float]]:
    """Each text of a drawing, and where it begins and ends, as wide as letters are."""
    found = []
    root = ElementTree.fromstring(svg)

    def walk(node: ElementTree.Element, left: float) -> None:
        moved = re.match(r"translate\(([-\d.]+)", node.attrib.get("transform", ""))
        left += float(moved[1]) if moved else 0.0
        if node.text and node.tag.endswith("text"):
            bold = node.attrib.get("font-weight") == "600"
            long = len(node.text) * (BOLD_PX if bold else LETTER_PX)
            anchor = node.attrib.get("text-anchor", "start")
            begin = left - {"start": 0.0, "middle": long / 2, "end": long}[anchor]
            found.append((node.text, begin, begin + long))
        for child in node:
            walk(child, left)

    walk(root, 0.0)
    return found


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
    drawn = timeline("both", {"with": trace, "without": trace})
    lanes_drawn = {row[1] for row in drawn.rows}
    assert {"loop, with", "loop, without", "client 1, without"} <= lanes_drawn
    at_work = [row for row in timeline("one", {"": trace}).rows if row[1] == "loop"]
    assert len([row for row in drawn.rows if row[1] == "loop, without"]) == len(at_work)
    assert {note.partition(":")[0] for note in drawn.notes} == {"with", "without"}


def test_all_threads_of_a_server_can_share_a_lane() -> None:
    trace = json.loads((TRACES / "step06.json").read_text())
    lanes_drawn = below_one_another({"06": trace}, threads=True)
    assert list(lanes_drawn) == [
        "client 1, 06", "queue to client 1, 06", "all 6 threads, 06",
    ]  # fmt: skip
    each = below_one_another({"06": trace})
    assert len(lanes_drawn["all 6 threads, 06"]) == sum(
        len(events) for lane, events in each.items()
        if not lane.startswith(("client", "queue"))
    )  # fmt: skip


def test_an_inset_shows_the_beginning_once_more() -> None:
    trace = json.loads((TRACES / "step07.json").read_text())
    figure = timeline("t", {"07": trace}, view=View(until_ms=90, inset_ms=1.5))
    whole, inset = figure.layout(NARROW_PX)["vconcat"]
    ends = [p["layer"][0]["encoding"]["x"]["scale"]["domain"] for p in (whole, inset)]
    assert ends == [[0, 90], [0, 1.5]]
    waits = [v for v in inset["data"]["values"] if v["kind"] == "head"]
    assert len(waits) == 3
    assert all(v["start"] < v["end"] <= 1.5 for v in inset["data"]["values"])
