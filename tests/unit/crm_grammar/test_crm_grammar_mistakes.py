"""What is not right is refused with line and column, and nothing is applied. Then noise: only Refused may come out of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from standfast.base.report import Refused, Report
from standfast.compat.crm.document import Configuration
from standfast.compat.crm.edit import Method, load
from standfast.compat.crm.lexer import TEXT_CHARS_MAX, TOKENS_MAX, statement_of_words, statements
from standfast.compat.crm.parser import KEYWORDS, parse, parse_text
from standfast.compat.crm.render import show

HERE = Path(__file__).parent
EMPTY = (HERE / "golden" / "empty.xml").read_bytes()


def mistakes() -> list[tuple[str, str, str]]:
    found = []
    for paragraph in (HERE / "mistakes.txt").read_text().split("\n\n"):
        text, _, expected = paragraph.rpartition("\n! ")
        if text and expected:
            place, _, words = expected.strip().partition(" ")
            found.append((text.strip("\n"), place, words))
    return found


def configuration() -> Configuration:
    return Configuration(etree.fromstring(EMPTY))


@pytest.mark.parametrize(("text", "place", "words"), mistakes(), ids=[text.split("\n")[-1][:50] for text, _, _ in mistakes()])
def test_mistakes_are_placed(text: str, place: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_text(text, "FILE")
    (report,) = refused.value.reports
    assert report.where == f"FILE:{place}", report.sentence()
    assert words in report.sentence()


def test_a_mistake_in_the_last_line_applies_nothing() -> None:
    text = "primitive a Dummy\nprimitive b Dummy\ncolocation c inf: a\x07 b\n"
    with pytest.raises(Refused, match=r"FILE:3:20: the character U\+0007"):
        parse_text(text, "FILE")


def test_limits() -> None:
    with pytest.raises(Refused, match="longer than"):
        statements("#" * (TEXT_CHARS_MAX + 1))
    with pytest.raises(Refused, match="more than"):
        statements("tag t " + "a " * TOKENS_MAX)
    with pytest.raises(Refused, match="more than"):
        statement_of_words(["tag", *("a" for _ in range(TOKENS_MAX))])
    with pytest.raises(Refused, match="nothing was given"):
        statement_of_words([])


def test_words_of_a_command_line_have_places_too() -> None:
    with pytest.raises(Refused, match="command line:1:16: location: SCORE: NODE"):
        parse(statement_of_words(["location", "l", "vip"]))


PLAIN_WORDS = """params meta op op_params op_meta utilization operations rule attributes select to and or date in spec
vip IPaddr2 ocf:heartbeat:Dummy @t ip=10.0.0.1 $id=x $id-ref=x @a @a:b $i:k=v k= =v k inf: -inf: 100: #uname eq monitor
number:lt start=1 end=2 hours=3 node1 node1: ( ) [ ] { } /x/ a:Started a:start _rsc_set_ sequential=true interval=10s
symmetrical=true loss-policy=stop role=Master read xpath:/x cib meta:a:b f1,f2 attr:a=b pattern:x description=d image=x"""
ODD_WORDS = ['"a b"', "\\\n", "\n", "#", "'", '"', "xml <tag id='t'/>"]
WORDS = st.sampled_from([*sorted(KEYWORDS), *PLAIN_WORDS.split(), *ODD_WORDS])


@given(st.lists(WORDS, max_size=14).map(" ".join))
def test_noise_made_of_words(text: str) -> None:
    only_refusals(text)


@given(st.text(max_size=120))
def test_noise(text: str) -> None:
    only_refusals(text)


def only_refusals(text: str) -> None:
    """Parsing, loading and printing raise Refused with a place, or work; and what works prints what reads back."""
    before = configuration()
    reports: tuple[Report, ...] = ()
    after = before
    try:
        after, _ = load(before, parse_text(text, "FILE"), Method.UPDATE)
    except Refused as refused:
        reports = refused.reports
    assert all(report.where.startswith("FILE:") for report in reports)
    assert show(before) == show(configuration())
    printed = show(after)
    again, _ = load(configuration(), parse_text(printed, "again"), Method.UPDATE)
    assert show(again) == printed


GOLDEN_LINES = sorted(
    line.strip()
    for path in (HERE / "golden").glob("*.crm")
    for line in path.read_text().replace("\\\n", " ").splitlines()
    if line.strip()
)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """Lines of the golden texts with words taken out, doubled, exchanged or cut."""
    lines = draw(st.lists(st.sampled_from(GOLDEN_LINES), min_size=1, max_size=4))
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        words = lines[index].split(" ")
        at, other = draw(st.integers(0, len(words) - 1)), draw(st.integers(0, len(words) - 1))
        match draw(st.sampled_from(["drop", "double", "swap", "cut", "other"])):
            case "drop":
                del words[at]
            case "double":
                words.insert(at, words[other])
            case "swap":
                words[at], words[other] = words[other], words[at]
            case "cut":
                words[at] = words[at][: draw(st.integers(0, len(words[at])))]
            case _:
                words[at] = draw(WORDS)
        lines[index] = " ".join(words)
    return "\n".join(lines)


@given(mutations())
def test_golden_texts_with_mistakes_in_them(text: str) -> None:
    only_refusals(text)
