"""Small questions to a document."""

from __future__ import annotations

from standfast.cib.access import attribute_value, find_by_id, node_state, nodes
from standfast.cib.document import Cib

ROOT = Cib.parse(
    b"""<cib>
  <configuration>
    <crm_config>
      <cluster_property_set id="low" score="-INFINITY">
        <nvpair id="l-a" name="a" value="low"/>
        <nvpair id="l-d" name="d" value="low"/>
      </cluster_property_set>
      <cluster_property_set id="high" score="7">
        <nvpair id="h-a" name="a" value="high"/>
        <nvpair id="h-b" name="b" value="high"/>
      </cluster_property_set>
      <cluster_property_set id="cib-bootstrap-options"><nvpair id="c-a" name="a" value="first"/></cluster_property_set>
      <cluster_property_set id="ruled" score="INFINITY">
        <rule id="r" score="0"><expression id="e" attribute="#uname" operation="defined"/></rule>
        <nvpair id="u-e" name="e" value="sometimes"/>
      </cluster_property_set>
    </crm_config>
    <nodes><node id="1" uname="n1"/><node id="p" uname="n2"/></nodes>
    <resources><primitive id="p" class="ocf" provider="heartbeat" type="Dummy"/></resources>
    <tags><tag id="t"><obj_ref id="p"/></tag></tags>
  </configuration>
  <status><node_state id="1" uname="n1"/><node_state id="n1" uname="other"/></status>
</cib>"""
).root


def test_options_by_score() -> None:
    wanted = {"a": "first", "b": "high", "d": "low", "e": None, "none": None}
    assert {name: attribute_value(ROOT, "crm_config", name) for name in wanted} == wanted
    assert attribute_value(ROOT, "op_defaults", "a") is None


def test_objects_nodes_and_states() -> None:
    found = find_by_id(ROOT, "p")
    assert found is not None
    assert found.tag == "primitive"
    assert find_by_id(ROOT, "1") is None
    assert nodes(ROOT) == {"1": "n1", "p": "n2"}
    state = node_state(ROOT, "n1")
    assert state is not None
    assert state.get("uname") == "other", "an id goes before a name"
    by_name = node_state(ROOT, "other")
    assert by_name is state
    assert node_state(ROOT, "2") is None
