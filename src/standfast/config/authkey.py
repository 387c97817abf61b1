"""The cluster's key: what its bytes and its file must be like. The file is read by runtime/; this says whether to believe it.

Corosync takes 128 to 4096 bytes (TOTEM_PRIVATE_KEY_LEN_MIN/MAX) and checks no mode; a key that others can read is no secret, so
here it is refused.
"""

from __future__ import annotations

import stat

from standfast.base.report import Refused, error

KEY_BYTES_MIN = 128
KEY_BYTES_MAX = 4096
KEY_BYTES_DEFAULT = 256
EXIT_CONFIG = 78


def check_authkey(data: bytes, mode: int, owner: int, reader: int, file: str) -> bytes:
    """The key, if it can be trusted. `mode` is st_mode, `owner` st_uid, `reader` the user id of this process.

    Raises Refused (78): too short or long, a single repeated byte, not a plain file, open to others, owned by a stranger.
    """
    reports = []
    if not stat.S_ISREG(mode):
        remedy = f"corosync-keygen -k {file}"
        raise Refused(error("authkey.file", f"the key file {file} is not a plain file", "", remedy), exit_code=EXIT_CONFIG)
    if stat.S_IMODE(mode) & 0o077:
        why = f"its mode is {stat.S_IMODE(mode):04o}: whoever reads it can forge every message of the cluster"
        reports.append(error("authkey.mode", f"the key file {file} is open to other users", why, f"chmod 0400 {file}"))
    if owner not in {0, reader}:
        why = f"its owner is user {owner}"
        reports.append(error("authkey.owner", f"the key file {file} belongs to another user", why, f"chown root {file}"))
    if len(data) < KEY_BYTES_MIN:
        why = f"{len(data)} bytes, at least {KEY_BYTES_MIN} are needed"
        remedy = f"make a new one with corosync-keygen -k {file} and copy it to every node"
        reports.append(error("authkey.short", f"the key in {file} is too short", why, remedy))
    elif len(data) > KEY_BYTES_MAX:
        why = f"more than {KEY_BYTES_MAX} bytes"
        remedy = f"is this the right file? Make a new one with corosync-keygen -k {file} and copy it to every node"
        reports.append(error("authkey.long", f"the key in {file} is too long", why, remedy))
    elif data.count(data[:1]) == len(data):
        remedy = f"make a new one with corosync-keygen -k {file} and copy it to every node"
        reports.append(
            error("authkey.weak", f"the key in {file} is one byte repeated", "a full disk can leave such a file", remedy)
        )
    if reports:
        raise Refused(*reports, exit_code=EXIT_CONFIG)
    return data


def unreadable_authkey(file: str, reason: str, *, missing: bool) -> Refused:
    """What to raise when the file cannot be read: `reason` is the system's own words."""
    if missing:
        remedy = f"make it on one node with corosync-keygen -k {file}, then copy it to the same place on every node (mode 0400)"
        return Refused(error("authkey.missing", f"there is no key file {file}", reason, remedy), exit_code=EXIT_CONFIG)
    remedy = f"ls -l {file}; the daemon reads it as root"
    return Refused(error("authkey.unreadable", f"the key file {file} cannot be read", reason, remedy), exit_code=EXIT_CONFIG)


def key_of_text(text: str) -> bytes:
    """The key of `totem.key`, given in the file itself. Raises Refused as check_authkey does."""
    return check_authkey(text.encode(), stat.S_IFREG | 0o400, 0, 0, "corosync.conf (totem.key)")
