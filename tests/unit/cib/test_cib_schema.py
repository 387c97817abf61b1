"""The schemas: what conforms, what each fault is told as, and that Pacemaker's own files judge the same."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lxml import etree

from standfast.base.report import Refused
from standfast.cib.document import Cib
from standfast.cib.grammar import VERSIONS
from standfast.cib.schema import FAULTS_MAX, conforms, faults, grammar, label, version_named
from standfast.cib.shape import schema_of

if TYPE_CHECKING:
    from tests.unit.cib.schema_mutations import everything, spoilt
else:
    from schema_mutations import everything, spoilt

RNG = Path("/usr/share/pacemaker")
INSTALLED = [version for version in VERSIONS if (RNG / f"pacemaker-{version}.rng").exists()]
FILE = """<cib admin_epoch="0" epoch="1" num_updates="0" validate-with="pacemaker-3.9">
<configuration>
<crm_config/>
<nodes><node id="1" uname="n1"/></nodes>
<resources>
<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
<operations><op id="vip-m" name="monitor" interval="10s"/></operations>
</primitive>
</resources>
<constraints>
<rsc_location id="loc1" rsc="vip" node="n1" score="100"/>
</constraints>
</configuration>
<status/>
</cib>"""


PRIMITIVE = FILE[FILE.index("<primitive") : FILE.index("</resources>")]


def told(before: str, after: str) -> list[str]:
    assert before in FILE
    with pytest.raises(Refused) as caught:
        Cib.parse(FILE.replace(before, after).encode(), "cib.xml")
    assert caught.value.exit_code == 78
    return [report.sentence() for report in caught.value.reports]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_definition_of_every_version_is_whole(version: str) -> None:
    """Definitions are read when a document first needs them; here all are."""
    table = grammar(version)
    needed = {child for name in table.names() for child in table.definition(name).children().values()}
    assert needed - {*table.names(), "nothing", "status"} == set()
    assert table.definition("nothing").is_complete


def test_a_document_with_everything_conforms() -> None:
    assert [version for version in VERSIONS if conforms(everything(), version)] == ["3.8", "3.9", "3.10"]
    assert faults(everything(), "3.9") == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (' node="n1"', ' nod="n1"', "cib.xml:11: <rsc_location id=loc1>: nod='n1': no such attribute (known here: id"),
        (' score="100"', ' score="many"', "score='many' is not allowed (must be a score: a whole number"),
        (' node="n1"', "", "cib.xml:11: <rsc_location id=loc1>: without node (add node)"),
        (' rsc="vip"', ' rsc="vipp"', "cib.xml:11: <rsc_location id=loc1>: rsc='vipp': no such object (define vipp"),
        (' rsc="vip"', ' rsc="vip" rsc-pattern="v"', "rsc-pattern='v' cannot stand beside the others"),
        ('class="ocf"', 'class="ofc"', "cib.xml:6: <primitive id=vip>: class='ofc' is not allowed (must be ocf, or one"),
        (' provider="heartbeat"', "", "cib.xml:6: <primitive id=vip>: without provider (add provider)"),
        ('id="vip-m"', 'id="vip"', "cib.xml:7: <op id=vip>: id 'vip' is taken by <primitive> in line 6"),
        ('id="vip-m"', 'id="7"', "cib.xml:7: <op id=7>: id='7' is not allowed (must be an id"),
        ("<crm_config/>", "<crm_config/><crm_config/>", "cib.xml:3: <crm_config>: a second <crm_config>"),
        ("<status/>", "<tags/><status/>", "cib.xml:14: <tags>: cannot stand in <cib> (allowed in"),
        ("<operations>", "<operation/><operations>", "<operation>: cannot stand in <primitive>"),
        (PRIMITIVE, '<group id="vip"/>', "<group id=vip>: without <primitive>"),
        ("pacemaker-3.9", "pacemaker-9.9", "known schema): 'pacemaker-9.9' (known: pacemaker-1.0 to"),
        ('validate-with="pacemaker-3.9"', 'validate-with="pacemaker-3.9" x="1"', "cib.xml:1: <cib>: x='1': no such attribute"),
        ("<status/>", '<status/><configuration/>', "a second <configuration> in <cib>"),
    ],
)  # fmt: skip
def test_each_fault_names_line_id_and_remedy(before: str, after: str, words: str) -> None:
    assert any(words in sentence for sentence in told(before, after)), told(before, after)


def test_schemas_differ_as_pacemakers_do() -> None:
    promoted = FILE.replace('interval="10s"', 'interval="10s" role="Promoted"')
    assert [version for version in VERSIONS if conforms(etree.fromstring(promoted), version)] == [
        "3.7",
        "3.8",
        "3.9",
        "3.10",
        "4.0",
    ]
    fenced = FILE.replace("</constraints>", "</constraints><fencing-topology/>")
    assert not conforms(etree.fromstring(fenced), "1.0")
    assert conforms(etree.fromstring(fenced), "1.2")
    assert version_named("pacemaker-2.10") == "2.10"
    assert version_named("2.10") is None
    assert version_named("pacemaker-1.1") is None


def test_a_file_that_names_no_schema_keeps_to_one_that_fits() -> None:
    bare = FILE.replace(' validate-with="pacemaker-3.9"', "")
    Cib.parse(bare.encode())
    assert schema_of(etree.fromstring(bare)) == "3.0"
    ancient = bare.replace("</constraints>", "</constraints><acls><acl_user id='u'/></acls>")
    assert schema_of(etree.fromstring(ancient)) == "1.2"
    Cib.parse(ancient.encode())


def test_nothing_is_checked_when_the_check_is_off() -> None:
    Cib.parse(FILE.replace("pacemaker-3.9", "none").replace("<primitive", "<primus").replace("</primitive", "</primus").encode())


def test_faults_are_bounded_and_never_a_traceback() -> None:
    chance = random.Random(7)
    for _ in range(60):
        version = chance.choice(VERSIONS)
        root = spoilt(chance, version)
        found = faults(root, chance.choice(VERSIONS))
        assert len(found) <= FAULTS_MAX
        assert all(fault.what and label(fault.element).startswith("<") for fault in found)


@pytest.mark.skipif(not INSTALLED, reason="Pacemaker's schemas are not installed")
@pytest.mark.parametrize("version", VERSIONS)
def test_pacemakers_own_schema_says_the_same(version: str) -> None:
    if version not in INSTALLED:
        pytest.skip("newer than what is installed")
    original = etree.RelaxNG(etree.parse(str(RNG / f"pacemaker-{version}.rng")))
    chance = random.Random(f"schema {version}")
    accepted = 0
    for _ in range(25):
        # A fresh tree each time: the ids that libxml2 has seen stay with the document.
        text = etree.tostring(spoilt(chance, version))
        if b"9" * 26 in text:
            continue  # libxml2 itself changed its mind about long numbers: 2.9 refuses them as we do
        root = etree.fromstring(text)
        verdict = original.validate(root)
        assert conforms(root, version) == verdict, (text, faults(root, version), original.error_log)
        accepted += verdict
    assert 0 < accepted < 25, "the documents should be of both kinds"
