"""What the CIB wants of the cloud: which addresses, on the ports of which nodes, in which mode. Reads, never writes.

Every IPaddr2 primitive counts, also inside groups and clones, and also one that is stopped: its pairs stay, so that a start needs
no call. Beside them stand the addresses and networks of the property `openstack-allow`.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from lxml.etree import _Element as Element

from standfast.base.boolean import is_true
from standfast.base.dataclass import dataclass
from standfast.base.report import Report, warning
from standfast.cib import access
from standfast.openstack.identity import PORTS_ATTRIBUTE, SERVER_ATTRIBUTE, Nic, read_nics
from standfast.openstack.model import address, is_single

CLOUD, MODE, DVR, ALLOW, ID = "openstack-cloud", "openstack-mode", "openstack-dvr", "openstack-allow", "openstack-id"
ADDRESSES_MAX = 200
UP_RC = (0, 8)
DEFAULT_CLUSTER = "standfast"


class Mode(StrEnum):
    """How the cloud is made to let the holder of an address through, and others not."""

    PAIRS = "pairs"
    EXCLUSIVE = "exclusive"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class NodeWish:
    """A node and what it said of itself. `is_fenced`: it is lost, and its ports are to let no address through (mode fenced)."""

    name: str
    server: str = ""
    nics: tuple[Nic, ...] = ()
    is_fenced: bool = False


@dataclass(frozen=True, slots=True)
class AddressWish:
    """An address (or, of `openstack-allow`, a CIDR), canonical. `resource` is "" for one that is no resource; `nic` the card that
    the resource names; `holder` the node that holds it at present, "" where nobody does."""

    address: str
    resource: str = ""
    nic: str = ""
    holder: str = ""

    @property
    def label(self) -> str:
        """How people call it."""
        return f"{self.resource} ({self.address})" if self.resource else self.address


@dataclass(frozen=True, slots=True)
class Wish:
    """All of it. `cluster` marks the ports that are ours; `dvr` is auto, true or false; `remarks` say what could not be read;
    `revoked` are addresses that are to go from the nodes' ports whoever put them there (crm openstack revoke); `is_sure` that no
    other part of the cluster can act at the same time (mode fenced)."""

    cloud: str
    cluster: str
    nodes: tuple[NodeWish, ...]
    addresses: tuple[AddressWish, ...]
    mode: Mode = Mode.PAIRS
    dvr: str = "auto"
    remarks: tuple[Report, ...] = ()
    revoked: tuple[str, ...] = ()
    is_sure: bool = False


def read(root: Element, cloud: str = "", *, is_sure: bool = False, starting: tuple[tuple[str, str], ...] = ()) -> Wish | None:
    """The wish of a CIB; None where `openstack-cloud` is not set (and no `cloud` is given instead). `starting` are (address,
    node) of starts that wait for the cloud: in mode exclusive that node is the holder to be."""
    cloud = cloud or option(root, CLOUD)
    if not cloud:
        return None
    remarks: list[Report] = []
    cluster = "-".join(part for part in (option(root, "cluster-name") or DEFAULT_CLUSTER, option(root, ID)) if part)
    mode = _choice(root, MODE, tuple(Mode), "pairs", remarks)
    dvr = _choice(root, DVR, ("auto", "true", "false"), "auto", remarks)
    found = (*resources(root, remarks), *extras(option(root, ALLOW), remarks))
    soon = dict(starting) if mode == Mode.EXCLUSIVE else {}
    found = tuple(replace(wanted, holder=soon.get(wanted.address, wanted.holder)) for wanted in found)
    unique = {wanted.address: wanted for wanted in reversed(found)}
    addresses = tuple(wanted for wanted in found if unique[wanted.address] is wanted)
    fenced = lost(root) if mode == Mode.FENCED else frozenset()
    return Wish(cloud, cluster, nodes(root, fenced), addresses[:ADDRESSES_MAX], Mode(mode), dvr, tuple(remarks), is_sure=is_sure)


def option(root: Element, name: str) -> str:
    """A cluster property, "" where it is not set."""
    return (access.attribute_value(root, "crm_config", name) or "").strip()


def nodes(root: Element, fenced: frozenset[str] = frozenset()) -> tuple[NodeWish, ...]:
    """The cluster nodes of the configuration, by name; remote nodes are left alone."""
    found = []
    for node in root.iterfind("configuration/nodes/node"):
        name = node.get("uname", "")
        if node.get("type", "member") != "remote" and name:
            nics = read_nics(access.nvpair_value(node, PORTS_ATTRIBUTE) or "")
            found.append(NodeWish(name, access.nvpair_value(node, SERVER_ATTRIBUTE) or "", nics, name in fenced))
    return tuple(sorted(found, key=lambda node: node.name))


def lost(root: Element) -> frozenset[str]:
    """Nodes of which nobody knows what they do: expected to take part, and they do not; and those that were never seen, unless
    `startup-fencing` is off. A node that left in order has given up its addresses itself; one that was fenced has none."""
    unseen = is_true(option(root, "startup-fencing") or "true")
    found = set()
    states = {state.get("uname", ""): state for state in root.iterfind("status/node_state")}
    for node in nodes(root):
        state = states.get(node.name)
        if state is None:
            found |= {node.name} if unseen else set()
        elif not (state.get("in_ccm") == "true" and state.get("crmd") == "online") and state.get("expected") != "down":
            found.add(node.name)
    return frozenset(found)


def resources(root: Element, remarks: list[Report]) -> tuple[AddressWish, ...]:
    """The addresses of all IPaddr2 resources, in the order of the configuration."""
    section = root.find("configuration/resources")
    templates = {t.get("id", ""): t for t in section.iterfind("template")} if section is not None else {}
    found = []
    for primitive in section.iter("primitive") if section is not None else ():
        base = templates.get(primitive.get("template", ""))
        if (primitive.get("type") or (base.get("type") if base is not None else "")) != "IPaddr2":
            continue
        own = primitive.get("id", "")
        ip = _parameter(primitive, base, "ip")
        try:
            canonical = address(ip)
        except ValueError:
            what = f"{own} has no address that could be allowed in OpenStack"
            remarks.append(warning("openstack.no-address", what, f"ip={ip!r}", f"crm resource param {own} set ip ADDRESS"))
            continue
        if not is_single(canonical):
            canonical = address(ip.partition("/")[0])
        nic = _parameter(primitive, base, "nic").partition(":")[0]
        found.append(AddressWish(canonical, own, nic, holder(root, own)))
    return tuple(found)


def extras(text: str, remarks: list[Report]) -> tuple[AddressWish, ...]:
    """The addresses and networks of `openstack-allow`."""
    found = []
    for word in text.replace(",", " ").split():
        try:
            found.append(AddressWish(address(word)))
        except ValueError:
            what = f"{ALLOW} names {word!r}, which is no address and no network"
            remarks.append(warning("openstack.no-address", what, "", f"crm configure property {ALLOW}='ADDRESS ...'"))
    return tuple(found)


def holder(root: Element, resource: str) -> str:
    """The node that holds a resource by the status section: where its last operation leaves it up; of several the first by
    name."""
    up: list[str] = []
    for state in root.iterfind("status/node_state"):
        if state.get("crmd") not in ("online", None) and state.get("in_ccm") != "true":
            continue
        histories = [h for h in state.iterfind("lrm/lrm_resources/lrm_resource") if h.get("id", "").partition(":")[0] == resource]
        up += [state.get("uname", "") for history in histories if _is_up(history)]
    return min(up, default="")


def _is_up(history: Element) -> bool:
    entries = [entry for entry in history.iterfind("lrm_rsc_op") if entry.get("call-id", "").isdigit()]
    last = max(entries, key=lambda entry: int(entry.get("call-id", "0")), default=None)
    if last is None:
        return False
    rc, action = last.get("rc-code", ""), last.get("operation", "")
    if action in ("stop", "migrate_to"):
        return False
    return rc.isdigit() and int(rc) in UP_RC


def _parameter(primitive: Element, base: Element | None, name: str) -> str:
    value = _set_value(primitive, name)
    if value is None and base is not None:
        value = _set_value(base, name)
    return (value or "").strip()


def _set_value(owner: Element, name: str) -> str | None:
    for block in owner.iterfind("instance_attributes"):
        for pair in block.iterfind("nvpair"):
            if pair.get("name") == name:
                return pair.get("value", "")
    return None


def _choice(root: Element, name: str, allowed: tuple[str, ...], default: str, remarks: list[Report]) -> str:
    value = option(root, name) or default
    if value in allowed:
        return value
    what = f"{name}={value} is not known, {default} is followed"
    words = "|".join(str(word) for word in allowed)
    remarks.append(warning("openstack.property", what, "", f"crm configure property {name}={words}"))
    return default
