"""A Neutron for the simulator and for transcripts: ports, subnets, revisions, and the refusals that the real one gives.

Owns: the state of a small cloud and the answers to requests (openstack/api.py). Does not own: time, what goes wrong when: a fault
is put in front of it with `inject`. The rules are those measured on the real Neutron 29 (whole-list writes, If-Match, 409 by the
unique key of an address in a subnet, 10 pairs at most).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from ipaddress import ip_address, ip_network

from standfast.openstack.api import Json, Reply, Request

PAIRS_MAX = 10


class FakeCloud:
    """See the module. `project` is the caller's; every answer is a copy."""

    def __init__(self, project: str = "cluster") -> None:
        self.project = project
        self.ports: dict[str, Json] = {}
        self.subnets: list[Json] = []
        self.servers: dict[str, str] = {}
        self.others: dict[str, list[Json]] = {}
        """What other lists show: floatingips, networks, security-groups, extensions, server_groups."""
        self.log: list[str] = []
        self.forbidden: tuple[str, ...] = ()
        """Fields and methods that the policy refuses: allowed_address_pairs, fixed_ips, POST, ..."""
        self.has_revisions = True
        self._faults: list[Callable[[Request], Reply | None]] = []
        self._number = 0

    # ---- making it ---------------------------------------------------------------------------------------------------

    def add_subnet(self, network: str, cidr: str) -> str:
        """A subnet; gives its id."""
        own = self._id("subnet")
        self.subnets.append({"id": own, "network_id": network, "cidr": cidr, "allocation_pools": []})
        return own

    def add_port(self, network: str, ip: str, device: str = "", owner: str = "compute:nova", **fields: object) -> str:
        """A port; gives its id."""
        own = self._id("port")
        self.ports[own] = {
            "id": own,
            "name": "",
            "network_id": network,
            "project_id": self.project,
            "mac_address": f"fa:16:3e:00:00:{self._number:02x}",
            "fixed_ips": [{"subnet_id": self._subnet(network, ip), "ip_address": ip}],
            "allowed_address_pairs": [],
            "device_id": device,
            "device_owner": owner,
            "description": "",
            "port_security_enabled": True,
            "revision_number": 1,
            "updated_at": "2026-11-22T12:00:00Z",
            **fields,
        }
        return own

    def add_node(self, name: str, network: str, ip: str) -> str:
        """A server with one port; gives the port's id."""
        server = self._id("server")
        self.servers[server] = name
        return self.add_port(network, ip, server)

    def add_floating_ip(self, ip: str, port: str, fixed: str) -> Json:
        """A floating IP that leads to an address of a port; gives the record."""
        made: Json = {"id": f"f1-{ip}", "floating_ip_address": ip, "port_id": port, "fixed_ip_address": fixed}
        made |= {"description": "web", "project_id": self.project, "revision_number": 1}
        self.others.setdefault("floatingips", []).append(made)
        return made

    def pairs(self, port: str) -> tuple[str, ...]:
        """The addresses of a port's pairs."""
        return tuple(pair["ip_address"] for pair in self.ports[port]["allowed_address_pairs"])

    def set_pairs(self, port: str, *ips: str) -> None:
        """Somebody else writes the whole list, as Terraform does."""
        self._write(self.ports[port], {"allowed_address_pairs": [{"ip_address": ip} for ip in ips]})

    def inject(self, fault: Callable[[Request], Reply | None]) -> None:
        """Answer with what `fault` gives, once for each call of this, for the first request for which it gives something."""
        self._faults.append(fault)

    # ---- answering ---------------------------------------------------------------------------------------------------

    def call(self, request: Request) -> Reply:
        """The answer to a request."""
        self.log.append(str(request))
        for fault in list(self._faults):
            reply = fault(request)
            if reply is not None:
                self._faults.remove(fault)
                return reply
        return self.carry_out(request)

    def carry_out(self, request: Request) -> Reply:
        """The same without faults: what a fault does that lets the write through and loses the answer."""
        what = request.path.strip("/").split("/")
        if request.path == "/servers":
            return self._ok({"servers": [{"id": own, "name": name} for own, name in self.servers.items()]})
        if what[0] == "servers":
            return self._ok({"server": {"id": what[1], "name": self.servers.get(what[1], ""), "hostId": f"host-of-{what[1]}"}})
        if what[0] == "os-server-groups":
            return self._ok({"server_groups": copy.deepcopy(self.others.get("server_groups", []))})
        if request.method == "GET":
            return self._list(what[1], request.query)
        if what[1] == "ports":
            return self._change(request, what[2] if len(what) > 2 else "")
        if what[1] == "floatingips" and request.method == "PUT":
            return self._lead(request, what[2])
        return _error(404, "NotFound", "no such resource")

    def _list(self, kind: str, query: tuple[tuple[str, str], ...]) -> Reply:
        known: dict[str, list[Json]] = {"ports": list(self.ports.values()), "subnets": self.subnets}
        items = known.get(kind, self.others.get(kind, []))
        query = tuple(pair for pair in query if pair[0] != "fields")
        if any(name == "allowed_address_pairs" for name, _ in query):  # neutron/api/api_common.py, with filter validation
            return _error(400, "HTTPBadRequest", "['allowed_address_pairs'] is invalid attribute for filtering")
        for name in dict.fromkeys(name for name, _ in query):
            values = [value for key, value in query if key == name]
            items = [item for item in items if any(_matches(item, name, value) for value in values)]
        return self._ok({kind.replace("-", "_"): copy.deepcopy(items)})

    def _change(self, request: Request, own: str) -> Reply:
        fields: Json = copy.deepcopy((request.body or {}).get("port", {}))
        if any(word in self.forbidden for word in (request.method, *fields)):
            return _error(403, "PolicyNotAuthorized", f"(rule:{request.method.lower()}_port) is disallowed by policy")
        if request.method == "POST":
            return self._make(fields)
        if own not in self.ports:
            return _error(404, "PortNotFound", f"Port {own} could not be found.")
        port = self.ports[own]
        if request.revision is not None:
            if not self.has_revisions:
                return _error(400, "HTTPBadRequest", "Invalid value for If-Match header")
            if request.revision != port["revision_number"]:
                return _error(412, "RevisionNumberConstraintFailed", f"Constrained to {request.revision}")
        if request.method == "DELETE":
            del self.ports[own]
            for floating in self._floating_of(own):  # l3_db.disassociate_floatingips
                floating.update(port_id=None, fixed_ip_address=None)
            return Reply(204)
        return self._update(port, fields)

    def _make(self, fields: Json) -> Reply:
        network, ip = fields["network_id"], fields["fixed_ips"][0]["ip_address"]
        subnet = self._subnet(network, ip)
        if not subnet:
            return _error(400, "InvalidIpForNetwork", f"IP address {ip} is not a valid IP for any of the subnets")
        if self._holder(network, ip):
            return _error(409, "IpAddressAlreadyAllocated", f"IP address {ip} already allocated in subnet {subnet}")
        own = self.add_port(network, ip, owner="")
        del fields["fixed_ips"]
        self.ports[own].update(fields)
        return self._ok({"port": copy.deepcopy(self.ports[own])}, 201)

    def _update(self, port: Json, fields: Json) -> Reply:
        if "allowed_address_pairs" in fields:
            if len(fields["allowed_address_pairs"]) > PAIRS_MAX:
                return _error(400, "AllowedAddressPairExhausted", "The number of allowed address pair exceeds the maximum 10.")
            if fields["allowed_address_pairs"] and not port["port_security_enabled"]:
                return _error(409, "AddressPairAndPortSecurityRequired", "Port Security must be enabled")
        if "fixed_ips" in fields:  # l3_db.prevent_internal_ip_change_for_fip looks at the first alone
            staying = [fixed["ip_address"] for fixed in fields["fixed_ips"]]
            if any(floating["fixed_ip_address"] not in staying for floating in self._floating_of(port["id"])[:1]):
                return _error(400, "BadRequest", "its original fixed_ip has been associated to a floating ip")
        for fixed in fields.get("fixed_ips", ()):
            having = self._holder(port["network_id"], fixed["ip_address"])
            if having not in ("", port["id"]):
                return _error(409, "IpAddressAlreadyAllocated", f"IP address {fixed['ip_address']} already allocated")
            fixed["subnet_id"] = self._subnet(port["network_id"], fixed["ip_address"])
        if "fixed_ips" in fields:
            fields["fixed_ips"].sort(key=lambda fixed: str(fixed["ip_address"]))  # as Neutron shows them: as texts
        self._write(port, fields)
        return self._ok({"port": copy.deepcopy(port)})

    def _lead(self, request: Request, own: str) -> Reply:
        """Lead a floating IP to an address of a port, or nowhere."""
        fields: Json = copy.deepcopy((request.body or {}).get("floatingip", {}))
        found = next((item for item in self.others.get("floatingips", ()) if item["id"] == own), None)
        if "floatingips" in self.forbidden:
            return _error(403, "PolicyNotAuthorized", "(rule:update_floatingip) is disallowed by policy")
        if found is None:
            return _error(404, "FloatingIPNotFound", f"Floating IP {own} could not be found")
        if request.revision is not None and request.revision != found["revision_number"]:
            return _error(412, "RevisionNumberConstraintFailed", f"Constrained to {request.revision}")
        if "port_id" in fields and fields["port_id"] is None:
            fields["fixed_ip_address"] = None
        elif "port_id" in fields:
            port = self.ports.get(fields["port_id"], {"fixed_ips": ()})
            if fields["fixed_ip_address"] not in [fixed["ip_address"] for fixed in port["fixed_ips"]]:
                return _error(400, "BadRequest", f"Port {fields['port_id']} does not have fixed ip {fields['fixed_ip_address']}")
        found.update(fields, revision_number=found["revision_number"] + 1)
        return self._ok({"floatingip": copy.deepcopy(found)})

    def _floating_of(self, port: str) -> list[Json]:
        return [item for item in self.others.get("floatingips", ()) if item["port_id"] == port]

    def _write(self, port: Json, fields: Json) -> None:
        for pair in fields.get("allowed_address_pairs", ()):
            pair.setdefault("mac_address", port["mac_address"])
        port.update(fields)
        port["revision_number"] += 1

    def _holder(self, network: str, ip: str) -> str:
        for own, port in self.ports.items():
            if port["network_id"] == network and any(fixed["ip_address"] == ip for fixed in port["fixed_ips"]):
                return own
        return ""

    def _subnet(self, network: str, ip: str) -> str:
        for subnet in self.subnets:
            if subnet["network_id"] == network and ip_address(ip) in ip_network(subnet["cidr"]):
                return str(subnet["id"])
        return ""

    def _id(self, kind: str) -> str:
        self._number += 1
        prefix = {"port": "b0", "subnet": "50", "server": "5e"}[kind]
        return f"{prefix}{self._number:06x}-0000-4000-8000-000000000000"

    @staticmethod
    def _ok(body: Json, status: int = 200) -> Reply:
        return Reply(status, body)


def _matches(item: Json, name: str, value: str) -> bool:
    if name == "fixed_ips":
        return any(fixed["ip_address"] == value.partition("=")[2] for fixed in item["fixed_ips"])
    return bool(item.get(name) == value)


def _error(status: int, kind: str, message: str) -> Reply:
    return Reply(status, {"NeutronError": {"type": kind, "message": message, "detail": ""}})
