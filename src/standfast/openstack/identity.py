"""Which Neutron port a network card of this host is: from the config drive or the metadata service, without an API call.

`network_data.json` lists links with `vif_id` (the port's UUID) and `ethernet_mac_address` (nova/virt/netutils.py);
`meta_data.json` has the server's `uuid`. Both may be absent or wrong: that is no fault, the coordinator then looks the port up by
its MAC.

As a node attribute, a host's cards are written `NAME/MAC/PORT` with spaces between; PORT is `-` where it is not known.
"""

from __future__ import annotations

import json
import re

from standfast.base.dataclass import dataclass

NICS_MAX = 64
SERVER_ATTRIBUTE = "openstack-server"
PORTS_ATTRIBUTE = "openstack-ports"
DATA_BYTES_MAX = 1 << 20

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[^\s/]{1,15}")


@dataclass(frozen=True, slots=True)
class Nic:
    """A network card: the guest's name for it, its MAC, its port ("" where not known)."""

    name: str
    mac: str
    port: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a host knows of itself: the server's UUID ("" where not known) and its cards."""

    server: str = ""
    nics: tuple[Nic, ...] = ()


def identity(cards: tuple[tuple[str, str], ...], meta_data: bytes, network_data: bytes) -> Identity:
    """This host, from its (name, MAC) cards and the two documents, which may be empty or nonsense."""
    by_mac = links(network_data)
    usable = [(name, mac.lower()) for name, mac in cards if is_card(name, mac.lower())]
    nics = tuple(Nic(name, mac, by_mac.get(mac, "")) for name, mac in sorted(usable)[:NICS_MAX])
    return Identity(_uuid(_object(meta_data).get("uuid")), nics)


def is_card(name: str, mac: str) -> bool:
    """Whether it can be the card of a port: loopback, and addresses that are empty or all ones, are not."""
    return bool(_NAME.fullmatch(name)) and name != "lo" and bool(_MAC.fullmatch(mac)) and mac not in _NO_MACS


def links(network_data: bytes) -> dict[str, str]:
    """MAC to port UUID; what does not fit is left out."""
    listed = _object(network_data).get("links")
    found = {}
    for link in listed if isinstance(listed, list) else []:
        if isinstance(link, dict):
            mac, port = str(link.get("ethernet_mac_address")).lower(), _uuid(link.get("vif_id"))
            if _MAC.fullmatch(mac) and port:
                found[mac] = port
    return found


def write_nics(nics: tuple[Nic, ...]) -> str:
    """The value of the attribute."""
    return " ".join(f"{nic.name}/{nic.mac}/{nic.port or '-'}" for nic in nics)


def read_nics(value: str) -> tuple[Nic, ...]:
    """The cards of an attribute; what does not fit is left out."""
    found = []
    for word in value.split()[:NICS_MAX]:
        name, _, rest = word.partition("/")
        mac, _, port = rest.partition("/")
        if is_card(name, mac):
            found.append(Nic(name, mac, _uuid(port)))
    return tuple(found)


def _uuid(value: object) -> str:
    text = value.lower() if isinstance(value, str) else ""
    return text if _UUID.fullmatch(text) else ""


def _object(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data[:DATA_BYTES_MAX])
    except ValueError:
        return {}
    except RecursionError:
        return {}
    return value if isinstance(value, dict) else {}


_NO_MACS = ("00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff")
