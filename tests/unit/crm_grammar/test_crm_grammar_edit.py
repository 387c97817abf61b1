"""Edits of a configuration as conversations: what is defined, loaded, deleted, renamed, and what follows from it.

Every edit is cut short by a mistake somewhere, too: then the configuration is as it was.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.compat.crm.changes import changed_ids, merge, operations
from standfast.compat.crm.document import Configuration
from standfast.compat.crm.edit import Method, define, delete, load, rename
from standfast.compat.crm.lexer import statements
from standfast.compat.crm.parser import parse, parse_text
from standfast.compat.crm.render import select, show, show_xml

EMPTY = (Path(__file__).parent / "golden" / "empty.xml").read_bytes()
BASE = """primitive a Dummy
primitive b Dummy op monitor interval=10s
primitive c Dummy
primitive d Dummy
group g a b
clone cl c
location l1 g 100: node1
colocation co inf: d g
order o Mandatory: d g
tag t1 d a
property cib-bootstrap-options: stonith-enabled=false
"""


def made(text: str = BASE) -> Configuration:
    empty = Configuration(etree.fromstring(EMPTY))
    return load(empty, parse_text(text), Method.UPDATE)[0]


def told(before: Configuration, text: str, method: Method = Method.UPDATE) -> tuple[Configuration, list[str]]:
    after, notices = load(before, parse_text(text), method)
    return after, [notice.what for notice in notices]


def shown(configuration: Configuration, *names: str) -> str:
    return show(configuration, select(configuration, names))


def test_members_move_into_their_containers_with_their_constraints() -> None:
    before = made("primitive a Dummy\nprimitive b Dummy\nprimitive c Dummy\nlocation l a 5: node1\ncolocation k inf: a b\n")
    after, notices = told(before, "group g a b")
    assert shown(after, "g", "l") == "group g a b\nlocation l g 5: node1"
    assert after.find("k") is None, "a colocation of a group with itself says nothing"
    assert "location:l now applies to g instead of a" in notices


def test_a_member_that_is_no_longer_named_stays_as_a_resource() -> None:
    after, _ = told(made(), "group g b")
    assert shown(after, "g", "a") == "primitive a Dummy\ngroup g b"
    assert [op["kind"] for op in operations(made(), after)] == ["replace", "create"]


def test_a_container_that_is_deleted_leaves_its_members_and_constraints() -> None:
    after, notices = delete(made(), ["g"])
    assert shown(after, "a", "b", "l1", "co").splitlines() == [
        "primitive a Dummy",
        "primitive b Dummy \\",
        "\top monitor interval=10s",
        "colocation co inf: d a",
        "location l1 a 100: node1",
    ]
    assert any("now applies to a" in notice.what for notice in notices)


def test_what_hangs_in_the_air_is_deleted_too() -> None:
    after, notices = delete(made(), ["d"])
    texts = [notice.what for notice in notices]
    assert "hanging colocation:co deleted" in texts
    assert "hanging order:o deleted" in texts
    assert "tag:t1 updated" in texts
    assert shown(after, "t1") == "tag t1 a"
    assert delete(after, ["a", "b"])[0].find("g") is None, "an empty group goes"


def test_a_template_takes_its_users_along() -> None:
    before = made("rsc_template t IPaddr2 params cidr_netmask=24\nprimitive v @t params ip=1.2.3.4\n")
    after, notices = delete(before, ["t"])
    assert [item.keyword for item in after.objects()] == ["node", "node"]
    assert "hanging primitive:v deleted" in [notice.what for notice in notices]


@pytest.mark.parametrize("names", [["a"], ["g"], ["d", "a"]])
def test_running_resources_are_not_deleted(names: list[str]) -> None:
    before = made()
    with pytest.raises(Refused, match="resource a is running"):
        delete(before, names, running={"a"})
    assert show(before) == show(made())


def test_deleting_what_is_not_there() -> None:
    with pytest.raises(Refused, match="object nosuch does not exist"):
        delete(made(), ["d", "nosuch"])
    assert delete(made(), ["nosuch"], is_forced=True)[0].find("d") is not None


def test_rename_follows_references() -> None:
    after, _ = rename(made(), "d", "dd")
    assert shown(after, "co", "o", "t1") == "tag t1 dd a\ncolocation co inf: dd g\norder o Mandatory: dd g"
    for old, new in (("nosuch", "x"), ("d", "a"), ("d", "1x"), ("cib-bootstrap-options", "x")):
        with pytest.raises(Refused):
            rename(made(), old, new)


def test_methods_of_load() -> None:
    text = "primitive d Dummy params fake=1\nproperty cib-bootstrap-options: maintenance-mode=true\n"
    updated, _ = told(made(), text)
    assert "fake=1" in shown(updated, "d")
    assert "stonith-enabled=false" in show(updated)
    assert updated.find("g") is not None
    replaced, _ = told(made(), text, Method.REPLACE)
    assert [item.ident for item in replaced.objects()] == ["1", "2", "d", "cib-bootstrap-options"]
    assert "stonith-enabled" not in show(replaced)
    pushed, _ = told(made(), text, Method.PUSH)
    assert [item.ident for item in pushed.objects()] == ["1", "2", "d", "cib-bootstrap-options"]
    assert "stonith-enabled=false" in show(pushed)
    with pytest.raises(Refused, match="resource a is running"):
        load(made(), parse_text(text), Method.REPLACE, running={"a"})
    assert load(made(), parse_text(text), Method.REPLACE, running={"d"})[0].find("a") is None


def test_edit_deletes_what_was_chosen_and_is_gone_from_the_text() -> None:
    before = made()
    chosen = select(before, ["d", "o", "co"])
    after, _ = load(before, parse_text("primitive d Dummy params fake=2"), Method.EDIT, chosen)
    assert after.find("o") is None
    assert after.find("co") is None
    assert after.find("l1") is not None
    with pytest.raises(Refused, match="not picked for editing"):
        load(before, parse_text("primitive a Dummy"), Method.EDIT, chosen)
    everything = select(before, [])
    after, _ = load(before, parse_text("primitive x Dummy"), Method.EDIT, everything)
    assert [item.name for item in after.objects()] == ["node1", "node2", "x"], "no text deletes a node"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("group g2 a", "a is in use already at g"),
        ("group g2 nosuch", "nosuch that does not exist"),
        ("group g2 cl", "a group cannot hold cl"),
        ("clone c2 cl", "a clone cannot hold cl"),
        ("colocation x inf: d nosuch", "names nosuch"),
        ("order x { nosuch d }", "which does not exist"),
        ("primitive v @nosuch", "names nosuch"),
        ("primitive v Dummy params $id-ref=nosuch", "nothing has the id nosuch"),
        ("monitor nosuch 10s", "no primitive nosuch"),
        ("monitor b 10s", "already has a monitor"),
        ("primitive v Dummy\nprimitive v Dummy", "defined twice"),
        ("location d d 5: node1", "in use already by a primitive"),
    ],
)
def test_meaningless_texts_change_nothing(text: str, words: str) -> None:
    before = made()
    with pytest.raises(Refused) as refused:
        load(before, parse_text("primitive first Dummy\n" + text, "FILE"), Method.UPDATE)
    assert words in str(refused.value)
    assert refused.value.reports[0].where.startswith(("FILE:2:", "FILE:3:"))
    assert show(before) == show(made())


def test_every_prefix_of_an_edit_is_whole() -> None:
    """The text cut after each character: loaded whole or refused, never half."""
    text = "primitive x IPaddr2 params ip=1.2.3.4 op monitor interval=10s\ncolocation k inf: x d\n"
    before = made()
    for end in range(len(text)):
        try:
            after, _ = load(before, parse_text(text[:end]), Method.UPDATE)
        except Refused:
            after = before
        assert show(before) == show(made())
        assert set(changed_ids(before, after)) <= {"x", "k"}


def test_single_statements_add_to_sets_and_nodes() -> None:
    configuration = made()
    for line in (
        "property maintenance-mode=true",
        "node node1 attributes a=b",
        "node node1 attributes c=d",
        "monitor d 15s:7s",
        "op_defaults timeout=30s",
    ):
        configuration, _ = define(configuration, parse(statements(line)[0]))
    text = show(configuration)
    assert "stonith-enabled=false \\\n\tmaintenance-mode=true" in text
    assert "node 1: node1 \\\n\tattributes a=b c=d" in text
    assert "op monitor interval=15s timeout=7s" in text
    assert "op_defaults op-options: \\\n\ttimeout=30s" in text
    with pytest.raises(Refused, match="in use already"):
        define(configuration, parse(statements("primitive d Dummy")[0]))


def test_ids_are_kept_when_an_object_changes() -> None:
    xml = EMPTY.replace(
        b"<resources/>",
        b'<resources><primitive id="v" class="ocf" provider="heartbeat" type="Dummy"><operations>'
        b'<op id="odd" name="monitor" interval="10s"/></operations><instance_attributes id="weird">'
        b'<nvpair id="w1" name="fake" value="1"/></instance_attributes></primitive></resources>',
    )
    before = Configuration(etree.fromstring(xml))
    text = show(before).replace("fake=1", "fake=2 state=/x")
    after, _ = load(before, parse_text(text), Method.UPDATE)
    found = after.find("v")
    assert found is not None
    ids = [element.get("id") for element in found.element.iter()]
    assert ids == ["v", None, "odd", "weird", "w1", "weird-state"]


def test_nodes_are_known_by_name_and_keep_their_id() -> None:
    after, notices = told(made(), "node 7: node1 attributes site=a")
    assert shown(after, "node1") == "node 1: node1 \\\n\tattributes site=a"
    assert notices == ["node node1 keeps its id 1"]
    assert [item.name for item in told(made(), "node 3: node3")[0].objects()][:3] == ["node1", "node2", "node3"]


def test_two_nodes_never_get_one_name() -> None:
    with pytest.raises(Refused) as refused:
        made("node 2: node1 attributes site=a")
    (report,) = refused.value.reports
    assert report.what == "node 2 cannot be called node1"
    assert report.why == "node 1 is called so"


def test_comments_survive() -> None:
    after = made("# the address that customers know\nprimitive v Dummy\n")
    assert shown(after, "v") == "# the address that customers know\nprimitive v Dummy"


def test_selections() -> None:
    configuration = made()
    assert [item.ident for item in select(configuration, ["type:primitive", "and", "tag:t1"])] == ["a", "d"]
    assert [item.ident for item in select(configuration, ["c*"])] == ["c", "cl", "co", "cib-bootstrap-options"]
    assert [item.ident for item in select(configuration, ["related:d"])] == ["d", "t1", "co", "o"]
    assert [item.ident for item in select(configuration, ["changed"], frozenset({"a"}))] == ["a"]
    assert [item.name for item in select(configuration, ["node1"])] == ["node1"]
    for word in ("nosuch", "type:nosuch"):
        with pytest.raises(Refused):
            select(configuration, [word])


def test_xml_of_a_selection() -> None:
    configuration = made()
    text = show_xml(configuration, select(configuration, ["o"]))
    assert '<rsc_order id="o"' in text
    assert "primitive" not in text


def test_two_people_at_once() -> None:
    base = made()
    mine, _ = told(base, "primitive d Dummy params fake=mine\nprimitive n1 Dummy")
    theirs, _ = told(base, "location l1 g 7: node2\nprimitive n2 Dummy\nproperty cib-bootstrap-options: a=b")
    both = merge(base, mine, theirs)
    text = show(both)
    for part in ("fake=mine", "location l1 g 7: node2", "primitive n1 ", "primitive n2 ", "a=b"):
        assert part in text
    assert [op["kind"] for op in operations(theirs, both)] == ["replace", "create"]
    others, _ = told(base, "primitive d Dummy params fake=theirs")
    with pytest.raises(Refused, match="changed by somebody else meanwhile: d"):
        merge(base, mine, others)
    gone, _ = delete(base, ["d"])
    with pytest.raises(Refused, match="somebody else"):
        merge(base, mine, gone)
    assert show(merge(base, mine, mine)) == show(mine), "the same change twice is no conflict"


def test_operations_say_the_least() -> None:
    base = made()
    after, _ = delete(base, ["l1"])
    assert operations(base, after) == [{"kind": "delete", "xpath": "/cib/configuration/constraints/rsc_location[@id='l1']"}]
    after, _ = told(base, "rsc_defaults rsc-options: a=b")
    (only,) = operations(base, after)
    assert (only["kind"], only["scope"]) == ("create", "configuration")
    assert operations(base, base.copy()) == []
