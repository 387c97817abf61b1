"""The parameters of `stonith:fence_openstack`: those of the agent of fence-agents, so that its configurations work unedited.

Both spellings count (`auth-url`, `auth_url`), and the older names (`login`, `passwd`, `port`). New here: `network_fence`,
`step_timeout`, `region_name`. Owns: names, defaults, what they mean. Does not own: reading files and asking
(tools/fence_openstack.py).
"""

from __future__ import annotations

from dataclasses import field
from xml.sax.saxutils import escape, quoteattr

from standfast.base.dataclass import dataclass
from standfast.base.report import Refused, error
from standfast.openstack.api import CALL_TIMEOUT_MS
from standfast.openstack.ladder import STEP_MS, Order

NAME = "fence_openstack"
YES = ("1", "true", "yes", "on", "y")
NETWORK = ("first", "enough", "off")
ACTIONS = ("on", "off", "reboot", "status", "list", "list-status", "monitor", "metadata", "validate-all")
ACTING = ("on", "off", "reboot", "status")
TIMEOUT_S_MAX = 3_600

OLD = {
    "login": "username",
    "passwd": "password",
    "passwd_script": "password_script",
    "port": "plug",
    "tenant_name": "project_name",
}
NETWORK_TEXT = (
    "first: ports are set down first, and Nova has to confirm the rest; enough: ports that are down are enough where Nova "
    "confirms nothing (never with shared disks); off: ports are left alone"
)

