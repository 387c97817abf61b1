"""The cluster layer on an etcd as a careful administrator runs it: three servers, TLS with client certificates, users and roles.

What the plain etcd of test_live_providers.py cannot show: that we are let in, that the loss of etcd's leader costs no session,
that history compacted under a sleeping node costs that node a session and nobody a message.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from standfast.base.ids import US_PER_MS, NodeId
from standfast.engine.provider import PROMISES
from standfast.lab import engines, files
from standfast.lab.contract import History
from standfast.lab.engines import Client
from standfast.lab.lab import Lab, is_possible, wait_until

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

NODES, STORES = ("n1", "n2"), ("s1", "s2", "s3")
FOLDER = "/etc/etcd-tls"
TTL_S = 5
ROLE = "/standfast/lab/"


def certificate(
    name: x509.Name,
    issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None,
    addresses: list[str],
    *usages: x509.ObjectIdentifier,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """One that is good for a day; without an issuer, an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if addresses:
        names = [x509.IPAddress(ipaddress.ip_address(a)) for a in addresses]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if issuer:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    return builder.sign(issuer[1] if issuer else key, hashes.SHA256()), key


def _named(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, text)])


def pem(pair: tuple[x509.Certificate, ec.EllipticCurvePrivateKey]) -> tuple[bytes, bytes]:
    key = pair[1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pair[0].public_bytes(serialization.Encoding.PEM), key


class CarefulEtcd:
    """Two nodes and three stores."""

    def __init__(self) -> None:
        self.lab = Lab(list(NODES), others=STORES)
        self.stores = {name: self.lab.others[name] for name in STORES}
        self.history = History(PROMISES["etcd"], engines.LEASE_MS * US_PER_MS)
        self.clients: dict[str, Client] = {}
        try:
            self._hand_out_certificates()
            for name in STORES:
                self.start_store(name)
            wait_until("the stores are healthy", lambda: "is healthy" in self.ctl("endpoint health", check=False), 30, 0.3)
            for line in (
                "user add root:rootpw",
                "user add standfast:opensesame",
                "role add cluster",
                "user grant-role root root",
                f"role grant-permission cluster --prefix=true readwrite {ROLE}",
                "user grant-role standfast cluster",
                "auth enable",
            ):
                self.ctl(line)
        except BaseException:
            self.close()
            raise

    def _hand_out_certificates(self) -> None:
        # no common name for a node: etcd's gateway refuses one (docs/engines.md)
        authority = certificate(_named("lab authority"), None, [])
        # a server is a client, too: its gateway connects to it with the same certificate
        both = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        server = certificate(_named("etcd"), authority, [h.address for h in self.stores.values()], *both)
        node = certificate(_named("standfast"), authority, [], ExtendedKeyUsageOID.CLIENT_AUTH)
        for host in (*self.lab.hosts.values(), *self.stores.values()):
            pairs = {"ca": authority, "node": node, **({"server": server} if host.name in STORES else {})}
            for name, pair in pairs.items():
                public, secret = pem(pair)
                host.write(f"{FOLDER}/{name}.pem", public)
                if name != "ca":
                    host.write(f"{FOLDER}/{name}.key", secret, 0o400)

    def start_store(self, name: str) -> None:
        host = self.stores[name]
        peers = ",".join(f"{n}=http://{h.address}:2380" for n, h in self.stores.items())
        url, peer = f"https://{host.address}:2379", f"http://{host.address}:2380"
        host.start(
            ["etcd", "--name", name, "--data-dir", "/var/lib/standfast/etcd", "--initial-cluster", peers,
             "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--listen-client-urls", url,
             "--advertise-client-urls", url, "--cert-file", f"{FOLDER}/server.pem", "--key-file", f"{FOLDER}/server.key",
             "--client-cert-auth", "--trusted-ca-file", f"{FOLDER}/ca.pem"],
            self.log(name),
        )  # fmt: skip

    def ctl(self, line: str, *, check: bool = True, is_open: bool = True, at: str = "s1") -> str:
        """etcdctl on one of the stores, as root unless `is_open`."""
        host = self.stores[at]
        files_ = f"--cacert {FOLDER}/ca.pem --cert {FOLDER}/node.pem --key {FOLDER}/node.key"
        user = "" if is_open else "--user root:rootpw"
        return host.type(f"ETCDCTL_API=3 etcdctl --endpoints https://{host.address}:2379 {files_} {user} {line}", check=check)

    def leader(self) -> str:
        """The store that leads, asked of all."""
        for name in STORES:
            if self.ctl("endpoint status", is_open=False, at=name).split(", ")[4] == "true":
                return name
        raise AssertionError("no leader")

    def attach(self, name: str, password: str = "opensesame") -> Client:
        """A client of the cluster layer on this node."""
        host = self.lab.hosts[name]
        text = engines.conf("embedded", self.lab, list(NODES))
        endpoints = ", ".join(f"https://{h.address}:2379" for h in self.stores.values())
        text += (
            f"standfast {{\n  engine: etcd\n  etcd {{\n    endpoints: {endpoints}\n    ttl: {TTL_S}\n"
            f"    ca_file: {FOLDER}/ca.pem\n    cert_file: {FOLDER}/node.pem\n    key_file: {FOLDER}/node.key\n"
            f"    user: standfast\n    password_file: {FOLDER}/password\n  }}\n}}\n"
        )
        host.write(files.CONF_PATH, text.encode())
        host.write(f"{FOLDER}/password", password.encode(), 0o400)
        self.clients[name] = Client(host, NodeId(NODES.index(name) + 1), self.history, self.log(f"{name}-client"))
        return self.clients[name]

    def agree(self, *names: str, timeout_s: float = 40) -> None:
        members = tuple(NODES.index(name) + 1 for name in names)
        wait_until(
            f"a view of {names}",
            lambda: all((v := self.clients[n].life.view) is not None and v.members == members for n in names),
            timeout_s,
        )

    def log(self, name: str) -> Path:
        return self.lab.folder / f"{name}.out"

    def close(self) -> None:
        for client in self.clients.values():
            if client.process.poll() is None:
                client.kill()
        self.lab.close()


@pytest.fixture
def careful() -> Iterator[CarefulEtcd]:
    if not is_possible():
        pytest.skip("hosts are built out of namespaces: that needs root, unshare and setpriv (package util-linux)")
    if reason := engines.missing("etcd"):
        pytest.skip(reason)
    cluster = CarefulEtcd()
    try:
        yield cluster
        cluster.history.check()
    finally:
        cluster.close()


def test_who_has_certificate_and_password_is_let_in_and_who_has_not_is_told(careful: CarefulEtcd) -> None:
    careful.attach("n1")
    careful.agree("n1")
    careful.attach("n2", password="wrong")
    time.sleep(2)
    assert careful.clients["n2"].life.view is None
    said = careful.log("n2-client").read_text()
    assert "authentication failed, invalid user ID or password" in said
    careful.clients.pop("n2").kill()
    careful.attach("n2")
    careful.agree("n1", "n2")
    careful.clients["n1"].say("over TLS")
    wait_until("delivered", lambda: b"over TLS" in careful.clients["n2"].life.delivered(), 20)
    # the role allows the cluster's own prefix and nothing else
    assert "permission denied" in careful.stores["s1"].type(
        f"ETCDCTL_API=3 etcdctl --endpoints https://{careful.stores['s1'].address}:2379 --cacert {FOLDER}/ca.pem "
        f"--cert {FOLDER}/node.pem --key {FOLDER}/node.key --user standfast:opensesame get /other",
        check=False,
    )


def test_the_death_of_etcds_leader_costs_neither_a_view_nor_a_message(careful: CarefulEtcd) -> None:
    for name in NODES:
        careful.attach(name)
    careful.agree(*NODES)
    views = {name: careful.clients[name].life.view for name in NODES}
    leader = careful.leader()
    careful.clients["n1"].say("before")
    careful.stores[leader].signal_all(signal.SIGKILL)
    for n in range(20):
        careful.clients["n1"].say(f"during {n}")
        careful.clients["n2"].say(f"meanwhile {n}")
        time.sleep(0.05)
    sent = {payload for client in careful.clients.values() for payload in client.life.sent}
    wait_until("delivered", lambda: all(sent <= set(careful.clients[n].life.delivered()) for n in NODES), 30)
    assert {name: careful.clients[name].life.view for name in NODES} == views
    for name in NODES:  # pulses go on
        before = careful.clients[name].life.pulse_us
        wait_until("a later pulse", lambda name=name, before=before: careful.clients[name].life.pulse_us > before, 20)


def test_history_compacted_under_a_sleeper_costs_it_a_session_and_the_order_nothing(careful: CarefulEtcd) -> None:
    for name in NODES:
        careful.attach(name)
    careful.agree(*NODES)
    sleeper = careful.clients["n2"]
    inside = children(sleeper)
    for pid in inside:
        os.kill(pid, signal.SIGSTOP)
    # what was already on its way to it would be read: so the store that both use goes first, and the rest happens without it
    careful.stores["s1"].signal_all(signal.SIGKILL)
    for n in range(30):
        careful.clients["n1"].say(f"while n2 sleeps {n}")
    wait_until("n1 has them", lambda: len(careful.clients["n1"].life.delivered()) >= 30, 20)
    revision = careful.ctl("endpoint status -w json", is_open=False, at="s2").partition('"revision":')[2].partition(",")[0]
    careful.ctl(f"compact {revision}", is_open=False, at="s2")
    for pid in inside:
        os.kill(pid, signal.SIGCONT)
    careful.clients["n1"].say("after the compaction")
    careful.agree(*NODES)
    wait_until("n2 goes on", lambda: _says_and_hears(careful), 40, 0.5)
    assert [life.node for life in careful.history.lives].count(NodeId(2)) == 2, careful.log("n2-client").read_text()


def _says_and_hears(careful: CarefulEtcd) -> bool:
    text = f"hello again {time.monotonic_ns()}"
    careful.clients["n2"].say(text)
    time.sleep(1)
    return all(text.encode() in careful.clients[name].life.delivered() for name in NODES)


def children(client: Client) -> list[int]:
    """The processes of a client inside of its host."""
    found, todo = [], [client.process.pid]
    while todo:
        pid = todo.pop()
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        found += [int(p) for p in below]
        todo += [int(p) for p in below]
    return found
