"""Changes: what each kind does, what it costs in version numbers, and that a refused change leaves nothing behind.

The version numbers and exit codes are those of cibadmin 2.1.5 on the same requests, but where apply.py says otherwise.
"""

from __future__ import annotations

import pytest

from standfast.base.report import Refused
from standfast.cib.apply import Outcome, apply, query
from standfast.cib.document import Cib
from standfast.cib.operations import Change, Operation, OpKind, Origin

ORIGIN = Origin("hacluster", "cibadmin", "n1", 1787479200)
DUMMY = '<primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/>'
OPTIONS = '<cluster_property_set id="cib-bootstrap-options"><nvpair id="a" name="n" value="v"/></cluster_property_set>'


def change(kind: OpKind, scope: str = "", xml: str = "", **options: object) -> Change:
    return Change((Operation(kind, scope, xml=xml, **options),), ORIGIN)  # type: ignore[arg-type]


def do(cib: Cib, kind: OpKind, scope: str = "", xml: str = "", **options: object) -> Outcome:
    outcome = apply(cib, change(kind, scope, xml, **options))
    cib.check()
    return outcome


def refusal(cib: Cib, kind: OpKind, scope: str = "", xml: str = "", **options: object) -> Refused:
    before = cib.compact()
    with pytest.raises(Refused) as caught:
        apply(cib, change(kind, scope, xml, **options))
    assert cib.compact() == before
    cib.check()
    return caught.value


def test_only_changes_of_the_configuration_count_as_such() -> None:
    cib = Cib.empty()
    do(cib, OpKind.CREATE, "resources", DUMMY)
    assert cib.configurations == 1
    do(cib, OpKind.CREATE, "status", '<node_state id="1" uname="n1"/>')
    refusal(cib, OpKind.CREATE, "resources", DUMMY)
    do(cib, OpKind.MODIFY, "resources", DUMMY)  # as it is
    assert cib.configurations == 1
    do(cib, OpKind.BUMP)
    do(cib, OpKind.DELETE, "resources", DUMMY)
    assert cib.configurations == 2


def test_the_ordinary_life_of_a_configuration() -> None:
    cib = Cib.empty()
    conversation: list[tuple[OpKind, str, str, dict[str, object], str, tuple[str, ...]]] = [
        # kind, scope, xml, options -> version after, sections
        (OpKind.MODIFY, "crm_config", f"<crm_config>{OPTIONS}</crm_config>", {}, "0.1.0", ("crm_config",)),
        (OpKind.MODIFY, "", '<nvpair id="a" value="v2"/>', {}, "0.2.0", ("crm_config",)),
        (OpKind.MODIFY, "", '<nvpair id="a" value="v2"/>', {}, "0.2.0", ()),
        (OpKind.CREATE, "resources", DUMMY, {}, "0.3.0", ("resources",)),
        (OpKind.MODIFY, "resources", DUMMY.replace('"p"', '"q"'), {"allow_create": True}, "0.4.0", ("resources",)),
        (OpKind.CREATE, "constraints", '<rsc_location id="l" rsc="p" node="n" score="1"/>', {}, "0.5.0", ("constraints",)),
        (OpKind.CREATE, "tags", '<tag id="t"><obj_ref id="p"/></tag>', {}, "0.6.0", ("tags",)),
        (OpKind.MODIFY, "status", '<node_state id="1" uname="n1"/>', {"allow_create": True}, "0.6.1", ("status",)),
        (OpKind.MODIFY, "", '<cib have-quorum="1" dc-uuid="1"/>', {}, "0.6.2", ("cib",)),
        (OpKind.MODIFY, "", '<cib admin_epoch="admin_epoch++"/>', {}, "1.6.3", ("cib",)),
        (OpKind.BUMP, "", "", {}, "1.7.4", ("cib",)),
        (OpKind.DELETE, "constraints", '<rsc_location rsc="p"/>', {}, "1.8.0", ("constraints",)),
        (OpKind.DELETE, "resources", '<primitive id="nope"/>', {}, "1.8.0", ()),
        (OpKind.DELETE, "", "", {"xpath": "//primitive[@id='q']"}, "1.9.0", ("resources",)),
        (OpKind.REPLACE, "resources", f"<resources>{DUMMY}</resources>", {}, "1.9.0", ()),
        (OpKind.REPLACE, "", DUMMY.replace("Dummy", "Stateful"), {}, "1.10.0", ("resources",)),
        (OpKind.ERASE, "", "", {}, "2.11.0", ("cib", "configuration")),
    ]
    for kind, scope, xml, options, version, sections in conversation:
        outcome = do(cib, kind, scope, xml, **options)
        assert (str(outcome.after), outcome.sections) == (version, sections), (kind, xml)
        assert str(cib.version) == version
    assert cib.status.find("node_state") is not None, "status belongs to the nodes: erasing the configuration keeps it"


