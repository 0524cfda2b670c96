"""The fill engine: what stands between markers is what the record and the code say."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import markdown
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from book.drawn import NOT_YET, BookError, Sources
from book.figures.against import silent
from book.fill import fill, main
from book.listing import marked
from book.markers import Page, parse
from book.numbers import numbers
from book.pages import functions_for
from book.pictures import Pictures
from book.verdicts import with_marks_behind
from lab.paths import ROOT, TOUGHNESS
from lab.record.measurement import Measurement
from lab.record.model import Interpreter
from lab.record.quantity import THIN_SPACE, Quantity
from lab.tough import record as toughness
from tests.book import made_up
from tests.lab.sample_record import (
    disturbed,
    on_one_core,
    sample_machine,
    sample_point,
    sample_record,
)

STEP_A = '''"""The first."""

WAIT_S = 0.1


# [loop]
def loop() -> None:
    # [inner]
    wait()
    # [/inner]


# [/loop]
'''
STEP_B = STEP_A.replace("wait()", "serve()").replace("first", "second")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two steps and one chapter."""
    files = {
        "steps/step01/server.py": STEP_A,
        "steps/step02/server.py": STEP_B,
        "steps/step02/workers.py": "POOL = 4\n",
        "steps/limits.py": "class Limits:\n    most: int = 3\n",
        "steps/step02/__init__.py": "",
        "chapters/02-workers/README.md": "# 02\n",
        "chapters/02-workers/claims.py": (
            "from lab.record.claims import at_least, claim\n"
            "@claim('It is quick.')\n"
            "def quick(m):\n"
            "    return at_least(m.rate('step02', 100), 10)\n"
            "@claim('It is very quick.')\n"
            "def very_quick(m):\n"
            "    return at_least(m.rate('step02', 100), 1e9)\n"
        ),
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(Measurement(made_up.book()), Measurement(made_up.mine()))


def page(text: str, sources: Sources, root: Path = ROOT) -> Page:
    path = root / "chapters" / "02-workers" / "README.md"
    return Page("page.md", text, sources, functions_for(path, sources, root))


def filled(text: str, sources: Sources, root: Path = ROOT) -> str:
    return page(text, sources, root).filled()[0]


def on_site(text: str, sources: Sources, root: Path = ROOT) -> str:
    return page(text, sources, root).for_site(lambda finished: finished)


def block(expression: str) -> str:
    return f"<!-- {{{expression}}} -->\n<!-- / -->\n"


# -- markers ------------------------------------------------------------------


def test_a_number_is_written_between_its_markers(sources: Sources) -> None:
    text = 'It gives <!-- {rate("step02", 100)} -->old<!-- / --> a second.\n'
    expected = f'It gives <!-- {{rate("step02", 100)}} -->12{THIN_SPACE}000<!-- / -->'
    assert filled(text, sources) == f"{expected} a second.\n"


def test_filling_twice_changes_nothing(sources: Sources, project: Path) -> None:
    text = (
        'One <!-- {1 + 1} --><!-- / -->.\n\n<!-- {diff("step02")} -->\n<!-- / -->\n\n'
        '    <!-- {code("steps/step01/server.py", "loop")} -->\n    <!-- / -->\n'
    )
    once = filled(text, sources, project)
    assert filled(once, sources, project) == once
    assert "    ```python\n    def loop() -> None:\n        wait()\n    ```" in once


def test_markers_within_code_are_left_alone(sources: Sources) -> None:
    text = (
        "`<!-- {nonsense} -->` and\n\n```text\n<!-- {nonsense} -->x<!-- / -->\n```\n\n"
        "~~~\n<!-- {nonsense} -->\n~~~\n"
    )
    assert filled(text, sources) == text
    assert on_site(text, sources) == text


def test_a_ratio_of_what_does_not_differ_is_marked() -> None:
    alike = numbers(None, ROOT)["alike"]
    slow, quick = Quantity.of([1, 2, 3], "1/s"), Quantity.of([4, 5, 6], "1/s")
    assert alike(slow, quick) == ""
    assert alike(slow, Quantity.of([3, 5, 6], "1/s")) == "≈"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n\nb <!-- {1} --> c\n", "page.md:3: a marker without its other half"),
        ("a\n\nb <!-- / --> c\n", "page.md:3: a marker without its other half"),
        ("<!-- {1} -->1<!-- / --> is\n", "page.md:1: a line must not begin"),
        ("a <!-- {1} -->\nb<!-- / -->\n", "page.md:1: an inline marker must end"),
        ("a <!-- {1} -->x <!-- {2} -->y<!-- / -->\n", "page.md:1: a marker is opened"),
        ("a <!-- {rat(1)} -->x<!-- / -->\n", "'rat' is undefined"),
        ("a <!-- {1 +} -->x<!-- / -->\n", "page.md:1: {1 +}"),
        ('a <!-- {table("rates", [])} -->x<!-- / -->\n', "on lines of their own"),
        ('\n<!-- {claim("02.quick")} -->\n<!-- / -->\n', "page.md:2: its markers must"),
        ('a <!-- {claim("02.slow")} --><!-- / -->\n', "no claim '02.slow'"),
        ('a <!-- {rate("step02", 100) + 1} --><!-- / -->\n', "cannot be added"),
        (block('figure("nine")'), "no figure 'nine'"),
        (block('table("weight", ["step01"])'), "no measure 'weight'"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(
    text: str, message: str, sources: Sources, project: Path
) -> None:
    with pytest.raises(BookError, match=r"page\.md:\d") as caught:
        filled(text, sources, project)
    assert message in str(caught.value)
    with pytest.raises(BookError):
        on_site(text, sources, project)


@given(st.text("ab`~\n <>!-{}/", max_size=60))
def test_what_is_no_marker_comes_back_as_it_was(text: str) -> None:
    try:
        parts = list(parse(text, "page.md"))
    except BookError:
        return
    assert "".join(part for part in parts if isinstance(part, str)) == text or any(
        not isinstance(part, str) for part in parts
    )


# -- both records -------------------------------------------------------------


def test_the_site_says_the_readers_number_beside_the_books(sources: Sources) -> None:
    text = 'It gives <!-- {rate("step02", 100)} -->old<!-- / --> a second.'
    shown = on_site(text, sources)
    assert f">12{THIN_SPACE}000</span>" in shown
    assert f">(yours: 15{THIN_SPACE}600)</span>" in shown
    assert "old" not in shown
    alone = on_site(text, Sources(sources.book))
    assert "yours" not in alone


def test_what_the_reader_did_not_measure_is_left_out(sources: Sources) -> None:
    text = 'It gives <!-- {rate("step02", 1000)} --><!-- / -->.'
    assert "yours" not in on_site(text, sources)
    table = on_site(block('table("rates", ["step02"], connections=[1])'), sources)
    assert "yours" not in table


def test_words_that_a_record_chooses(sources: Sources) -> None:
    """Where the reader's machine says the opposite, the page says both."""
    text = (
        'Beside others <!-- {either_way(rate("step02", 100) / rate("step06", 100), '
        'less="it is slower", same="nothing can be told", more="it is quicker")} -->'
        "<!-- / -->."
    )
    assert "it is quicker<!-- / -->." in filled(text, sources)
    assert on_site(text, sources) == "Beside others it is quicker."
    assert sources.mine is not None
    for others, said in ((0.3, "it is slower"), (1, "nothing can be told")):
        mine = sources.mine.record
        rates = {"step06": 10_000.0, "step02": 10_000.0 * others}
        points = [
            point.model_copy(
                update={
                    "repeats": [
                        repeat.model_copy(update={"throughput_rps": rate * factor})
                        for repeat, factor in zip(
                            point.repeats, (0.98, 1, 1.02), strict=True
                        )
                    ]
                }
            )
            for point in mine.points
            for server, rate in rates.items()
            if point.server == server
        ]
        other = Measurement(mine.model_copy(update={"points": points}))
        shown = on_site(text, replace(sources, mine=other))
        assert shown == (
            f'Beside others it is quicker <span class="yours">(yours: {said})</span>.'
        )


def test_without_a_record_nothing_is_made_up() -> None:
    text = (
        'It gives <!-- {rate("step02", 100) / rate("step01", 100)} --><!-- / -->. '
        '<!-- {claim("03.a_fifth")} --><!-- / -->\n\n'
        + block('table("rates", ["step01"])')
        + block('figure("eight")')
        + block("points()")
        + block("machine()")
    )
    for shown in (filled(text, Sources()), on_site(text, Sources())):
        visible = re.sub(r'title="[^"]*"', "", shown)
        assert len(re.findall(rf"{NOT_YET}(?! -->)", visible)) == 6
        assert not re.search(r"\d{3}", re.sub(r"<!-- .*? -->", "", visible))


def test_a_point_that_the_book_lacks_is_warned_of(
    sources: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    shown = on_site('a\nb <!-- {rate("step02", 7)} --><!-- / -->', sources)
    assert "not measured" in shown
    assert "page.md:2: step02, 7 connections" in caplog.text


def test_a_generator_bound_point_is_never_the_servers_speed() -> None:
    bound = sample_point("step08", 100, [70_000, 71_000], generator_bound=True)
    record = made_up.book().model_copy(update={"points": [bound]})
    sources = Sources(Measurement(record))
    number = filled('a <!-- {rate("step08", 100)} --><!-- / -->', sources)
    table = filled(block('table("rates", ["step08"])'), sources)
    for text in (number, table, on_site(block("points()"), sources)):
        assert f"≥{THIN_SPACE}70{THIN_SPACE}500" in text


def test_a_table_of_what_nobody_measured_is_warned_of(
    sources: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    on_site(block('table("stats", ["step03"], names=["sighs"])'), sources)
    assert "nothing was measured of: What the server counted" in caplog.text


def test_a_column_in_which_nothing_was_measured_is_left_out(sources: Sources) -> None:
    text = filled(block('table("rates", ["step03"], connections=[7, 100])'), sources)
    assert "| connections | 100 |" in text


def test_clients_that_do_not_read_stand_beside_none(sources: Sources) -> None:
    asked = 'table("silent", ["step09"], connections=[10], manner="unread")'
    text = filled(block(asked), sources)
    assert "| server | 0 not reading | 4 not reading | what is left |" in text
    assert re.search(r"\| 09 never block, 10 active \| .*70.000 \|", text)
    assert "beside clients that do not read, measured with the embedded" in text
    shown = silent(sources, ["step09"], [10], manner="unread")
    assert shown.name == "unread-09"
    assert "4 not reading" in shown.header
    assert "not measured" not in str(shown.rows)


def test_system_calls_are_told_by_name(sources: Sources) -> None:
    text = filled(block('table("syscalls", ["step06", "step07"])'), sources)
    assert "| server | all | sendto | recvfrom |" in text
    assert "| 06 both | 3.0 | 2.0 | 1.0 |" in text


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('constant("steps/step02/workers.py", "POOL") * 2', "8"),
        ('1 / constant("steps/step01/server.py", "WAIT_S")', "10"),
        ('constant("steps/limits.py", "Limits.most")', "3"),
        ('lines("steps/step02")', "4"),
        ('lines("steps/step01/server.py", "steps/step02/workers.py")', "4"),
        ('percent(rate("step01", 100) / rate("step02", 100))', f"100{THIN_SPACE}%"),
        ('latency("step02", 100, "p99")', f"12.5{THIN_SPACE}ms"),
        ('stat("step03", 100, "ebadf")', "7"),
        ('rate("step03", 100) * latency("step03", 100)', "100"),
        ("12345.5", f"12{THIN_SPACE}345.5"),
        ('setting("grace")', "10"),
        ('setting("max_body_bytes")', f"1{THIN_SPACE}048{THIN_SPACE}576"),
    ],
)
def test_numbers_are_printed_as_a_sentence_needs_them(
    expression: str, expected: str, sources: Sources, project: Path
) -> None:
    text = filled(f"a <!-- {{{expression}}} --><!-- / -->", sources, project)
    assert text.removesuffix("<!-- / -->").endswith(f"-->{expected}")


# -- code ---------------------------------------------------------------------


def test_code_is_pulled_by_its_marker(sources: Sources, project: Path) -> None:
    text = filled(block('code("steps/step01/server.py", "loop")'), sources, project)
    assert "```python\ndef loop() -> None:\n    wait()\n```" in text
    assert "](../../steps/step01/server.py)" in text
    assert "[inner]" not in text


def test_a_marker_within_leaves_no_gap() -> None:
    source = "# [a]\nb()\n\n# [c]\n\nd()\n\n# [/c]\n\n\ne()\n# [/a]\n"
    text, numbers = marked(source, "a", "x.py")
    assert text == "b()\n\nd()\n\n\ne()"
    assert numbers == [2, 3, 6, 7, 10, 11]


NEW_A = """class Server:
    def serve(self) -> None:
        first()

        again()

    def ready(self) -> None:
        old()
"""
NEW_B = """# [serve]
class Loop:
    def serve(self) -> None:
        try:
            first()
            second()

        finally:
            again()

    # [advance]
    def advance(self) -> None:
        old()
        young()
    # [/advance]


# [/serve]
"""


@pytest.fixture
def changed(project: Path) -> Path:
    (project / "steps/step01/server.py").write_text(NEW_A)
    (project / "steps/step02/server.py").write_text(NEW_B)
    return project


def test_what_is_new_in_a_function_is_marked(sources: Sources, changed: Path) -> None:
    """On the site as highlighted lines, in the repository as lines with a sign."""
    text = block('code("steps/step02/server.py", "serve", new={"advance": "ready"})')
    in_repository = filled(text, sources, changed)
    assert "```diff\n  class Loop:\n      def serve(self)" in in_repository
    assert "+         try:\n              first()\n+             second()\n+\n" in (
        in_repository
    )
    assert "\n          old()\n+         young()\n```" in in_repository
    assert "Lines with a + are new in step02" in in_repository
    shown = on_site(text, sources, changed)
    assert 'title="steps/step02/server.py" hl_lines="3 5 6 7 10 12"' in shown
    assert "Lines with a + are new in step02" in shown


def test_a_function_of_another_name_is_new_as_a_whole(
    sources: Sources, changed: Path
) -> None:
    """And what is new as a whole has no mark, but says so to whoever asks for one."""
    text = block('code("steps/step02/server.py", "advance", new=True)')
    with pytest.raises(BookError, match="all is new, or nothing"):
        on_site(text, sources, changed)


def test_a_special_method_of_another_class_is_no_predecessor(
    sources: Sources, changed: Path
) -> None:
    for step, name in (("step01", "Other"), ("step02", "Loop")):
        path = changed / "steps" / step / "made.py"
        path.write_text(
            f"# [made]\nclass {name}:\n    def __init__(self) -> None:\n"
            "        pass\n\n    def run(self) -> None:\n        pass\n\n\n# [/made]\n"
        )
    text = block('code("steps/step02/made.py", "made", new=True)')
    assert 'hl_lines="2 3"' in on_site(text, sources, changed)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("# [/loop]", ""), "no marker [loop]"),
        (("# [loop]", ""), "stands there twice"),
        (("# [/loop]", "# [/loop]\n# [loop]"), "stands there twice"),
    ],
)
def test_a_missing_or_doubled_marker_is_an_error(
    change: tuple[str, str], message: str, sources: Sources, project: Path
) -> None:
    (project / "steps/step01/server.py").write_text(STEP_A.replace(*change))
    text = block('code("steps/step01/server.py", "loop")')
    with pytest.raises(BookError) as caught:
        on_site(text, sources, project)
    assert message in str(caught.value)


