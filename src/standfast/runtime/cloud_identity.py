"""What the cloud tells this host of itself, without the API: the config drive, else the metadata service. Absence is no fault.

Runs in the cloud worker: a metadata service that hangs costs nobody anything.
"""

from __future__ import annotations

import contextlib
import os
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
    """(name, MAC) of every network device that stands for a card: it has a device behind it, or is one end of a veth (tests)."""
    found = []
    with contextlib.suppress(OSError):
        for device in sorted(root.iterdir()):
            if (device / "bridge").exists() or (device / "bonding").exists():
                continue
            with contextlib.suppress(OSError):
                found.append((device.name, (device / "address").read_text().strip()))
    return tuple(found)


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
