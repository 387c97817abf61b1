"""What is said about changes that were made, and about those that the cloud refuses. Reports only; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterator

from standfast.base.report import Report, error, notice, warning
from standfast.openstack import replies
from standfast.openstack.api import Reply
from standfast.openstack.model import Port, address
from standfast.openstack.plan import Action, Claim, Drop, MakeVip, Mark, SetPort
from standfast.openstack.replies import Verdict

RULES = {
    MakeVip: "create_port:fixed_ips:ip_address",
    Claim: "update_port",
    Drop: "delete_port",
}
TERRAFORM = "in Terraform: lifecycle { ignore_changes = [allowed_address_pairs] }; in Heat: leave the property out"


def said(action: Action) -> Report:
    """What a change has done."""
    match action:
        case MakeVip(item, network):
            return notice("openstack.port-made", f"{item.label} has its own port now", f"in network {network}")
        case Claim(item, port):
            return notice("openstack.port-claimed", f"port {port.id} of {item.label} belongs to this cluster now")
        case Drop(port, reason):
            return notice("openstack.port-dropped", f"port {port.id} of {', '.join(port.addresses)} is deleted", reason)
        case SetPort(node, port, None, None, mark=Mark(by)):
            return notice("openstack.returned", f"port {port.id} of {node} is as it was before {by} fenced it")
        case SetPort(node, port):
            where = f"port {port.id} of {node}" if node else f"port {port.id}, whose node has left the configuration"
            return notice("openstack.allowed" if action.gives else "openstack.revoked", "; ".join(_parts(action, where)))


def _parts(action: SetPort, where: str) -> Iterator[str]:
    """What happens to a port's pairs and to its fixed addresses; where a pair becomes an address, the address alone is told."""
    own = action.port.addresses
    after = own if action.fixed_ips is None else tuple(address(fixed.ip) for fixed in action.fixed_ips)
    gains = [ip for ip in action.gives if ip in after and ip not in own]
    loses = [ip for ip in action.takes if ip in own and ip not in after]
    for ips, text in (
        (gains, "an address of"),
        ([ip for ip in action.gives if ip not in gains], "allowed on"),
        ([ip for ip in action.takes if ip not in (*loses, *gains)], "taken away from"),
        (loses, "no longer an address of"),
    ):
        if ips:
            yield f"{', '.join(ips)} {'are' if len(ips) > 1 else 'is'} {text} {where}"
            where = "it"


def refused(action: Action, answer: Verdict, reply: Reply) -> Report:
    """Why a change cannot be made, and who can help."""
    detail = replies.detail(reply)
    what = _could_not(action)
    if answer is Verdict.FORBIDDEN:
        return forbidden(what, rule(action), detail)
    if answer is Verdict.TAKEN:
        return error("openstack.used", what, f"somebody else has the address: {detail}", "crm openstack doctor")
    if answer is Verdict.FULL:
        port = action.port.id if isinstance(action, SetPort) else ""
        remedy = f"remove pairs that nobody needs: openstack port show {port}; or have max_allowed_address_pair raised"
        return error("openstack.full", what, f"the port has no room for another pair: {detail}", remedy)
    return error("openstack.refused", what, detail, "crm openstack doctor")


def rule(action: Action) -> str:
    """The policy rule that a change needs."""
    if isinstance(action, SetPort):
        return "update_port:fixed_ips" if action.fixed_ips is not None else "update_port:allowed_address_pairs"
    return RULES[type(action)]


def forbidden(what: str, needed: str, detail: str) -> Report:
    """A right that is missing: the rule, and who can grant it."""
    why = f"the policy rule {needed} does not allow it to these credentials ({detail})"
    remedy = (
        "let the project that owns the network do it, or have the cloud's administrator relax that rule in neutron's policy.yaml "
        "(or with an RBAC role); with access rules, the application credential has to list the request"
    )
    return error("openstack.forbidden", what, why, remedy)


def nudged(address: str, node: str) -> Report:
    """A distributed router was told who holds an address."""
    why = "a distributed router does not listen to announcements, only to updates of ports"
    return notice("openstack.nudged", f"the port of {node} was updated, so that routers find {address} there", why)


def severed(node: str, port: Port, addresses: tuple[str, ...]) -> Report:
    """A lost node's port was written, and read again (mode fenced)."""
    how = "" if port.is_up else "; the port is set down, because taking the pair away was not enough or not allowed"
    what = f"port {port.id} of {node} lets {', '.join(addresses)} through no more{how}"
    return notice(
        "openstack.severed", what, f"{node} is lost, and openstack-mode is fenced", "it is given back when the node is back"
    )


def not_severed(node: str, port: Port, detail: str) -> Report:
    """The cloud refuses it (mode fenced)."""
    what = f"port {port.id} of {node}, which is lost, can neither lose its pair nor be set down"
    remedy = f"have an administrator run: openstack port set --disable {port.id}; or, when you know that {node} is off: "
    return error("openstack.not-severed", what, detail, remedy + f"crm node clearstate {node}")


def undone(node: str, port: Port, lost: tuple[str, ...], times: int) -> Report:
    """Somebody has taken away what was in place. Neutron does not tell who, but when, and what stands there now."""
    what = f"somebody else took {', '.join(lost)} away from port {port.id} of {node}"
    now = ", ".join(pair.ip for pair in port.pairs) or "none"
    why = f"the port was written at {port.updated_at or 'an unknown time'} (revision {port.revision}); its pairs are now: {now}"
    if times > 1:
        why += f"; this was time {times}"
    return warning("openstack.undone", what, why, f"it is put back; find the other writer ({TERRAFORM})")


def _could_not(action: Action) -> str:
    match action:
        case MakeVip(item):
            return f"{item.label} cannot get a port of its own"
        case Claim(item, port):
            return f"port {port.id} of {item.label} cannot be marked as this cluster's"
        case Drop(port):
            return f"port {port.id} of {', '.join(port.addresses)} cannot be deleted"
        case SetPort(node, port):
            if action.gives:
                return f"{', '.join(action.gives)} cannot be allowed on port {port.id} of {node}"
            return f"{', '.join(action.takes)} cannot be taken away from port {port.id} of {node or 'a node that is gone'}"
