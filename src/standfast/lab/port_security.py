"""What Neutron's agents do on a hypervisor, for the lab's switch: a port may send from its own addresses and its pairs only.

Run as a program beside the lab (`python -m standfast.lab.port_security CLOUD SWITCH-PID INTERFACE=PORT-ID ...`): it reads the
ports from the API and writes nftables rules into the switch's namespace. What is enforced is egress, as Neutron's firewall does
against spoofing: the source MAC, the source of IP, and the sender of ARP. While the API is away, the rules stay as they are.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from standfast.client.cloud import CloudWorker
from standfast.lab.spaces import Space, mortal
from standfast.openstack import model, requests
from standfast.openstack.model import Port

EVERY_S = 0.25
TABLE = "neutron"


def rules(ports: Mapping[str, Port]) -> str:
    """The whole table for nft -f, by the names of the switch's interfaces; applied as one change."""
    lines = [f"add table bridge {TABLE}", f"delete table bridge {TABLE}", f"table bridge {TABLE} {{"]
    for place, port in enumerate(ports.values()):
        lines += [f"  chain port{place} {{", *(f"    {rule}" for rule in _rules(port)), "  }"]
    jumps = ", ".join(f'"{interface}" : jump port{place}' for place, interface in enumerate(ports))
    lines += ["  chain prerouting {", "    type filter hook prerouting priority -300; policy accept;"]
    if jumps:
        lines.append(f"    iifname vmap {{ {jumps} }}")
    return "\n".join([*lines, "  }", "}", ""])


def _rules(port: Port) -> list[str]:
    if not port.is_up:
        return ["counter drop"]
    if port.has_port_security is False:
        return ["accept"]
    found = []
    sources = [(port.mac, ip) for ip in port.addresses]
    sources += [(pair.mac or port.mac, model.address(pair.ip)) for pair in port.pairs]
    for mac in dict.fromkeys(mac for mac, _ in sources):
        v4 = ", ".join(dict.fromkeys(ip for own, ip in sources if own == mac and ":" not in ip))
        v6 = ", ".join(["fe80::/10", "::", *dict.fromkeys(ip for own, ip in sources if own == mac and ":" in ip)])
        if v4:
            found.append(f"ether saddr {mac} arp saddr ether {mac} arp saddr ip {{ {v4} }} accept")
            found.append(f"ether saddr {mac} ip saddr {{ {v4} }} accept")
        found.append(f"ether saddr {mac} ip6 saddr {{ {v6} }} accept")
    return [*found, "counter drop"]


def dropped(switch: Space) -> int | None:
    """Packets that the switch has dropped since its rules last changed; None while it has no rules."""
    done = switch.run(["nft", "-j", "list", "table", "bridge", TABLE], check=False)
    if done.returncode:
        return None
    parts = [part for item in json.loads(done.stdout)["nftables"] for part in item.get("rule", {}).get("expr", ())]
    return sum(int(part["counter"]["packets"]) for part in parts if "counter" in part)


def main(argv: Sequence[str]) -> None:
    """Until it is killed."""
    cloud, switch, *pairs = argv
    wanted = dict(pair.split("=", 1) for pair in pairs)
    before = ""
    with CloudWorker(cloud) as worker:
        while True:
            (reply,) = worker.ask((requests.list_ports("id", wanted.values()),))
            if reply.status == 200:
                found = {port.id: port for port in model.ports(reply.body)}
                text = rules({name: found[own] for name, own in wanted.items() if own in found})
                if text != before:
                    command = mortal(["nsenter", "-t", switch, "-n", "--", "nft", "-f", "-"])
                    subprocess.run(command, input=text, text=True, check=True, timeout=10)
                    before = text
            time.sleep(EVERY_S)


if __name__ == "__main__":
    main(sys.argv[1:])
