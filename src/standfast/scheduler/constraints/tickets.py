"""rsc_ticket: resources that need a ticket of a multi-site cluster, and what the loss of it means."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

from standfast.base.report import error
from standfast.scheduler.constraints.find import complain, expand_sets, find_resource, known, missing, tag_to_set
from standfast.scheduler.fencing.ops import fence_node
from standfast.scheduler.memory import Cluster, Resource, RscTicket, Ticket
from standfast.scheduler.placement.ledger import add_location
from standfast.scheduler.rules import resolve
from standfast.scheduler.values import Role, is_true, parse_role

if TYPE_CHECKING:
    from lxml import etree

INFINITY = 1_000_000
POLICIES = ("stop", "demote", "fence", "freeze")


def unpack_ticket_states(cluster: Cluster) -> None:
    """The tickets' states of the status section."""
    for state in cluster.root.iterfind("status/tickets/ticket_state"):
        ticket_id = state.get("id")
        if ticket_id:
            ticket = cluster.tickets.setdefault(ticket_id, Ticket(ticket_id))
            ticket.granted = is_true(state.get("granted"))
            ticket.standby = is_true(state.get("standby"))


def unpack_ticket(cluster: Cluster, constraint: etree._Element) -> None:
    """One rsc_ticket: a resource, a tag, or sets."""
    ticket_id = constraint.get("ticket")
    if not ticket_id:
        complain(cluster, constraint, f"Ignoring constraint '{constraint.get('id')}' without ticket")
        return
    ticket = cluster.tickets.setdefault(ticket_id, Ticket(ticket_id))
    expanded = expand_sets(cluster, constraint)
    name = constraint.get("rsc")
    if expanded is constraint and name is not None:
        if not known(cluster, constraint, name):
            return
        if find_resource(cluster, name) is None:
            role = constraint.get("rsc-role")
            expanded = deepcopy(constraint)
            created = tag_to_set(cluster, expanded, "rsc", convert=False)
            if created is not None and role is not None:
                created.set("role", role)
    sets = list((constraint if expanded is None else expanded).iterchildren("resource_set"))
    for element in sets:
        resolved = resolve(cluster, element)
        if resolved is None:
            return
        for ref in resolved.iterchildren("resource_ref"):
            rsc = find_resource(cluster, ref.get("id"))
            if rsc is None:
                complain(cluster, resolved, f"{resolved.get('id')}: No resource found for {ref.get('id')}")
                return
            _new(cluster, constraint, rsc, ticket, resolved.get("role"))
    if not sets:
        rsc = find_resource(cluster, name)
        if rsc is None:
            if name is None:
                complain(cluster, constraint, f"Ignoring constraint '{constraint.get('id')}' without resource")
            else:
                missing(cluster, constraint, name)
        else:
            _new(cluster, constraint, rsc, ticket, constraint.get("rsc-role"))


def _new(cluster: Cluster, constraint: etree._Element, rsc: Resource, ticket: Ticket, role_text: str | None) -> None:
    role = parse_role(role_text)
    if role_text is not None and role == Role.UNKNOWN:
        complain(cluster, constraint, f"Ignoring constraint {constraint.get('id')}: Invalid role '{role_text}'")
        return
    if role == Role.STARTED:
        role = Role.UNKNOWN
    policy = (constraint.get("loss-policy") or "").lower()
    if policy == "fence" and not cluster.fencing_enabled:
        what = f"Resetting 'loss-policy' for ticket '{ticket.id}' to 'stop' because fencing is not configured"
        cluster.tell(error("scheduler.ticket", what, where=constraint.get("id") or ""))
        policy = "stop"
    if policy not in POLICIES:
        policy = "demote" if role == Role.PROMOTED else "stop"
    made = RscTicket(ticket, policy, role)
    rsc.tickets.append(made)
    if not ticket.granted or ticket.standby:
        _apply(cluster, rsc, made)


def _apply(cluster: Cluster, rsc: Resource, need: RscTicket) -> None:
    """What a ticket that is missing, or on standby, means for a resource now."""
    if rsc.children:
        for child in rsc.children:
            _apply(cluster, child, need)
        return
    strict = need.role != Role.PROMOTED or need.policy == "stop"
    if need.ticket.granted:
        if strict:
            add_location(cluster, rsc, None, -INFINITY, "__ticket_standby__")
    elif not rsc.active_nodes:
        if strict:
            add_location(cluster, rsc, None, -INFINITY, "__no_ticket__")
    elif need.policy == "stop" or (need.policy == "demote" and need.role != Role.PROMOTED):
        add_location(cluster, rsc, None, -INFINITY, "__loss_of_ticket__")
    elif need.policy in ("fence", "freeze") and need.role in (Role.UNKNOWN, rsc.role):
        if need.policy == "freeze":
            rsc.managed = False
            rsc.blocked = True
            return
        add_location(cluster, rsc, None, -INFINITY, "__loss_of_ticket__")
        for node in rsc.active_nodes:
            fence_node(cluster, node, "deadman ticket was lost")


def require_promotion_tickets(cluster: Cluster, clone: Resource) -> None:
    """Nothing is promoted without the ticket for it."""
    for need in clone.tickets:
        if need.role == Role.PROMOTED and (not need.ticket.granted or need.ticket.standby):
            add_location(cluster, clone, None, -INFINITY, "__stateful_without_ticket__")