def test_a_difference_is_of_the_real_files(sources: Sources, project: Path) -> None:
    text = block('diff("step02")')
    in_repository = filled(text, sources, project)
    shown = on_site(text, sources, project)
    for whole in (in_repository, shown):
        assert "-    wait()\n" in whole
        assert "+    serve()\n" in whole
        assert "against [`steps/step01/server.py`]" in whole
        assert "`steps/step02/workers.py`" in whole
        assert "__init__" not in whole
        assert "[loop]" not in whole
    assert "POOL" in shown
    assert "POOL" not in in_repository


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("from steps.step02.server import loop", "loop()"),
        ("from steps.step02 import server", "server.loop()"),
    ],
)
def test_a_file_that_adds_to_an_earlier_one_is_shown_whole(
    sources: Sources, project: Path, imports: str, call: str
) -> None:
    inherits = f"{imports}\n\n{call}\n"
    rewrites = STEP_B.replace("serve()", "poll()")
    for step, text in (("step03", inherits), ("step04", rewrites)):
        (project / "steps" / step).mkdir()
        (project / "steps" / step / "server.py").write_text(text)
    third = filled(block('diff("step03")'), sources, project)
    assert "adds to [`steps/step02/server.py`]" in third
    assert f"\n{call}\n" in third
    fourth = filled(block('diff("step04")'), sources, project)
    assert "against [`steps/step02/server.py`]" in fourth
    assert "-    serve()\n+    poll()\n" in fourth