PARAMETERS = (
    ("action", "string", "reboot", "What to do"),
    ("cloud", "string", "", "Name of a cloud in clouds.yaml: the best way, because then no password is in the configuration"),
    ("openrc", "string", "", "A file of OS_* lines, instead of cloud"),
    ("auth_url", "string", "", "Keystone's address, instead of cloud"),
    ("username", "string", "", "User"),
    ("password", "string", "", "Its password"),
    ("password_script", "string", "", "A program that prints the password"),
    ("project_name", "string", "admin", "Project"),
    ("user_domain_name", "string", "Default", "Domain of the user"),
    ("project_domain_name", "string", "Default", "Domain of the project"),
    ("region_name", "string", "", "Region"),
    ("auth_plugin", "string", "", "v3applicationcredential: the credential's id and secret are given"),
    ("application_credential_id", "string", "", "Application credential"),
    ("application_credential_name", "string", "", "The same by name, with username"),
    ("application_credential_secret", "string", "", "Its secret"),
    ("cacert", "string", "", "File of the certificates to trust"),
    ("ssl_insecure", "boolean", "0", "Do not check certificates. Without it they are always checked"),
    ("plug", "string", "", "UUID (or name) of the server; pcmk_host_map says it for each node"),
    ("uuid", "string", "", "The same"),
    ("apitimeout", "second", str(CALL_TIMEOUT_MS // 1000), "How long one call may take"),
    ("power_timeout", "second", "", "The same as step_timeout"),
    ("step_timeout", "second", str(STEP_MS // 1000), "How long Nova may take to carry out one step"),
    ("network_fence", "select", "first", NETWORK_TEXT),
)


@dataclass(frozen=True, slots=True)
class FenceSettings:
    """How to reach the cloud, and what to do there. `auth` are keystoneauth's words; empty with a `cloud` or an `openrc`."""

    order: Order
    cloud: str = ""
    openrc: str = ""
    auth_type: str = ""
    auth: dict[str, str] = field(default_factory=dict, repr=False)
    region: str = ""
    password_script: str = ""
    cacert: str = ""
    is_insecure: bool = False
    call_timeout_ms: int = CALL_TIMEOUT_MS


def canonical(given: dict[str, str]) -> dict[str, str]:
    """Parameters under the names of today; the new name wins where both are given."""
    out: dict[str, str] = {}
    for name, value in given.items():
        plain = name.strip().lower().replace("-", "_")
        new = OLD.get(plain, plain)
        if new and (new == plain or new not in out):
            out[new] = value.strip()
    return out


def settings(raw: dict[str, str]) -> FenceSettings:
    """What the parameters mean. Raises Refused."""
    given = canonical(raw)
    action = given.get("action") or given.get("option") or "reboot"
    if action not in ACTIONS:
        raise Refused(error("fence.action", f"{action!r} is no action of {NAME}", "", f"one of {', '.join(ACTIONS)}"))
    network = given.get("network_fence") or "first"
    if network not in NETWORK:
        raise Refused(error("fence.parameter", f"network_fence={network!r} is not known", "", f"one of {', '.join(NETWORK)}"))
    step_ms = _seconds(given, "step_timeout", _seconds(given, "power_timeout", STEP_MS))
    server = given.get("uuid") or given.get("plug") or given.get("nodename", "")
    made = FenceSettings(
        Order(action, server, network, step_ms),
        given.get("cloud", ""),
        given.get("openrc", ""),
        region=given.get("region_name", ""),
        password_script=given.get("password_script", ""),
        cacert=given.get("cacert", ""),
        is_insecure=given.get("ssl_insecure", "").lower() in YES,
        auth_type="v3applicationcredential" if given.get("application_credential_secret") else "password",
        auth=_auth(given),
        call_timeout_ms=min(_seconds(given, "apitimeout", CALL_TIMEOUT_MS), CALL_TIMEOUT_MS * 6),
    )
    if action != "metadata" and not (made.cloud or made.openrc or made.auth):
        remedy = "cloud=NAME (of clouds.yaml), or auth_url=, username=, password=, project_name="
        raise Refused(error("fence.credentials", "it is not said how to reach OpenStack", "", remedy))
    if not server and action in ACTING:
        remedy = "pcmk_host_map='NODE:UUID;NODE:UUID', or plug=UUID"
        raise Refused(error("fence.target", "it is not said which server is meant", "", remedy))
    return made


def metadata() -> str:
    """What the agent says of itself (FenceAgentAPI)."""
    parameters = []
    for name, kind, default, text in PARAMETERS:
        options = "".join(f"<option value={quoteattr(word)}/>" for word in NETWORK) if kind == "select" else ""
        value = f" default={quoteattr(default)}" if default else ""
        flag = name.replace("_", "-")
        parameters.append(
            f'\t<parameter name="{name}" unique="0" required="0">\n\t\t<getopt mixed="--{flag}=[value]"/>\n'
            f'\t\t<content type="{kind}"{value}>{options}</content>\n'
            f'\t\t<shortdesc lang="en">{escape(text)}</shortdesc>\n\t</parameter>\n'
        )
    automatic = {"on": ' automatic="0"'}
    actions = "".join(f'\t<action name="{name}"{automatic.get(name, "")}/>\n' for name in ACTIONS)
    return (
        f'<?xml version="1.0"?>\n<resource-agent name="{NAME}" shortdesc="Fences a server through OpenStack (Standfast)">\n'
        "<longdesc>Sets the server's ports down, reboots it hard, and stops it if that is not confirmed. Every step is verified "
        "within a deadline: an order that Nova has accepted is not taken for done.</longdesc>\n"
        f"<vendor-url>https://docs.openstack.org/nova/</vendor-url>\n<parameters>\n{''.join(parameters)}</parameters>\n"
        f"<actions>\n{actions}</actions>\n</resource-agent>\n"
    )


def _auth(given: dict[str, str]) -> dict[str, str]:
    """What keystoneauth wants to know."""
    if given.get("application_credential_secret"):
        names = ("auth_url", "application_credential_id", "application_credential_name", "application_credential_secret")
        auth = {name: given[name] for name in names if given.get(name)}
        if "application_credential_name" in auth:
            auth |= {"username": given.get("username", ""), "user_domain_name": given.get("user_domain_name") or "Default"}
        return auth
    if not given.get("auth_url"):
        return {}
    return {
        "auth_url": given["auth_url"],
        "username": given.get("username", ""),
        "password": given.get("password", ""),
        "project_name": given.get("project_name") or "admin",
        "user_domain_name": given.get("user_domain_name") or "Default",
        "project_domain_name": given.get("project_domain_name") or "Default",
    }


def _seconds(given: dict[str, str], name: str, default_ms: int) -> int:
    text = given.get(name, "").removesuffix("s")
    return (
        min(int(text), TIMEOUT_S_MAX) * 1000 if text.isascii() and text.isdigit() and len(text) < 6 and int(text) else default_ms
    )
