"""Patchsets: text as crm_diff 2.1.5 writes it, refusals, and that a patchset leads to the document it was made for."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from standfast.base.report import Refused
from standfast.cib.apply import apply
from standfast.cib.diff import make_patchset
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin


def cib_of(resources: str, epoch: int = 1, status: str = "") -> Cib:
    return Cib.parse(
        f'<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="{epoch}" num_updates="0" admin_epoch="0">'
        f"<configuration><crm_config/><nodes/><resources>{resources}</resources><constraints/></configuration>"
        f"<status>{status}</status></cib>".encode()
    )


def primitive(name: str, kind: str = "Dummy", content: str = "") -> str:
    return f'<primitive id="{name}" class="lsb" type="{kind}">{content}</primitive>'


def patched(cib: Cib, patchset: bytes) -> Cib:
    twin = cib.copy()
    apply(twin, Change((Operation(OpKind.PATCH, xml=patchset.decode()),), Origin()))
    twin.check()
    return twin


BEFORE = primitive("a") + primitive("b", content='<meta_attributes id="b-m"/>') + primitive("c")
AFTER = primitive("c") + primitive("new") + primitive("a", "Stateful")

# The output of: crm_diff -c -o before.xml -n after.xml (2.1.5)
GOLDEN = """<diff format="2" digest="c407846912c30248e48daff3c4ebf6e9">
  <version>
    <source admin_epoch="0" epoch="1" num_updates="0"/>
    <target admin_epoch="0" epoch="2" num_updates="0"/>
  </version>
  <change operation="delete" path="/cib/configuration/resources/primitive[@id='b']"/>
  <change operation="modify" path="/cib">
    <change-list>
      <change-attr name="epoch" operation="set" value="2"/>
    </change-list>
    <change-result>
      <cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" epoch="2" num_updates="0" admin_epoch="0"/>
    </change-result>
  </change>
  <change operation="move" path="/cib/configuration/resources/primitive[@id='c']" position="0"/>
  <change operation="create" path="/cib/configuration/resources" position="1">
    <primitive id="new" class="lsb" type="Dummy"/>
  </change>
  <change operation="modify" path="/cib/configuration/resources/primitive[@id='a']">
    <change-list>
      <change-attr name="type" operation="set" value="Stateful"/>
    </change-list>
    <change-result>
      <primitive id="a" class="lsb" type="Stateful"/>
    </change-result>
  </change>
  <change operation="move" path="/cib/configuration/resources/primitive[@id='a']" position="2"/>
