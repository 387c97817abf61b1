"""What `crm openstack` does: finds out what is wanted, drives rounds and surveys through the cloud worker, gives values and
reports.

Owns: where nodes and addresses come from (the CIB, or the command line where no cluster runs), how often a change is tried. Does
not own: what has to change (openstack/), how it is shown (openstack_text.py).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar
from xml.sax.saxutils import quoteattr

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, Report, error, notice
from standfast.cib import access
from standfast.client.cloud import CloudWorker
from standfast.openstack import model, replies, texts, wish
from standfast.openstack.api import Reply, Request
from standfast.openstack.doctor import Finding, examine
from standfast.openstack.reconciler import outage
from standfast.openstack.replies import Verdict, verdict
from standfast.openstack.round import Memory, Outcome, Round
from standfast.openstack.survey import Survey, look
from standfast.openstack.wish import AddressWish, NodeWish, Wish

if TYPE_CHECKING:
    from lxml.etree import _Element

    from standfast.shell.cluster import Cluster

ROUNDS_MAX = 4
EXIT_DISCONNECTED = 102
UDP_PORT = 5405
T = TypeVar("T")


class Worker(Protocol):
    """What is used of client.cloud.CloudWorker."""

    calls: int

    def ask(self, batch: tuple[Request, ...]) -> tuple[Reply, ...]:
        """The replies of a batch."""


@dataclass(slots=True)
class Done:
    """How a change went: what was changed, what could not be, and what was so already."""

    changes: list[Report] = field(default_factory=list)
    troubles: list[Report] = field(default_factory=list)
    calls: int = 0

    @property
    def is_good(self) -> bool:
        """Whether all is as it was asked for."""
        return not self.troubles


def wanted(cluster: Cluster, cloud: str, nodes: Sequence[str]) -> tuple[Wish, _Element | None]:
    """The wish of the running cluster, and its CIB; where none runs, of the `nodes` that were named. Raises Refused."""
    try:
        root = cluster.cib()
    except Refused as refused:
        if refused.exit_code != EXIT_DISCONNECTED:
            raise
        if not nodes:
            what = "no cluster runs here, and no nodes were named"
            raise Refused(
                *refused.reports, error("shell.openstack", what, "", "start it, or: --nodes SERVER,SERVER --cloud NAME")
            ) from None
        name = _cloud(cloud)
        return Wish(name, "", tuple(NodeWish(node) for node in nodes), ()), None
    found = wish.read(root, cloud=cloud) or wish.read(root, cloud=_cloud(""))
    assert found is not None, "a cloud was given"
    if nodes:
        known = {node.name: node for node in found.nodes}
        found = replace(found, nodes=tuple(known.get(node, NodeWish(node)) for node in nodes))
    return found, root


def _cloud(given: str) -> str:
    name = given or os.environ.get("OS_CLOUD", "") or ("envvars" if os.environ.get("OS_AUTH_URL") else "")
    if not name:
        what = "it is not said which cloud is meant"
        remedy = "crm configure property openstack-cloud=NAME (of clouds.yaml), or --cloud NAME, or OS_CLOUD"
        raise Refused(error("shell.openstack", what, "", remedy))
    return name


def chosen(found: Wish, words: Sequence[str]) -> tuple[AddressWish, ...]:
    """What the words mean: resources by name, addresses, networks. Raises Refused."""
    if not words:
        raise Refused(error("shell.usage", "nothing is named", "", "a resource (ha-vip), an address or a CIDR"))
    items = []
    for word in words:
        named = [item for item in found.addresses if item.resource == word]
        if not named:
            try:
                canonical = model.address(word)
            except ValueError:
                resources = ", ".join(item.resource for item in found.addresses if item.resource) or "none"
                what = f"{word} is neither a failover IP of this cluster nor an address"
                raise Refused(error("shell.openstack", what, f"failover IPs: {resources}", "crm openstack status")) from None
            named = [item for item in found.addresses if item.address == canonical] or [AddressWish(canonical)]
        items += named
    return tuple(items)


def carry_out(worker: Worker, wish_now: Wish, *, is_thorough: bool = False) -> Done:
    """Rounds until all is right, or nothing moves any more. The last round only reads: what it does not see is not done."""
    done, memory = Done(), Memory()
    for _ in range(ROUNDS_MAX):
        outcome: Outcome = drive(worker, Round(wish_now, memory, is_thorough=is_thorough).steps())
        done.changes += outcome.done
        if outcome.outage is not None:
            done.troubles = [outage(outcome)]
            break
        done.troubles = [trouble.report for trouble in outcome.troubles]
        if not outcome.writes or (done.troubles and not outcome.done):  # what is refused is not asked for again and again
            break
    else:
        what = "the cloud's ports do not stay as they were written"
        done.troubles.append(error("openstack.restless", what, "somebody else writes them all the time", "crm openstack status"))
    done.calls = worker.calls
    return done


def survey(worker: Worker, wish_now: Wish, *, is_deep: bool) -> Survey:
    """Everything that is to be known. Raises Refused when the cloud does not answer."""
    found = drive(worker, look(wish_now, Memory(), is_deep=is_deep))
    if found.outcome.outage is not None:
        raise Refused(outage(found.outcome))
    found.outcome.calls = worker.calls
    return found


def findings(wish_now: Wish, found: Survey) -> list[Finding]:
    """The doctor's findings, with the ports of this host's corosync.conf."""
    return examine(wish_now, found, _udp_ports())


def property_change(root: _Element, name: str, value: str) -> list[dict[str, object]]:
    """The operations that set a cluster property, where it is set already or in the first set; an empty value deletes it."""
    section = root.find("configuration/crm_config")
    pairs = [p for p in (section.iter("nvpair") if section is not None else ()) if p.get("name") == name]
    if not value:
        where = "/cib/configuration/crm_config//nvpair"
        return [{"kind": "delete", "xpath": f"{where}[@name='{name}']", "multiple": True}] if pairs else []
    holder = pairs[0].getparent() if pairs else None
    own_set = holder.get("id", "") if holder is not None else access.FIRST_SET
    own = pairs[0].get("id", "") if pairs else f"{own_set}-{name}"
    pair = f"<nvpair id={quoteattr(own)} name={quoteattr(name)} value={quoteattr(value)}/>"
    xml = f"<cluster_property_set id={quoteattr(own_set)}>{pair}</cluster_property_set>"
    return [{"kind": "modify", "scope": "crm_config", "xml": xml, "allow_create": True}]


def is_one_of(word: str, addresses: Sequence[str]) -> bool:
    """Whether a word of a property means one of these (canonical) addresses."""
    try:
        return model.address(word) in addresses
    except ValueError:
        return False


def ruled(request: Request, reply: Reply) -> Report:
    """How the making of a security group rule went."""
    rule = (request.body or {}).get("security_group_rule", {})
    what = f"UDP port {rule.get('port_range_min')} in security group {rule.get('security_group_id')}"
    answer = verdict(request, reply)
    if answer in (Verdict.DONE, Verdict.CONFLICT):
        return notice("openstack.rule-made", f"{what} is open now")
    if answer is Verdict.FORBIDDEN:
        return texts.forbidden(f"{what} cannot be opened", "create_security_group_rule", replies.detail(reply))
    return error("openstack.refused", f"{what} cannot be opened", replies.detail(reply))


def open_worker(cloud: str) -> CloudWorker:
    """The real thing."""
    return CloudWorker(cloud)


def drive(worker: Worker, steps: Generator[tuple[Request, ...], tuple[Reply, ...], T]) -> T:
    """Feed a generator of batches until it ends."""
    try:
        batch = next(steps)
        while True:
            batch = steps.send(worker.ask(batch))
    except StopIteration as end:
        value: T = end.value
        return value


def _udp_ports() -> tuple[int, ...]:
    """The ports on which this cluster's nodes talk: corosync.conf's, else corosync's default."""
    from standfast.config.parse import parse_config

    path = os.environ.get("COROSYNC_MAIN_CONFIG_FILE") or os.environ.get("STANDFAST_CONFIG") or "/etc/corosync/corosync.conf"
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            config = parse_config(file.read(), path)
    except (OSError, Refused):
        return (UDP_PORT,)
    links = {link for node in config.nodelist for link, _ in node.addresses} or {0}
    return tuple(sorted({config.port(link) for link in links}))
