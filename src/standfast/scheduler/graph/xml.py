"""The graph as XML, as `crm_simulate -G` writes it (Pacemaker's own numbering of synapses and actions)."""

from __future__ import annotations

import re

from lxml import etree

from standfast.scheduler.graph.model import Action, ActionKind, Graph
from standfast.scheduler.memory import Cluster
from standfast.scheduler.values import FEATURE_SET

_NAME = re.compile(r"[^\d\W][\w.\-]*$")


def write_graph(graph: Graph, cluster: Cluster) -> etree._Element:
    """A <transition_graph> element. `cluster` gives the options' own words ("60s")."""
    root = etree.Element("transition_graph")
    root.set("cluster-delay", cluster.option("cluster-delay"))
    root.set("fencing-timeout", cluster.option("fencing-timeout"))
    root.set("failed-stop-offset", graph.failed_stop_offset)
    root.set("failed-start-offset", graph.failed_start_offset)
    root.set("batch-limit", cluster.option("batch-limit"))
    root.set("transition_id", "1")
    if graph.migration_limit > 0:
        root.set("migration-limit", str(graph.migration_limit))
    if graph.recheck_by_s is not None:
        root.set("recheck-by", str(graph.recheck_by_s))
    by_id = {action.id: action for action in graph.actions}
    for number, action in enumerate(graph.actions):
        synapse = etree.SubElement(root, "synapse", id=str(number))
        if action.priority > 0:
            synapse.set("priority", str(action.priority))
        _details(_event(etree.SubElement(synapse, "action_set"), action), action)
        inputs = etree.SubElement(synapse, "inputs")
        for needed in action.inputs:
            _event(etree.SubElement(inputs, "trigger"), by_id[needed])
    return root


def _event(parent: etree._Element, action: Action) -> etree._Element:
    element = etree.SubElement(parent, action.kind.value)
    if action.operation == "lrm_delete":
        element.set("mode", "cib")
    element.set("id", str(action.id))
    element.set("operation", action.operation)
    element.set("operation_key", action.operation_key)
    if action.internal_key:
        element.set("internal_operation_key", action.internal_key)
    if action.node:
        element.set("on_node", action.node)
        element.set("on_node_uuid", action.node_id)
    if action.router_node:
        element.set("router_node", action.router_node)
    return element


def _details(element: etree._Element, action: Action) -> None:
    if action.shutdown_lock_s:
        element.set("shutdown-lock", str(action.shutdown_lock_s))
    if action.resource and action.kind != ActionKind.PSEUDO:
        rsc = etree.SubElement(element, "primitive", id=action.resource)
        if action.long_id:
            rsc.set("long-id", action.long_id)
        for name, value in zip(("class", "provider", "type"), action.agent, strict=True):
            if value:
                rsc.set(name, value)
    attributes = etree.SubElement(element, "attributes")
    for name, value in action.attributes:
        if _NAME.match(name):
            attributes.set(name, FEATURE_SET if name == "crm_feature_set" else value)
        else:
            etree.SubElement(attributes, "param", name=name, value=value)
    if action.downed:
        downed = etree.SubElement(element, "downed")
        for node_id in action.downed:
            etree.SubElement(downed, "node", id=node_id)
    if action.maintenance:
        maintenance = etree.SubElement(element, "maintenance")
        for node_id, value in action.maintenance:
            etree.SubElement(maintenance, "node", id=node_id, node_in_maintenance=value)