def test_a_configuration_change_is_signed_in_utc() -> None:
    cib = Cib.empty()
    do(cib, OpKind.CREATE, "resources", DUMMY)
    assert cib.root.get("cib-last-written") == "Sun Aug 23 10:00:00 2026"
    assert [cib.root.get(f"update-{who}") for who in ("origin", "client", "user")] == ["n1", "cibadmin", "hacluster"]
    apply(cib, Change((Operation(OpKind.DELETE, "resources", xml='<primitive id="p"/>'),), Origin(now_s=0)))
    assert cib.root.get("cib-last-written") == "Thu Jan  1 00:00:00 1970"
    assert cib.root.get("update-user") is None, "who is not known must not be somebody else"


@pytest.mark.parametrize(
    ("kind", "scope", "xml", "options", "exit_code", "words"),
    [
        (OpKind.MODIFY, "", '<nvpair id="zz" value="1"/>', {}, 105, "no <nvpair id='zz'>"),
        (OpKind.MODIFY, "resources", DUMMY.replace('"p"', '"q"'), {}, 105, "in resources"),
        (OpKind.CREATE, "resources", DUMMY, {}, 108, "exists already"),
        (OpKind.CREATE, "resources", '<bogus id="b"/>', {}, 78, "allowed in <resources>: bundle clone group"),
        (OpKind.CREATE, "resources", DUMMY.replace('"p"', '"l"'), {}, 78, "taken by <primitive>"),
        (OpKind.CREATE, "resources", DUMMY.replace('"p"', '"1p"'), {}, 78, "must be an id"),
        (OpKind.CREATE, "resources", '<primitive id="x" type="Dummy"/>', {}, 78, "without class"),
        (OpKind.CREATE, "resources", '<primitive id="r" class=', {}, 65, "input:1:25"),
        (
            OpKind.CREATE,
            "crm_config",
            '<cluster_property_set id="s"><nvpair id="t" value="1"/></cluster_property_set>',
            {},
            78,
            "without name",
        ),
        (OpKind.CREATE, "constraints", '<rsc_location id="l2" rsc="no"/>', {}, 78, "no such object"),
        (OpKind.DELETE, "resources", '<primitive id="p"/>', {}, 78, "define p in the same change"),
        (OpKind.DELETE, "", "<resources/>", {}, 78, "cannot be removed"),
        (OpKind.DELETE, "", "<status/>", {}, 78, "one <configuration> and one <status>"),
        (OpKind.DELETE, "", "", {"xpath": "/cib"}, 65, "erase it"),
        (OpKind.REPLACE, "cib", "<cib epoch='1'><configuration/></cib>", {}, 103, "0.1.0 is lower than 0.2.0"),
        (OpKind.REPLACE, "resources", DUMMY.replace('"p"', '"q"'), {}, 105, "no <primitive id='q'>"),
        (OpKind.MODIFY, "", '<cib epoch="++"/>', {}, 78, "not a number"),
        (OpKind.MODIFY, "", '<cib epoch="1"/>', {}, 103, "lower"),
        (OpKind.QUERY, "nope", "", {}, 64, "configuration status acls"),
        (OpKind.QUERY, "tags", "", {}, 105, "has no tags"),
        (OpKind.QUERY, "", "", {"xpath": "//nope"}, 105, "nothing matches"),
        (OpKind.MODIFY, "resources", "", {}, 64, "needs XML"),
        (OpKind.MODIFY, "", "<x>\ud800</x>", {}, 65, "UTF-8"),
        (OpKind.PATCH, "", "<resources/>", {}, 65, "not a patchset"),
    ],
)
def test_what_is_refused(kind: OpKind, scope: str, xml: str, options: dict[str, object], exit_code: int, words: str) -> None:
    cib = Cib.empty()
    do(cib, OpKind.CREATE, "resources", DUMMY)
    do(cib, OpKind.CREATE, "constraints", '<rsc_location id="l" rsc="p" node="n" score="1"/>')
    said = refusal(cib, kind, scope, xml, **options)
    assert said.exit_code == exit_code
    assert words in str(said)


