"""Remote nodes, guests and bundles in the status text. The words are those of Debian's `crm_mon` 2.1.5 for the same CIB."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree

from standfast.api.status import situation_from_json, situation_to_json
from standfast.base.situation import ResourceStatus
from standfast.client.cib_file import CibFile, status_of
from standfast.compat.status_page import View
from standfast.compat.status_text import render
from standfast.compat.status_xml import render_xml
from standfast.scheduler.plan import schedule
from standfast.scheduler.simulate import execute

NOW_S = 1_782_000_000
CIB = """
<cib have-quorum="1" dc-uuid="1" crm_feature_set="3.16.1" validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
  <configuration>
    <crm_config><cluster_property_set id="o">
      <nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
    <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
    <resources>
      <primitive id="r1" class="ocf" provider="pacemaker" type="remote"/>
      <primitive id="vm" class="ocf" provider="heartbeat" type="VirtualDomain"><meta_attributes id="vm-m">
        <nvpair id="vm-m1" name="remote-node" value="g1"/></meta_attributes></primitive>
      <bundle id="httpd"><podman image="pcmk:http" replicas="2"/><network ip-range-start="192.168.122.131"/>
        <primitive id="apache" class="ocf" provider="heartbeat" type="apache"/></bundle>
      <bundle id="plain"><docker image="i:1"/></bundle>
    </resources>
    <constraints/>
  </configuration>
  <status>
    <node_state id="1" uname="n1" in_ccm="true" crmd="online" join="member" expected="member"/>
    <node_state id="2" uname="n2" in_ccm="true" crmd="online" join="member" expected="member"/>
  </status>
</cib>
"""
OFFLINE = View(daemon=False, headers=False)
LISTED = """Node List:
  * Online: [ n1 n2 ]
  * RemoteOnline: [ r1 ]
  * GuestOnline: [ g1 httpd-0 httpd-1 ]

Full List of Resources:
  * r1\t(ocf:pacemaker:remote):\t Started n1
  * vm\t(ocf:heartbeat:VirtualDomain):\t Started n2
  * Container bundle set: httpd [pcmk:http]:
    * httpd-0 (192.168.122.131)\t(ocf:heartbeat:apache):\t Started n1
    * httpd-1 (192.168.122.132)\t(ocf:heartbeat:apache):\t Started n2
  * Container bundle: plain [i:1]:
    * plain-docker-0\t(ocf:heartbeat:docker):\t Started g1
"""
DETAILED = """  * Container bundle set: httpd [pcmk:http]:
    * Replica[0]
      * httpd-ip-192.168.122.131\t(ocf:heartbeat:IPaddr2):\t Started n1
      * apache\t(ocf:heartbeat:apache):\t Started httpd-0
      * httpd-podman-0\t(ocf:heartbeat:podman):\t Started n1
      * httpd-0\t(ocf:pacemaker:remote):\t Started n1
"""


@pytest.fixture
def status(tmp_path: Path) -> dict[str, object]:
    root = etree.fromstring(CIB)
    for _ in range(4):
        root = execute(root, schedule(root, NOW_S).graph, NOW_S).cib
    path = tmp_path / "cib.xml"
    path.write_bytes(etree.tostring(root))
    return {**status_of(CibFile(str(path)).root()), "now_s": NOW_S}


def test_replicas_and_guests_are_listed(status: dict[str, object]) -> None:
    assert render(status, OFFLINE) == LISTED


def test_details_name_hosts_and_every_implicit_resource(status: dict[str, object]) -> None:
    text = render(status, replace(OFFLINE, detail=True))
    assert "  * GuestNode g1@n2: online\n" in text
    assert DETAILED in text
    assert text.endswith("  * g1\t(ocf:pacemaker:remote):\t Started n2\n"), "the guest's connection is shown now"


def test_the_xml_has_replicas(status: dict[str, object]) -> None:
    root = etree.fromstring(render_xml(status, "crm_mon -1", OFFLINE).encode())
    guest = root.find("nodes/node[@name='httpd-1']")
    assert guest is not None
    assert (guest.get("type"), guest.get("id_as_resource")) == ("remote", "httpd-podman-1")
    replicas = root.findall("resources/bundle[@id='httpd']/replica")
    assert [replica.get("id") for replica in replicas] == ["0", "1"]
    names = [resource.get("id") for resource in replicas[1].findall("resource")]
    assert names == ["httpd-ip-192.168.122.132", "apache", "httpd-podman-1", "httpd-1"]


def test_it_travels_unchanged(status: dict[str, object]) -> None:
    situation = situation_from_json(status["situation"])  # type: ignore[arg-type]
    assert situation_from_json(situation_to_json(situation)) == situation


def test_a_replica_is_as_unclean_as_the_host_of_its_container(status: dict[str, object]) -> None:
    situation = situation_from_json(status["situation"])  # type: ignore[arg-type]

    def lost(resource: ResourceStatus) -> ResourceStatus:
        inside = tuple(map(lost, resource.children))
        return replace(resource, children=inside, unclean=resource.id == "httpd-podman-1")

    told = status | {"situation": situation_to_json(replace(situation, resources=tuple(map(lost, situation.resources))))}
    lines = [line for line in render(told, OFFLINE).splitlines() if "httpd-" in line and "apache" in line]
    assert [line.endswith(" (UNCLEAN)") for line in lines] == [False, True]