def test_a_file_adds_to_the_one_that_it_imports_as_a_whole(
    sources: Sources, project: Path
) -> None:
    # Both change what step 02 has, the later one as the earlier one has left it.
    rest = "from steps.step02.server import loop\n\nloop()\n" + STEP_B
    for step, first in (
        ("step03", ""),
        ("step04", "from steps.step03 import server\n"),
    ):
        (project / "steps" / step).mkdir()
        (project / "steps" / step / "server.py").write_text(first + rest)
    fourth = filled(block('diff("step04")'), sources, project)
    assert "adds to [`steps/step03/server.py`]" in fourth


# -- toughness ----------------------------------------------------------------


def test_what_the_proofs_saw(sources: Sources, project: Path) -> None:
    text = 'Of <!-- {tough("drain", "requests begun")} --><!-- / -->, all.\n\n' + block(
        "tough_table()"
    )
    assert filled(text, sources, project).count(NOT_YET) == 2
    facts: dict[str, float | int | str] = {
        "requests begun": 1234567,
        "ms": 0.5,
        "answers": "3 × 200",
    }
    drain = toughness.Seen(
        did="SIGTERM, 50 times",
        facts=facts,
        complaints=[],
        seconds=1,
        date="2000-01-01T00:00:00+00:00",
        commit="abc",
        python="3.11.7",
        system="Linux 6.1",
        cores=2,
    )
    path = project / TOUGHNESS.relative_to(ROOT)
    toughness.save("drain", drain, path)
    soak = drain.model_copy(update={"complaints": ["memory grows"]})
    toughness.save("soak", soak, path)
    for shown in (filled(text, sources, project), on_site(text, sources, project)):
        assert f"1{THIN_SPACE}234{THIN_SPACE}567<!-- / -->, all" in shown or (
            f"Of 1{THIN_SPACE}234{THIN_SPACE}567, all" in shown
        )
        assert "SIGTERM, 50 times" in shown
        assert "ms 0.5; answers 3 × 200" in shown
        assert "ms 0.5; answers 3 × 200; memory grows" in shown
        assert "✓ holds" in shown
        assert "✗ broken" in shown
    assert "soak" not in filled(block('tough_table("drain")'), sources, project)
    assert NOT_YET in filled(block('tough_table("drain", "kill")'), sources, project)
    with pytest.raises(BookError, match="saw no 'losses'"):
        filled('Of <!-- {tough("drain", "losses")} --><!-- / -->', sources, project)


