"""The API's certificate has expired, and is renewed: the one is said, the other is enough."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from faulty_api import FaultyApi
from os_lab import Session
from os_tls import certificates

from standfast.openstack import requests
from standfast.openstack.api import Fault

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]


def test_an_expired_certificate_is_named_and_a_new_one_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, shown = certificates(tmp_path)
    with FaultyApi(int(os.environ["OPENSTACK_BASE_PORT"]) + 1, shown) as api:
        settings = f"clouds:\n  tls:\n    auth_type: none\n    network_endpoint_override: https://127.0.0.1:{api.port}\n"
        (tmp_path / "clouds.yaml").write_text(f"{settings}    cacert: {trusted}\n")
        monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
        api.break_down("certificate")
        (reply,) = Session("tls").ask((requests.list_network("extensions"),))
        assert reply.fault is Fault.TLS
        assert "expired" in reply.detail
        # The server writes its side down when its own half of the handshake is over, which may be after ours.
        over = time.monotonic() + 10
        while not api.requests and time.monotonic() < over:
            time.sleep(0.01)
        assert [method for _, method, _ in api.requests] == ["TLS"], "nothing was sent to whoever that is"
        api.break_down("")
        (reply,) = Session("tls").ask((requests.list_network("extensions"),))
        assert reply.status == 401, "the service was asked, without a token here"
