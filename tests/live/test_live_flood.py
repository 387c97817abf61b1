"""Floods on a real wire: what a peer has just sent, again and again from its own address; and noise from a stranger."""

from __future__ import annotations

import sys
import time

import pytest

from standfast.lab.lab import wait_until
from standfast.lab.measures import Rig

pytestmark = pytest.mark.live

REPEAT = """
import socket, struct, sys, time
target, seconds, per_s = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
tap = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))  # ETH_P_ALL: what leaves is seen as well
tap.bind(("eth0", 0))
tap.settimeout(5)
tape, end = [], time.monotonic() + 2
while time.monotonic() < end:
    packet, (_, _, kind, *_) = tap.recvfrom(4096)
    if kind == socket.PACKET_OUTGOING and packet[9:10] == b"\\x11" and packet[16:20] == socket.inet_aton(target):
        tape.append(packet[:26] + bytes(2) + packet[28:])  # no checksum: the kernel had left it to the network card
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)  # whole IP packets: the peer's address and port
begun, sent = time.monotonic(), 0
while (now := time.monotonic()) < begun + seconds:
    while sent < (now - begun) * per_s:
        out.sendto(tape[sent % len(tape)], (target, 0))
        sent += 1
    time.sleep(0.002)
print(len(tape), "recorded,", sent, "sent")
"""

NOISE = """
import os, socket, sys, time
target, seconds, per_s = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
begun, sent = time.monotonic(), 0
while (now := time.monotonic()) < begun + seconds:
    while sent < (now - begun) * per_s:
        out.sendto(b"Sf\\x01" + os.urandom(sent % 900), (target, 5405))
        sent += 1
    time.sleep(0.002)
print(sent, "sent")
"""
SECONDS, PER_S = 4, 2000


def test_floods_change_no_view_and_the_client_notices_nothing(cluster: Rig) -> None:
    name = cluster.probe.wait_steady(10)
    one = cluster.lab.hosts[name]
    peer = next(host for host in cluster.lab.hosts.values() if host is not one)
    log = cluster.stack.log(one)
    views = log.read_text(errors="replace").count("engine.view")
    start_s = time.monotonic()
    for space, script in ((peer, REPEAT), (cluster.lab.client, NOISE)):
        done = space.run([sys.executable, "-c", script, one.address, str(SECONDS), str(PER_S)])
        assert int(done.stdout.split()[-2]) > SECONDS * PER_S // 4, done.stdout
    for words in (f"datagrams from {peer.address} came twice", "datagrams from 172.16.0."):
        wait_until(f"{name} says {words}", lambda words=words: words in log.read_text(errors="replace"), 10)
    text = log.read_text(errors="replace")
    assert text.count("came twice") <= 2, "once a minute"
    assert text.count("engine.view") == views
    assert cluster.probe.wait_steady(5) == name
    assert cluster.probe.served_by(start_s) == [name]
    outage_s = cluster.probe.outage_s(start_s)
    assert outage_s is None or outage_s < 0.5
