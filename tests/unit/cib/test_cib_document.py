"""Documents: what is read, what is refused and where, versions, digests, and that no input does anything but raise Refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from standfast.base.report import Refused
from standfast.base.wire import Malformed
from standfast.cib.document import COUNTER_MAX, DEPTH_MAX, Cib, Version

FILE = b"""<?xml version="1.0" encoding="UTF-8"?>
<cib crm_feature_set="3.0.7" validate-with="pacemaker-1.2" epoch="7" admin_epoch="0" cib-last-written="Tue Apr  1 10:00:00 2014">
  <!-- written by hand -->
  <configuration>
    <crm_config> </crm_config>
    <nodes>
      <node id="1" uname="n1"/>
    </nodes>
    <resources>
      <group id="g">
        <primitive class="ocf" id="ip" provider="heartbeat" type="IPaddr2">
          <instance_attributes id="ia"><nvpair id="ia-ip" name="ip" value="a&amp;b &quot;c&quot; 'd'"/></instance_attributes>
          <operations><op id="ip-mon" interval="10s" name="monitor"/></operations>
        </primitive>
      </group>
    </resources>
    <constraints>
      <rsc_location id="l" node="n1" rsc="g" score="100"/>
    </constraints>
  </configuration>
</cib>
"""


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        Cib.parse(data, "cib.xml")
    return str(caught.value)


def test_an_old_file_without_status() -> None:
    cib = Cib.parse(FILE)
    cib.check()
    assert cib.version == Version(0, 7, 0)
    assert cib.root.get("num_updates") == "0"
    assert len(cib.status) == 0
    assert b"by hand" not in cib.xml()
    assert b"\n" not in cib.compact()


def test_text_that_is_written_reads_back_the_same() -> None:
    cib = Cib.parse(FILE)
    for text in (cib.xml(), cib.compact()):
        again = Cib.parse(text)
        assert again.compact() == cib.compact()
        assert again.digest() == cib.digest()
    assert Cib.adopt(cib.compact()).digest() == cib.digest()
    assert Cib.adopt(cib.without_status()).compact() == cib.compact()


def test_a_digest_is_of_everything() -> None:
    cib = Cib.parse(FILE)
    assert cib.digest() != Cib.parse(FILE.replace(b"Apr  1", b"Apr  2")).digest()
    assert cib.digest() != Cib.parse(FILE.replace(b'class="ocf" id="ip"', b'id="ip" class="ocf"')).digest()
    assert cib.pacemaker_digest() == Cib.parse(FILE.replace(b"Apr  1", b"Apr  2")).pacemaker_digest()
    assert cib.pacemaker_digest() == "39e393d4801d65aece880bde1f292ea9", "as cibadmin --md5-sum-versioned (2.1.5) prints it"


def test_a_copy_is_independent() -> None:
    cib = Cib.parse(FILE)
    twin = cib.copy()
    twin.root.set("epoch", "8")
    twin.touched(configuration=True)
    assert (cib.version.epoch, twin.version.epoch) == (7, 8)
    cib.check()


def test_an_empty_cib() -> None:
    assert Cib.empty().xml() == (
        b'<cib crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="0" num_updates="0">\n'
        b"  <configuration>\n    <crm_config/>\n    <nodes/>\n    <resources/>\n    <constraints/>\n  </configuration>\n"
        b"  <status/>\n</cib>\n"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "cib.xml"),
        (b"<cib>", "cib.xml:1:6"),
        (b"<cib>\n<configuration>\n</cib>", "cib.xml:3:"),
        (b"<crm/>", "not <cib>"),
        (b"<cib><configuration/>text</cib>", "text in <cib>: 'text'"),
        (b'<!DOCTYPE cib [<!ENTITY a "b">]><cib>&a;</cib>', "document type"),
        (b"<cib>&unknown;</cib>", "cib.xml:1"),
        (b"<cib xmlns:a='u'><a:configuration/></cib>", "namespace"),
        (b"<cib xmlns='u'/>", "namespace"),
        (b"<cib>\n<status a:b='c'/></cib>", "cib.xml:2"),
        (b"<cib xml:id='c'/>", "namespace"),
        (b"<cib>\n<status><![CDATA[x]]></status></cib>", "cib.xml:2: text in <status>: 'x'"),
        (b"<cib a:b='c' xmlns:a='u'/>", "namespace"),
        ("<cib epoch='1'/>".encode("utf-16"), "zero bytes"),
        (b"<cib epoch='\xff'/>", "cib.xml:1"),
        (b"<?xml version='1.0' encoding='utf-7'?>+ADw-cib/>", "cib.xml:1"),
        (b"<cib epoch='-1'/>", "epoch='-1' is not a number"),
        (b"<cib epoch='2147483648'/>", "not a number"),
        ("<cib epoch='\u0663'/>".encode(), "not a number"),
        (b"<cib><status/><status/></cib>", "a second <status>"),
        (b"<cib><other/></cib>", "<other>: cannot stand in <cib> (allowed in <cib>: configuration status)"),
        (b"<cib><configuration><nodes/><nodes/></configuration></cib>", "a second <nodes>"),
        (b"<cib><configuration>\n<nodes>\n<nod/></nodes></configuration></cib>", "cib.xml:3: <nod>: cannot stand in <nodes>"),
        (FILE.replace(b'id="ip-mon"', b'id="ip"'), "cib.xml:13: <op id=ip>: id 'ip' is taken by <primitive> in line 11"),
        (FILE.replace(b'rsc="g"', b'rsc="h"'), "cib.xml:18: <rsc_location id=l>: rsc='h': no such object"),
        (FILE.replace(b' interval="10s"', b""), "cib.xml:13: <op id=ip-mon>: without interval (add interval)"),
        (b"<cib>" + b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX + b"</cib>", f"more than {DEPTH_MAX} levels"),
        (b"<cib>" + b"<a>" * 5000 + b"</a>" * 5000 + b"</cib>", "cib.xml:1"),
    ],
)
def test_what_is_refused_and_where(data: bytes, words: str) -> None:
    assert words in refusal(data)


def test_dangling_references_pass_without_a_schema() -> None:
    Cib.parse(FILE.replace(b'rsc="g"', b'rsc="h"').replace(b"pacemaker-1.2", b"none"))


def test_all_faults_are_told_up_to_a_limit() -> None:
    data = b"<cib><configuration><nodes>" + b"<x/>" * 100 + b"</nodes></configuration></cib>"
    with pytest.raises(Refused) as caught:
        Cib.parse(data)
    assert len(caught.value.reports) == 20


def test_a_bomb_of_attributes_is_bounded() -> None:
    refusal(b'<!DOCTYPE c [<!ENTITY a "' + b"x" * 1000 + b'"><!ENTITY b "' + b"&a;" * 1000 + b'">]><cib a="&b;&b;"/>')


def test_versions_carry_over() -> None:
    assert Version(1, COUNTER_MAX, 5).after_configuration() == Version(2, 0, 0)
    assert Version(1, 2, COUNTER_MAX).after_status() == Version(1, 3, 0)
    assert Version(0, 10, 0) > Version(0, 9, 99)


PIECES = st.sampled_from(
    b"<cib~ epoch='1'~>~/>~</cib>~<configuration>~</configuration>~<status/>~<nodes>~</nodes>~<node id='1' uname='a'/>~"
    b"<!--~-->~<?pi~?>~<![CDATA[~]]>~&lt;~&#0;~text~\xc3\xa4".split(b"~")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES | st.binary(max_size=4), max_size=14))
def test_no_bytes_do_anything_but_parse_or_be_refused(pieces: list[bytes]) -> None:
    data = b"".join(pieces)
    with contextlib.suppress(Refused):
        Cib.parse(data).check()
    try:
        Cib.adopt(data)
    except Malformed:
        pass
    else:
        Cib.adopt(data).check()


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(FILE) - 1), st.binary(min_size=0, max_size=3))
def test_a_spoilt_file(at: int, junk: bytes) -> None:
    try:
        cib = Cib.parse(FILE[:at] + junk + FILE[at + len(junk) :])
    except Refused:
        return
    cib.check()
    assert Cib.parse(cib.xml()).digest() == cib.digest()