# -- claims -------------------------------------------------------------------


def test_a_claim_says_its_outcome_in_both_records(
    sources: Sources, project: Path
) -> None:
    text = (
        'Yes. <!-- {claim("quick")} --><!-- / --> '
        'No. <!-- {claim("very_quick")} --><!-- / -->'
    )
    in_repository = filled(text, sources, project)
    assert "[✓ holds](../../docs/results.md#claim-02-quick)" in in_repository
    assert "[✗ broken](../../docs/results.md#claim-02-very_quick)" in in_repository
    shown = on_site(text, sources, project)
    # A mark of what holds is small, and says in words only to whom does not see it.
    assert "[yours: ✓]" in shown
    assert 'aria-label="yours: ✓ holds"' in shown
    assert "[yours: ✗ broken]" in shown
    assert "is at least 10" in shown


def test_the_table_of_claims_has_the_anchors_that_badges_lead_to(
    sources: Sources, project: Path
) -> None:
    shown = on_site(block('claims("02")'), sources, project)
    assert 'id="claim-02-quick"' in shown
    assert "✗ broken: " in shown
    assert '<a id="claim-02-quick">' in filled(block("claims()"), sources, project)


# -- the repository -----------------------------------------------------------


def test_fill_writes_and_check_refuses_what_is_stale(
    project: Path, sources: Sources
) -> None:
    readme = project / "README.md"
    readme.write_text(
        'Is <!-- {rate("step02", 100)} -->?<!-- / -->.\n\n' + block('figure("eight")')
    )
    figures = project / "docs" / "figures"
    figures.mkdir(parents=True)
    (figures / "forgotten-light.svg").write_text("<svg/>")

    found = fill(sources, change=False, root=project)
    assert found[0] == "README.md:1"
    assert "docs/figures/08-at-100-dark.svg" in found
    assert "docs/figures/forgotten-light.svg" in found
    assert "?" in readme.read_text()

    assert fill(sources, change=True, root=project) == found
    assert fill(sources, change=False, root=project) == []
    assert not (figures / "forgotten-light.svg").exists()

    other = made_up.book().model_copy(update={"points": sources.book.record.points[:9]})  # type: ignore[union-attr]
    stale = fill(Sources(Measurement(other)), change=False, root=project)
    assert "docs/figures/08-at-100-light.svg" in stale


