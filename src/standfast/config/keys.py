"""Every key of corosync.conf known by name: its type, its range, its default, and what becomes of it here.

Owns: the table. Does not own: the grammar (tree.py), the typed result (model.py). Sources: corosync.conf(5) of 2.4 and 3.1,
votequorum(5), corosync-qdevice(8), and the readers exec/coroparse.c, exec/totemconfig.c, exec/logconfig.c of 3.1.7.

A key has one of three fates. USED: it does what it always did. IDLE: it is sound, but tunes machinery that Standfast does not
have (the rotating token, knet's probes); it is checked and said once. OLD: it had no meaning in Corosync 3 either; said once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto

from standfast.base.dataclass import dataclass

Value = int | str | bool

U8, U16, U32, U64 = 0xFF, 0xFFFF, 0xFFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF
TIMEOUT_MS_MIN = 30  # the original's MINIMUM_TIMEOUT

_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")


class Fate(Enum):
    """What becomes of a key."""

    USED = auto()
    IDLE = auto()
    OLD = auto()


@dataclass(frozen=True, slots=True)
class Key:
    """A known key. `cmap` is the type under which corosync-cmapctl lists it (str, u8, u16, u32, u64, i32). A number lies in
    `low..high`; a text is one of `choices` where there are any; a switch (`on_off`) is yes/on or no/off. `default` is in words,
    for people. `note` says what becomes of a key that is not USED, or explains the unit."""

    cmap: str = "str"
    default: str = ""
    low: int = 0
    high: int = 0
    choices: tuple[str, ...] = ()
    on_off: bool = False
    fate: Fate = Fate.USED
    note: str = ""

    def read(self, text: str) -> Value:
        """The typed value; raises ValueError with a sentence that says what would be right."""
        if self.cmap != "str":
            if not _NUMBER.fullmatch(text):
                raise ValueError(f"a whole number from {self.low} to {self.high} is needed" + _hint(self, text))
            number = int(text)
            if not self.low <= number <= self.high:
                raise ValueError(
                    f"it must be from {self.low} to {self.high}" if self.low < self.high else f"it must be {self.low}"
                )
            return number
        if self.on_off:
            if text not in _SWITCH:
                raise ValueError("yes or no is needed")
            return _SWITCH[text]
        if self.choices and text not in self.choices:
            raise ValueError(
                "it must be "
                + " or ".join((", ".join(self.choices[:-1]), self.choices[-1]) if len(self.choices) > 1 else self.choices)
            )
        return text


_SWITCH = {"yes": True, "on": True, "no": False, "off": False}


def _hint(key: Key, text: str) -> str:
    if text in _SWITCH and (key.low, key.high) == (0, 1):
        return f": write {int(_SWITCH[text])}"
    return ""


def _number(cmap: str, default: object = "", low: int = 0, high: int | None = None, note: str = "") -> Key:
    limits = {"u8": U8, "u16": U16, "u32": U32, "u64": U64, "i32": 0x7FFF_FFFF}
    return Key(cmap, str(default), low, limits[cmap] if high is None else high, note=note)


def _flag(default: object = 0) -> Key:
    return Key("u8", str(default), 0, 1)


def _switch(default: str) -> Key:
    return Key(default=default, on_off=True)


def _choice(*choices: str, default: str = "", note: str = "") -> Key:
    return Key(default=default, choices=choices, note=note)


def _text(default: str = "", note: str = "") -> Key:
    return Key(default=default, note=note)


def _idle(key: Key, note: str) -> Key:
    return Key(key.cmap, key.default, key.low, key.high, key.choices, key.on_off, Fate.IDLE, note)


def _old(note: str, cmap: str = "str") -> Key:
    return Key(cmap, "", 0, U32 if cmap == "u32" else 0, fate=Fate.OLD, note=note)


_NO_TOKEN = "has no effect: there is no rotating token here"
_NO_KNET = "has no effect: links are watched by Standfast's own heartbeats"
_SEALED = "has no effect: every datagram is sealed (AEAD), and no plaintext mode exists"
_NO_RRP = "has no effect: redundant rings of Corosync 2 are links now (ring1_addr in the nodelist)"
_PRIORITIES = ("alert", "crit", "debug", "emerg", "err", "error", "info", "notice", "warning")
_FACILITIES = (
    "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp",
    "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip

TOTEM: Mapping[str, Key] = {
    "version": _number("u32", "", 2, 2, "the format of the file; must be given"),
    "cluster_name": _text(),
    "config_version": _number("u64", 0),
    "transport": _choice("knet", "udpu", "udp", default="knet"),
    "token": _number("u32", "1000 (Corosync: 3000)", TIMEOUT_MS_MIN, 3_600_000, "ms; the longest silence before a node is lost"),
    "token_coefficient": _number("u32", "0 (Corosync: 650)", 0, 600_000, "ms added to token for each node beyond the second"),
    "token_warning": _number("u32", 75, 0, 100, "per cent of token"),
    "ip_version": _choice("ipv4", "ipv6", "ipv6-4", "ipv4-6", default="ipv6-4 (udp: ipv4)"),
    "ip_dscp": _number("u8", 0, 0, 63),
    "keyfile": _text("/etc/corosync/authkey"),
    "key": _text("", "the key itself, 128 to 4096 characters; a keyfile is safer"),
    "link_mode": _choice("passive", "active", "rr", default="passive"),
    "netmtu": _number("u32", "1500 (knet: chosen)", 0, 65_536),
    "clear_node_high_bit": _switch("no"),
    "block_unlisted_ips": _switch("yes"),
    "secauth": _idle(_switch("off"), _SEALED),
    "crypto_cipher": _idle(_choice("none", "aes256", "aes192", "aes128"), _SEALED),
    "crypto_hash": _idle(_choice("none", "md5", "sha1", "sha256", "sha384", "sha512"), _SEALED),
    "crypto_model": _idle(_choice("nss", "openssl", "gcrypt"), _SEALED),
    "token_retransmit": _idle(_number("u32", low=TIMEOUT_MS_MIN), _NO_TOKEN),
    "token_retransmits_before_loss_const": _idle(_number("u32", 4, 1), _NO_TOKEN),
    "hold": _idle(_number("u32"), _NO_TOKEN),
    "join": _idle(_number("u32", 50, TIMEOUT_MS_MIN), _NO_TOKEN),
    "send_join": _idle(_number("u32", 0), _NO_TOKEN),
    "consensus": _idle(
        _number("u32", "1.2 x token", TIMEOUT_MS_MIN), "has no effect: a lost node costs one silence, not token + consensus"
    ),
    "merge": _idle(_number("u32", 200, TIMEOUT_MS_MIN), _NO_TOKEN),
    "downcheck": _idle(_number("u32", 1000, TIMEOUT_MS_MIN), "has no effect: the kernel tells of a lost interface at once"),
    "fail_recv_const": _idle(_number("u32", 2500), _NO_TOKEN),
    "seqno_unchanged_const": _idle(_number("u32", 30), _NO_TOKEN),
    "window_size": _idle(_number("u32", 50), _NO_TOKEN),
    "max_messages": _idle(_number("u32", 17), _NO_TOKEN),
    "miss_count_const": _idle(_number("u32", 5), _NO_TOKEN),
    "heartbeat_failures_allowed": _idle(_number("u32", 0), _NO_TOKEN),
    "max_network_delay": _idle(_number("u32", 50, TIMEOUT_MS_MIN), _NO_TOKEN),
    "cancel_token_hold_on_retransmit": _idle(_switch("no"), _NO_TOKEN),
    "knet_pmtud_interval": _idle(_number("u32", 30), _NO_KNET),
    "knet_mtu": _idle(_number("u32", 0), _NO_KNET),
    "knet_compression_model": _idle(_text("none"), "has no effect: messages are not compressed"),
    "knet_compression_threshold": _idle(_number("u32", 100), "has no effect: messages are not compressed"),
    "knet_compression_level": _idle(_number("i32", 0, -0x8000_0000), "has no effect: messages are not compressed"),
    "nodeid": _old("has no effect: give nodeid in the nodelist", "u32"),
    "threads": _old("has no effect since Corosync 3", "u32"),
    "vsftype": _old("has no effect since Corosync 1.3"),
    "rrp_mode": _old(_NO_RRP),
    **{
        f"rrp_{name}": _old(_NO_RRP, "u32")
        for name in (
            "token_expired_timeout",
            "problem_count_timeout",
            "problem_count_threshold",
            "problem_count_mcast_threshold",
            "autorecovery_check_timeout",
        )
    },
}

INTERFACE: Mapping[str, Key] = {
    "linknumber": _number("u8", 0, 0, 7),
    "mcastport": _number("u16", "5405 + linknumber", 1, note="the UDP port of this link, for sending and receiving"),
    "bindnetaddr": _text("", "the network to bind to; the nodelist goes before it"),
    "knet_link_priority": _number("u8", 1, note="the higher one is preferred in link_mode passive"),
    "mcastaddr": _idle(_text(), "has no effect: datagrams go to each node of the nodelist, not to a group"),
    "broadcast": _idle(_switch("no"), "has no effect: datagrams go to each node of the nodelist"),
    "ttl": _idle(_number("u8", 1), "has no effect: it belonged to multicast"),
    "knet_ping_interval": _idle(_number("u32"), _NO_KNET),
    "knet_ping_timeout": _idle(_number("u32"), _NO_KNET),
    "knet_ping_precision": _idle(_number("u32", 2048), _NO_KNET),
    "knet_pong_count": _idle(_number("u32", 2), _NO_KNET),
    "knet_transport": _idle(_choice("udp", "sctp", default="udp"), "has no effect: links are UDP"),
    "ringnumber": _old("has no effect: this section is link 0 unless linknumber says otherwise"),
}

NODE: Mapping[str, Key] = {
    **{f"ring{link}_addr": _text("", "address or name of the node on this link") for link in range(8)},
    "nodeid": _number("u32", "the IPv4 address as a number", 1),
    "name": _text("uname -n of the node"),
    "quorum_votes": _number("u32", 1, 0, U8, "votequorum counts in eight bits"),
}

QUORUM: Mapping[str, Key] = {
    "provider": _choice("corosync_votequorum"),
    "expected_votes": _number("u32", "the votes of the nodelist", 1, U8),
    "votes": _number("u32", 1, 0, U8),
    "two_node": _flag(),
    "wait_for_all": _flag("two_node"),
    "auto_tie_breaker": _flag(),
    "auto_tie_breaker_node": _text("lowest", "lowest, highest, or node ids"),
    "last_man_standing": _flag(),
    "last_man_standing_window": _number("u32", 10_000, 1, 3_600_000, "ms"),
    "allow_downscale": _flag(),
    "expected_votes_tracking": _flag(),
    "leaving_timeout": _old("has no effect since Corosync 2", "u32"),
}

DEVICE: Mapping[str, Key] = {
    "model": _choice("net", "openstack", note="net is checked, not asked"),
    "votes": _number("u32", "nodes - 1, or 1 with ffsplit", 0, U8),
    "timeout": _number("u32", 10_000, 1, note="ms"),
    "sync_timeout": _number("u32", 30_000, 1, note="ms"),
    "master_wins": _flag(),
}

DEVICE_NET: Mapping[str, Key] = {
    "tls": _choice("on", "off", "required", default="on"),
    "host": _text("", "must be given"),
    "port": _number("u16", 5403, 1),
    "algorithm": _choice("ffsplit", "lms", "test", "2nodelms"),
    "tie_breaker": _text("lowest", "lowest, highest, or a node id"),
    "connect_timeout": _number("u32", "0.8 x timeout", 1),
    "force_ip_version": _choice("0", "4", "6", default="0"),
    "keep_active_partition_tie_breaker": _switch("on"),
}

DEVICE_OPENSTACK: Mapping[str, Key] = {
    "cloud": _text("", "name in clouds.yaml, or envvars; must be given"),
    "network": _text("", "id of a network of this project; must be given"),
    "address": _text("", "a free address of it, outside its allocation pools; must be given"),
    "hold": _number("u32", 15_000, 5_000, 600_000, note="ms"),
}

HEURISTICS: Mapping[str, Key] = {
    "mode": _choice("off", "sync", "on", default="off"),
    "timeout": _number("u32", "timeout / 2", 1),
    "sync_timeout": _number("u32", "sync_timeout / 2", 1),
    "interval": _number("u32", "timeout x 3", 1),
}

LOG_TARGET: Mapping[str, Key] = {
    "to_stderr": _switch("yes"),
    "to_logfile": _switch("no"),
    "to_syslog": _switch("yes"),
    "logfile": _text("", "must be given where to_logfile is yes"),
    "logfile_priority": _choice(*_PRIORITIES, default="info"),
    "syslog_facility": _choice(*_FACILITIES, default="daemon"),
    "syslog_priority": _choice(*_PRIORITIES, default="info"),
    "debug": _choice("on", "off", "trace", default="off"),
    "to_file": _old("has been to_logfile since Corosync 1.1"),
    "syslog_level": _old("has been syslog_priority since Corosync 1.1"),
}

LOGGING: Mapping[str, Key] = {
    **LOG_TARGET,
    "timestamp": _choice("on", "off", "hires", default="hires"),
    "fileline": _idle(_switch("off"), "has no effect: a line says what, why and what to do, not where in the source"),
    "function_name": _idle(_switch("off"), "has no effect: a line says what, why and what to do, not where in the source"),
    "blackbox": _idle(_switch("on"), "has no effect: there is no flight recorder"),
}

SYSTEM: Mapping[str, Key] = {
    "sched_rr": _switch("yes"),
    "priority": _text("max"),
    "state_dir": _text("/var/lib/standfast"),
    "qb_ipc_type": _idle(_choice("native", "shm", "socket"), "has no effect: local tools use a Unix socket"),
    "move_to_root_cgroup": _idle(_choice("yes", "no", "auto"), "has no effect: the unit file decides"),
    "allow_knet_handle_fallback": _idle(_choice("yes", "no"), _NO_KNET),
}

RESOURCES: Mapping[str, Key] = {
    "watchdog_device": _text("off"),
    "watchdog_timeout": _number("u32", 6, 2, 120_000, "seconds"),
}

STANDFAST: Mapping[str, Key] = {
    "engine": _choice("embedded", "corosync", "etcd", default="embedded", note="the cluster layer: see engines.md"),
    "silence_floor_ms": _number("u32", 375, 50, 60_000, "the least silence that the adaptive bound may reach"),
    "lease_ms": _number(
        "u32",
        1750,
        300,
        600_000,
        "how far a confirmation of membership reaches; without one nothing is held (see engines.md)",
    ),
}

ETCD: Mapping[str, Key] = {
    "endpoints": _text("", "https://HOST:2379, several with commas between; must be given with engine: etcd"),
    "prefix": _text("/standfast/CLUSTER_NAME", "where in etcd this cluster keeps its keys"),
    "ttl": _number("u32", 5, 2, 600, "seconds: how long a node that is not heard of stays a member"),
    "ca_file": _text("", "who signs etcd's certificates; without it, this machine's own list of authorities"),
    "cert_file": _text("", "this node's certificate, where etcd asks for one"),
    "key_file": _text("", "its private key"),
    "user": _text("", "etcd's user, where authentication is on"),
    "password_file": _text("", "a file with that user's password, readable by root alone"),
}

_MONITOR = {"recovery": _text(), "max": _text(), "poll_period": _number("u64")}

SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "totem": TOTEM,
    "totem.interface": INTERFACE,
    "totem.interface.member": {"memberaddr": _old("has no effect since Corosync 3: list the nodes in nodelist { }")},
    "nodelist": {},
    "nodelist.node": NODE,
    "quorum": QUORUM,
    "quorum.device": DEVICE,
    "quorum.device.net": DEVICE_NET,
    "quorum.device.openstack": DEVICE_OPENSTACK,
    "quorum.device.heuristics": HEURISTICS,
    "logging": LOGGING,
    "logging.logger_subsys": {**LOG_TARGET, "subsys": _text("", "must be given")},
    "logging.logging_daemon": {**LOG_TARGET, "subsys": _text(), "name": _text("", "must be given")},
    "system": SYSTEM,
    "resources": RESOURCES,
    "resources.system": {},
    "resources.system.memory_used": _MONITOR,
    "resources.system.load_15min": _MONITOR,
    "resources.process": {},
    "uidgid": {"uid": _text(), "gid": _text()},
    "standfast": STANDFAST,
    "standfast.etcd": ETCD,
}

OLD_SECTIONS: Mapping[str, str] = {
    "service": "was the plugin loader of Corosync 1: Standfast brings its own resource manager",
    "amf": "was the Availability Management Framework of Corosync 1",
    "aisexec": "set the user of openais's daemon: the unit file does it now",
    "pload": "was a load generator for tests",
    "nozzle": "a network device over the cluster's links is not offered",
    "event": "was a service of openais",
    "openais": "was a service of openais",
}
"""Whole sections without meaning, with the rest of the sentence."""

OLD_TOP_KEYS: Mapping[str, str] = {"compatibility": "has no effect since Corosync 2 (it chose between two wire formats of 1.x)"}
