"""What Keystone answers on the way to a token, in one of our words: an outage of the credentials is none of the cloud."""

from __future__ import annotations

import pytest

from standfast.openstack.api import Fault
from standfast.runtime.cloud_session import Cloud

exceptions = pytest.importorskip("keystoneauth1.exceptions")


@pytest.mark.parametrize(
    ("raised", "meant"),
    [("Unauthorized", Fault.CREDENTIALS), ("NotFound", Fault.CREDENTIALS), ("ServiceUnavailable", Fault.UNREACHABLE)],
)
def test_what_keystone_says_has_a_meaning(monkeypatch: pytest.MonkeyPatch, raised: str, meant: Fault) -> None:
    """NotFound (404) is what it says of an application credential that was deleted."""

    def refuse(*_: object) -> None:
        raise getattr(exceptions, raised)("Could not find Application Credential")

    monkeypatch.setattr(Cloud, "_adapter", refuse)
    request = {"service": "network", "method": "GET", "path": "/v2.0/ports", "query": (), "timeout_ms": 1000}
    answer = Cloud("lab").call(request)
    assert (answer["status"], answer["fault"]) == (0, meant)
