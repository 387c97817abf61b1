"""How a fence agent is spoken to: its meta-data, and the name=value lines on its standard input (FenceAgentAPI).

What an agent prints is not trusted: sizes are bounded, entities are not expanded.
"""

from __future__ import annotations

import re

from lxml import etree

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.fencing import values
from standfast.fencing.api import Job, Pairs

XML_BYTES_MAX = 1024 * 1024
SBIN = "/usr/sbin"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}", re.ASCII)
_OURS = re.compile(
    r"pcmk_(host_(map|list|check|argument)|delay_(base|max)|action_limit"
    r"|(on|off|reboot|list|status|monitor|metadata)_(action|timeout|retries)|external_ip)|priority|provides|stonith-timeout"
)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an agent says that it can do; `argument` is the parameter that names the target ("" for none)."""

    actions: frozenset[str] = frozenset({"on", "off", "reboot"})
    argument: str = ""


def abilities(xml: bytes) -> Abilities | None:
    """The abilities in an agent's meta-data; None when it cannot be read."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
    if len(xml) > XML_BYTES_MAX:
        return None
    try:
        root = etree.fromstring(xml.strip(), parser)
    except (etree.XMLSyntaxError, ValueError):
        return None
    names = {p.get("name") for p in root.iterfind("parameters/parameter")}
    actions = frozenset(a.get("name", "") for a in root.iterfind("actions/action"))
    argument = next((name for name in ("plug", "port") if name in names), "")
    return Abilities(actions, argument) if actions else None


def path(agent: str, sbin: str = SBIN, own: Pairs = ()) -> str:
    """The agent's file: one of our `own` (name, file), else the one in `sbin`. Raises Refused for a name that is not allowed: the
    configuration never makes a path of its own."""
    if not _NAME.fullmatch(agent) or not agent.startswith("fence_"):
        raise Refused(error("fencing.agent", f"{agent!r} is no fence agent", "", "use the name of a file /usr/sbin/fence_*"))
    return dict(own).get(agent) or f"{sbin}/{agent}"


def lines(parameters: Pairs, action: str, extra: Pairs = ()) -> bytes:
    """What an agent reads: `action=...`, then the device's own parameters. Raises Refused for a value of several lines."""
    given = dict(parameters)
    out = {"action": given.get(f"pcmk_{action}_action", action), **dict(extra)}
    for name, value in parameters:
        if name != "action" and not is_ours(name) and not name.startswith("CRM_meta_") and name != "crm_feature_set":
            out.setdefault(name, value)
    if any("\n" in text or "\r" in text or "\0" in text for pair in out.items() for text in pair):
        raise Refused(error("fencing.parameter", "a parameter of the device has several lines", "", "write it on one line"))
    return "".join(f"{name}={value}\n" for name, value in out.items()).encode()


def target_lines(job: Job, action: str, argument: str) -> bytes:
    """The same, for an action on the job's target: always its name, and the port it hangs on where the agent wants one."""
    given = dict(job.parameters)
    extra = [("nodename", job.target)]
    wanted = given.get("pcmk_host_argument") or argument
    if wanted and wanted.lower() != "none" and given.get(wanted, "dynamic").lower() == "dynamic":
        extra.append((wanted, port(job)))
        given.pop(wanted, None)
    return lines(tuple(given.items()), action, tuple(extra))


def port(job: Job) -> str:
    """The target's name for the device: what pcmk_host_map says, else its own."""
    return values.host_map(dict(job.parameters).get("pcmk_host_map", "")).get(job.target, job.target)


def is_ours(name: str) -> bool:
    """Whether a parameter is for the cluster, and not for the agent."""
    return _OURS.fullmatch(name) is not None
