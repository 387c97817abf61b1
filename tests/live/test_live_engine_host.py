"""The engine's sockets, with real ICMP: a closed port is news, an unreachable host is silence, and neither makes it spin."""

from __future__ import annotations

import select
import socket
import time
from pathlib import Path

import pytest

from standfast.engine.effects import DatagramReceived, EngineInput, PeerRefused
from standfast.lab.lab import is_possible
from standfast.runtime import engine_host
from standfast.runtime.engine_host import EngineHost

pytestmark = pytest.mark.live


class Heard(EngineHost):
    """An EngineHost without an engine: what it would be told is kept."""

    def __init__(self) -> None:
        self.told: list[EngineInput] = []

    def _step(self, event: EngineInput) -> None:
        self.told.append(event)


def bound() -> socket.socket:
    return engine_host._bind(("127.0.0.1", 0))


def wait_ready(sock: socket.socket) -> None:
    assert select.select([sock], [], [], 5)[0], "the kernel said nothing"


def test_a_closed_port_is_told_and_the_socket_is_quiet_afterwards() -> None:
    host, sock = Heard(), bound()
    closed = bound()
    address = closed.getsockname()
    closed.close()
    sock.sendto(b"x", address)
    wait_ready(sock)
    host._readable(0, sock)
    assert host.told == [PeerRefused(0, address)]
    assert not select.select([sock], [], [], 0.1)[0], "it would be called for ever"
    sock.close()


def test_a_datagram_behind_an_error_is_still_read() -> None:
    host, sock, other = Heard(), bound(), bound()
    closed = bound()
    address = closed.getsockname()
    closed.close()
    sock.sendto(b"x", address)
    other.sendto(b"hello", sock.getsockname())
    end_s = time.monotonic() + 5
    while len(host.told) < 2 and time.monotonic() < end_s:
        host._readable(0, sock)
    assert sorted(map(repr, host.told)) == sorted(
        map(repr, [PeerRefused(0, address), DatagramReceived(0, other.getsockname(), b"hello")])
    )
    for each in (sock, other):
        each.close()


@pytest.mark.skipif(not is_possible(), reason="needs root, in a user namespace at least")
def test_an_unreachable_peer_costs_no_processor_time(tmp_path: Path) -> None:
    """Two hosts up, one is powered off: the other's ARP fails (EHOSTUNREACH in the error queue) and its engine stays calm."""
    from standfast.lab.files import COROSYNC_CONF
    from standfast.lab.lab import Lab, wait_until

    with Lab(["test-node-1", "test-node-2"]) as lab:
        one, two = lab.hosts.values()
        for host in (one, two):
            host.write("/etc/corosync/corosync.conf", COROSYNC_CONF.encode())
            host.write("/etc/corosync/authkey", b"0123456789abcdef" * 16, 0o400)
            host.start(["standfast", "node"], tmp_path / f"{host.name}.log")
        wait_until("both online", lambda: "test-node-1 test-node-2" in one.type("crm status", check=False), 40)
        lab.cut("test-node-2")
        time.sleep(4)  # ARP gives up after three seconds
        pid = next(p for p in one.processes() if Path(f"/proc/{p}/comm").read_text().strip() == "sf-engine")

        def used_s() -> float:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / 100

        before_s = used_s()
        time.sleep(4)
        assert used_s() - before_s < 1.0, "the engine spins"
