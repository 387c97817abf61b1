"""What the cloud tells this host of itself, without the API: the config drive, else the metadata service. Absence is no fault.

Runs in the cloud worker: a metadata service that hangs costs nobody anything.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
import subprocess
import tempfile
import urllib.request
from pathlib import Path

from standfast.openstack.identity import DATA_BYTES_MAX, Identity, identity

DRIVES = ("/dev/disk/by-label/config-2", "/dev/disk/by-label/CONFIG-2")
MOUNTED = ("/mnt/config", "/run/cloud-init/config-drive", "/media/config-2")
METADATA = "http://169.254.169.254"
TIMEOUT_S = 3.0
FILES = ("meta_data.json", "network_data.json")
NET = Path("/sys/class/net")
SIOCGIFHWADDR = 0x8927  # netdevice(7)

Documents = tuple[bytes, bytes]
"""meta_data.json and network_data.json; empty where there is none."""


def identify(metadata_url: str = "") -> Identity:
    """This host. `metadata_url` replaces the address of the metadata service (STANDFAST_METADATA_URL)."""
    url = metadata_url or os.environ.get("STANDFAST_METADATA_URL", METADATA)
    documents = from_drive() if url == METADATA else (b"", b"")
    if not documents[1]:
        documents = from_service(url)
    return identity(cards(), *documents)


def cards(root: Path = NET) -> tuple[tuple[str, str], ...]:
    """(name, MAC) of the network cards: devices with hardware (real or virtio) behind them; where there are none, as in a
    container, all devices. The kernel is asked, not sysfs alone, which may be that of another network namespace."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):
                answer = fcntl.ioctl(probe, SIOCGIFHWADDR, struct.pack("256s", name.encode()[:15]))
                found.append((name, answer[18:24].hex(":")))
    hardware = [card for card in found if _is_hardware(root / card[0], card[1])]
    return tuple(hardware or found)


def _is_hardware(device: Path, mac: str) -> bool:
    try:
        return (device / "device").exists() and (device / "address").read_text().strip() == mac
    except OSError:
        return False


def from_drive(drives: tuple[str, ...] = DRIVES, mounted: tuple[str, ...] = MOUNTED) -> Documents:
    """The config drive, where it is mounted already, else mounted for a moment (read-only; needs root)."""
    for place in mounted:
        documents = _read(Path(place))
        if documents[1]:
            return documents
    for drive in drives:
        if os.path.exists(drive):
            return _mount(drive)
    return b"", b""


def from_service(url: str) -> Documents:
    """The metadata service. Never through a proxy: the address is the link's own."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    found = []
    for name in reversed(FILES):
        data = b""
        with contextlib.suppress(OSError, ValueError), opener.open(f"{url}/openstack/latest/{name}", timeout=TIMEOUT_S) as answer:
            data = answer.read(DATA_BYTES_MAX)
        found.append(data)
        if not data:
            break
    network, meta = [*found, b""][:2]
    return meta, network


def _mount(drive: str) -> Documents:
    with tempfile.TemporaryDirectory(prefix="standfast-config-") as place:
        try:
            options = "ro,nosuid,nodev,noexec"
            subprocess.run(["mount", "-o", options, drive, place], check=True, capture_output=True, timeout=TIMEOUT_S)
        except (OSError, subprocess.SubprocessError):
            return b"", b""
        try:
            return _read(Path(place))
        finally:
            subprocess.run(["umount", "-l", place], check=False, capture_output=True, timeout=TIMEOUT_S)


def _read(place: Path) -> Documents:
    data = []
    for name in FILES:
        text = b""
        with contextlib.suppress(OSError), open(place / "openstack" / "latest" / name, "rb") as file:
            text = file.read(DATA_BYTES_MAX)
        data.append(text)
    return data[0], data[1]