def test_a_batch_is_all_or_nothing_at_every_step() -> None:
    good = [
        Operation(OpKind.CREATE, "resources", xml=DUMMY),
        Operation(OpKind.CREATE, "tags", xml='<tag id="t"><obj_ref id="p"/></tag>'),
        Operation(OpKind.MODIFY, xml='<primitive id="p" description="x"/>'),
        Operation(OpKind.MODIFY, "status", xml='<node_state id="1" uname="n1"/>', allow_create=True),
        Operation(OpKind.REPLACE, "status", xml='<status><node_state id="2" uname="n2"/></status>'),
        Operation(OpKind.MODIFY, xml='<cib validate-with="pacemaker-3.8" epoch="epoch+=5"/>'),
        Operation(OpKind.DELETE, xpath="//tag"),
        Operation(OpKind.ERASE),
    ]
    bad = Operation(OpKind.MODIFY, xml='<nvpair id="none" value="1"/>')
    for count in range(len(good) + 1):
        cib = Cib.empty()
        do(cib, OpKind.CREATE, "resources", DUMMY.replace('"p"', '"o"'))
        before = cib.compact()
        with pytest.raises(Refused):
            apply(cib, Change((*good[:count], bad), ORIGIN))
        assert cib.compact() == before
        cib.check()
    assert str(apply(cib, Change(tuple(good), ORIGIN)).after) == "1.7.0"


def test_merging_counts_and_adds() -> None:
    cib = Cib.empty()
    do(cib, OpKind.CREATE, "crm_config", OPTIONS.replace('"v"', '"3"'))
    do(cib, OpKind.MODIFY, "", '<nvpair id="a" value="value++"/>')
    do(cib, OpKind.MODIFY, "", '<nvpair id="a" value="value+=4"/>')
    assert '"8"' in query(cib, expression="//nvpair")
    do(cib, OpKind.MODIFY, "", '<nvpair id="a" value="value+=INFINITY"/>')
    assert '"INFINITY"' in query(cib, expression="//nvpair")
    do(cib, OpKind.MODIFY, "crm_config", OPTIONS.replace('"a"', '"b"'))
    assert query(cib, expression="//nvpair").count("<nvpair") == 2


def test_replacing_the_document_keeps_status_and_counts_from_its_epoch() -> None:
    cib = Cib.empty()
    do(cib, OpKind.MODIFY, "status", '<node_state id="1" uname="n1"/>', allow_create=True)
    do(cib, OpKind.MODIFY, "", '<cib have-quorum="1"/>')
    text = f'<cib epoch="40" num_updates="7"><configuration><resources>{DUMMY}</resources></configuration></cib>'
    assert str(do(cib, OpKind.REPLACE, "cib", text).after) == "0.41.0"
    assert cib.root.get("have-quorum") == "1"
    assert cib.status.find("node_state") is not None
    assert refusal(cib, OpKind.REPLACE, "cib", text).exit_code == 103
    assert str(do(cib, OpKind.REPLACE, "cib", text.replace("Dummy", "Stateful"), force=True).after) == "0.42.0"


def test_queries() -> None:
    cib = Cib.empty()
    do(cib, OpKind.CREATE, "resources", DUMMY)
    do(cib, OpKind.CREATE, "resources", DUMMY.replace('"p"', '"q"'))
    assert query(cib, "resources").startswith("<resources>\n")
    assert query(cib, expression="//primitive").startswith("<xpath-query>")
    assert query(cib, expression="//primitive[@id='q']").startswith('<primitive id="q"')
    assert apply(cib, change(OpKind.QUERY, "crm_config")).answers == ("<crm_config/>\n",)


@pytest.mark.parametrize(
    "expression",
    [
        "//*/following::*",
        "//*//*",
        "//@validate-with",
        "count(//*)",
        "//x[//y]",
        "document('/etc/passwd')",
        "//a[",
        "//a:b",
        "/" * 2000,
    ],
)
def test_xpath_refused(expression: str) -> None:
    cib = Cib.empty()
    assert refusal(cib, OpKind.DELETE, xpath=expression).exit_code == 65
