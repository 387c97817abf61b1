"""OpenStack's answers: status and body of HTTP as a service or a proxy sent them, on their way to typed values.

The first line is `STATUS RETRY-AFTER`, the rest the body. The body also stands in for the metadata service's documents.
"""

from __future__ import annotations

import contextlib
import json
from types import SimpleNamespace

from standfast.base.wire import Malformed
from standfast.openstack import identity, model
from standfast.openstack.api import Request, Service
from standfast.openstack.replies import DETAIL_CHARS_MAX, Verdict, detail, verdict
from standfast.openstack.wire import read_reply
from standfast.runtime.cloud_session import Cloud

REQUESTS = tuple(Request(service, method, "/v2.0/ports") for service in Service for method in ("GET", "PUT", "DELETE"))
CARDS = (("lo", "00:00:00:00:00:00"), ("eth0", "fa:16:3e:7d:f5:fe"))
DICTIONARY = (
    b"NeutronError",
    b"IpAddressAlreadyAllocated",
    b"fixed_ips",
    b"allowed_address_pairs",
    b"revision_number",
    b"binding:profile",
)


class _Response:
    """What `requests` gives for such bytes."""

    def __init__(self, data: bytes) -> None:
        line, _, self.content = data.partition(b"\n")
        status, _, retry = line.partition(b" ")
        self.status_code = int(status) if status.isdigit() and len(status) == 3 else 200
        self.headers = {"Retry-After": retry.decode("latin-1"), "Content-Type": "text/html"}

    def json(self) -> object:
        """As requests does it: whatever json raises."""
        return json.loads(self.content)


def one(data: bytes) -> None:
    """One input."""
    response = _Response(data)
    cloud = Cloud("fuzz")
    cloud._adapters["network"] = SimpleNamespace(  # the place of keystoneauth: everything around it is ours
        session=SimpleNamespace(request=lambda *_, **__: response), get_endpoint=lambda: "http://neutron", auth=None
    )
    cloud._region = object()
    answer = cloud.call({"service": "network", "method": "GET", "path": "/v2.0/ports", "timeout_ms": 1})
    reply = read_reply(json.loads(json.dumps(answer)))
    for request in REQUESTS:
        assert verdict(request, reply) in Verdict
    assert len(detail(reply)) <= DETAIL_CHARS_MAX
    for read in (model.ports, model.subnets, model.servers, model.the_port):
        with contextlib.suppress(Malformed):
            read(reply.body)
    with contextlib.suppress(Malformed):
        for port in model.ports(reply.body):
            assert all(port.allows(address) in (True, False) for address in port.addresses)
            port.covering("10.0.0.1")
            port.with_pairs(less=port.addresses)
    found = identity.identity(CARDS, response.content, response.content)
    assert identity.read_nics(identity.write_nics(found.nics)) == found.nics