def test_the_projects_own_text_is_filled(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_a_repository_browser_reads_what_was_filled(sources: Sources) -> None:
    text = (
        "# Title\n\nA number <!-- {1 + 1} --><!-- / --> here.\n\n"
        '<details markdown="1">\n<summary>Answer</summary>\n\nIt is *folded*.\n\n'
        + block('table("rates", ["step02", "step03"])')
        + "\n</details>\n\n"
        + block('figure("eight")')
    )
    html = (
        MarkdownIt("commonmark", {"html": True})
        .enable("table")
        .render(filled(text, sources))
    )
    assert "<em>folded</em>" in html
    assert html.count("<table>") == 2
    assert "<p>A number <!-- {1 + 1} -->2<!-- / --> here.</p>" in html
    assert "-light.svg" in html
    assert "|" not in html


def test_the_machine_and_the_record_are_told(sources: Sources) -> None:
    shown = on_site(block("machine()"), sources)
    assert sample_machine().cpu_model in shown
    assert "book.json" in shown


def test_each_record_is_named_with_what_it_was_made_with() -> None:
    ours = sample_record()
    beside = sample_record()
    with_gil, without = (
        Interpreter(
            gil=gil, version="3.99.1", implementation="C", compiler="cc 9", options=""
        )
        for gil in (True, False)
    )
    beside = beside.model_copy(update={"pythons": [with_gil, without]})
    text = block("records()")
    shown = on_site(text, Sources(Measurement(ours, {"free-threaded.json": beside})))
    assert f"CPython {ours.machine.python}" in shown
    assert "free-threaded.json" in shown
    assert "C 3.99.1 with the GIL, built by cc 9; C 3.99.1 without" in shown
    assert shown.count(ours.machine.cpu_model) == 1  # one machine, said once
    other = beside.machine.model_copy(update={"cpu_model": "Another"})
    beside = beside.model_copy(update={"machine": other})
    shown = on_site(text, Sources(Measurement(ours, {"free-threaded.json": beside})))
    assert "Another" in shown
    assert ours.machine.cpu_model in shown


def test_what_makes_a_readers_figures_doubtful_is_told(sources: Sources) -> None:
    mine = disturbed(on_one_core(sample_record()), 1)
    shown = on_site(block("machine()"), replace(sources, mine=Measurement(mine)))
    assert "1 of 3 runs" in shown
    assert "one core, which server and generator shared" in shown


def test_the_mark_of_what_holds_stands_behind_its_paragraph() -> None:
    holds = '<a class="claim holds" href="r.html#a" title="1 &lt; 2">✓</a>'
    broken = '<a class="claim broken" href="r.html#b">✗ broken</a>'
    text = f"<p>So it is. {holds} And so. {broken}\nMore.</p><p>Nothing.</p>"
    expected = f"<p>So it is. And so. {broken}\nMore. {holds}</p><p>Nothing.</p>"
    assert with_marks_behind(text) == expected


# -- diagrams -----------------------------------------------------------------


def test_a_diagram_is_drawn_in_both_schemes_and_in_words() -> None:
    page = Pictures(ROOT / "chapters" / "01-x" / "README.md", Sources())
    drawn = page.diagram("program-and-kernel", caption="Two boxes.", words="One & two.")
    assert "One &amp; two." in drawn.site()
    assert "var(--chart-ink)" in drawn.site()
    assert "One & two." in drawn.repository()
    assert "program-and-kernel-dark.svg" in drawn.repository()
    pictures = [make() for make in drawn.files.values()]
    assert len(set(pictures)) == 2
    for picture in pictures:
        assert "var(" not in picture
        assert drawn.stamp in picture  # or it would never be drawn again
        ElementTree.fromstring(picture)
    with pytest.raises(BookError, match="no diagram"):
        page.diagram("nothing", caption="", words="")


def test_a_mark_that_names_a_command_is_a_mark(sources: Sources) -> None:
    """Its title says what is to be run, between backticks."""
    text = on_site(
        'So. <!-- {claim("06.innocent_side_by_side")} --><!-- / -->\n', sources
    )
    shown = markdown.markdown(text, extensions=["attr_list"])
    assert re.search(r'<a class="claim needs-more"[^>]*title="[^"]*python -m', shown)
    assert "{" not in re.sub(r"<!--.*?-->", "", shown)