</diff>
"""


def test_the_text_is_crm_diffs() -> None:
    before, after = cib_of(BEFORE), cib_of(AFTER, 2)
    patchset = make_patchset(before, after)
    assert patchset is not None
    text = etree.tostring(etree.fromstring(patchset), encoding="unicode", pretty_print=True)
    assert text == GOLDEN
    assert patched(before, patchset).compact() == after.compact()


def test_the_same_document_needs_no_patchset() -> None:
    assert make_patchset(cib_of(BEFORE), cib_of(BEFORE)) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<node_state id="1"><x/><x a="1"/><x/></node_state>', '<node_state id="1"><x/><x a="2"/></node_state>'),
        ('<node_state id="it\'s"><x/></node_state>', '<node_state id="it\'s"><x a="1"/></node_state>'),
        ('<node_state id="a/b"/>', '<node_state id="a/b" crmd="online"/>'),
        ('<x id="1"/><x id="1" a="b"/>', '<x id="1" a="b"/><x id="1"/>'),
    ],
)
def test_what_no_path_can_name_is_replaced_as_a_whole(old: str, new: str) -> None:
    before, after = cib_of("", 1, old), cib_of("", 2, new)
    patchset = make_patchset(before, after)
    assert patchset is not None
    assert patched(before, patchset).compact() == after.compact()


def change(operation: str, path: str, content: str = "", **attributes: str) -> str:
    extra = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f'<change operation="{operation}" path="{path}"{extra}>{content}</change>'


@pytest.mark.parametrize(
    ("xml", "exit_code", "words"),
    [
        ('<diff format="1"/>', 65, "format 2"),
        ("<diffs/>", 65, "format 2"),
        ('<diff format="2"><other/></diff>', 65, "<other> in a patchset"),
        ('<diff format="2"><version><source epoch="1"/></version></diff>', 65, "three version numbers"),
        (
            '<diff format="2"><version><source admin_epoch="0" epoch="0" num_updates="0"/></version></diff>',
            103,
            "starts from 0.0.0",
        ),
        ('<diff format="2"><version><target admin_epoch="0" epoch="0" num_updates="9"/></version></diff>', 103, "leads to 0.0.9"),
        (f'<diff format="2" digest="{"0" * 32}"/>', 104, "not the one"),
        (f'<diff format="2">{change("modify", "/cib/nothing")}</diff>', 65, "nothing at /cib/nothing"),
        (f'<diff format="2">{change("modify", "/cib")}</diff>', 65, "without its result"),
        (f'<diff format="2">{change("create", "/cib", position="0")}</diff>', 65, "of 0 elements"),
        (f'<diff format="2">{change("create", "/cib/status", "<a/>", position="-1")}</diff>', 65, "position '-1'"),
        (f'<diff format="2">{change("delete", "/cib")}</diff>', 65, "whole document"),
        (f'<diff format="2">{change("move", "/cib", position="0")}</diff>', 65, "unknown operation 'move'"),
        (f'<diff format="2">{change("dance", "/cib/status")}</diff>', 65, "unknown operation 'dance'"),
        (f'<diff format="2">{change("delete", "cib")}</diff>', 65, "column 1"),
        (f'<diff format="2">{change("delete", "/cib[1]")}</diff>', 65, "column 5"),
        (f'<diff format="2">{change("delete", "/cib/configuration/resources")}</diff>', 78, "cannot be removed"),
    ],
)
def test_what_is_refused(xml: str, exit_code: int, words: str) -> None:
    cib = cib_of(BEFORE)
    before = cib.compact()
    with pytest.raises(Refused) as caught:
        apply(cib, Change((Operation(OpKind.PATCH, xml=xml),), Origin()))
    assert (caught.value.exit_code, words in str(caught.value)) == (exit_code, True), str(caught.value)
    assert cib.compact() == before


def test_without_versions_we_count_ourselves() -> None:
    cib = cib_of(BEFORE)
    path = "/cib/configuration/resources/primitive[@id='a']"
    xml = f'<diff format="2">{change("delete", path)}</diff>'
    assert str(apply(cib, Change((Operation(OpKind.PATCH, xml=xml),), Origin(now_s=0))).after) == "0.2.0"


def shuffled(chance: random.Random, cib: Cib) -> Cib:
    """A few random edits."""
    twin = cib.copy()
    resources = twin.configuration.find("resources")
    assert resources is not None
    for number in range(chance.randrange(1, 8)):
        children = list(resources)
        child = chance.choice(children) if children else None
        kind = chance.randrange(4)
        if kind == 0 or child is None:
            new = etree.fromstring(primitive(f"n{number}"))
            if all(sibling.get("id") != f"n{number}" for sibling in children):
                resources.insert(chance.randrange(len(resources) + 1), new)
        elif kind == 1:
            resources.remove(child)
        elif kind == 2:
            resources.remove(child)
            resources.insert(chance.randrange(len(resources) + 1), child)
        else:
            child.set("description", f"it's {number}")
    twin.root.set("epoch", "2")
    twin.touched(configuration=True)
    return twin


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 7))
def test_a_patchset_leads_where_it_was_made_for(seed: int, count: int) -> None:
    before = cib_of("".join(primitive(f"p{number}") for number in range(count)))
    after = shuffled(random.Random(seed), before)
    patchset = make_patchset(before, after)
    assert patchset is not None
    assert patched(before, patchset).compact() == after.compact()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.binary(max_size=3))
def test_a_spoilt_patchset_changes_nothing_or_is_valid(seed: int, junk: bytes) -> None:
    chance = random.Random(seed)
    before = cib_of(BEFORE)
    patchset = make_patchset(before, shuffled(chance, before))
    assert patchset is not None
    at = chance.randrange(len(patchset))
    text = (patchset[:at] + junk + patchset[at + 1 :]).decode("utf-8", "replace")
    try:
        apply(before, Change((Operation(OpKind.PATCH, xml=text),), Origin()))
    except Refused:
        assert before.compact() == cib_of(BEFORE).compact()
    before.check()
