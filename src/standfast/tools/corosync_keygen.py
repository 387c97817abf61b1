"""corosync-keygen: makes the cluster's key at once, in a file that only its owner can read.

Options, texts and exit codes are the original's (corosync 3.1.7), which replaces an existing key without asking. Unlike it, the
key is written aside, synced and renamed: a full disk or a power cut never leaves half a key under the name.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from standfast.config.authkey import KEY_BYTES_DEFAULT, KEY_BYTES_MAX, KEY_BYTES_MIN
from standfast.config.model import KEYFILE
from standfast.tools.options import option, parse_options
from standfast.tools.running import run_tool, say

HELP = f"""\
Usage: corosync-keygen [-k <keyfile>] [-s size] [-r <randomfile>] [-l] [-h]
     -k / --key-file=<filename> -  Write to the specified keyfile
            instead of the default {KEYFILE}.
     -r / --random-file -  Random number source file. Default is
            /dev/urandom, which never waits.
     -l / --less-secure - Not used, option is kept only
            for compatibility.
     -s / --size -  Length of key ({KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes, default {KEY_BYTES_DEFAULT}).
     -h / --help -  Print basic usage.

"""

_OPTIONS = (
    option("file", "k", "key-file", takes="value"),
    option("random", "r", "random-file", takes="value"),
    option("size", "s", "size", takes="value"),
    option("less", "l", "less-secure"),
    option("help", "h", "help"),
)
EXIT_ARGUMENT, EXIT_CREATE, EXIT_MODE, EXIT_WRITE = 1, 2, 3, 4


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool."""
    return run_tool("corosync-keygen", _work, argv)


def _work(argv: Sequence[str]) -> int:
    options = parse_options(argv, _OPTIONS, exit_code=EXIT_ARGUMENT)
    if "help" in options:
        say(HELP)
        return 0
    size = options.value("size", str(KEY_BYTES_DEFAULT))
    if not (size.isdecimal() and size.isascii() and KEY_BYTES_MIN <= int(size) <= KEY_BYTES_MAX):
        return _failed(EXIT_ARGUMENT, f"Unsupported key size (supported <{KEY_BYTES_MIN},{KEY_BYTES_MAX}>)")
    path, source = options.value("file", KEYFILE), options.value("random", "/dev/urandom")
    say("Corosync Cluster Engine Authentication key generator.\n")
    say(f"Gathering {int(size) * 8} bits for key from {source}.\n")
    try:
        key = _gather(source, int(size))
    except OSError as fault:
        return _failed(EXIT_ARGUMENT, f"Failed to open random source: {fault.strerror}")
    if len(key) < int(size):
        return _failed(EXIT_ARGUMENT, f"Could not read {source}: it holds {len(key)} bytes only")
    say(f"Writing corosync key to {path}.\n")
    return _write(path, key)


def _gather(source: str, size: int) -> bytes:
    """Up to `size` bytes of the source, fewer when it ends before."""
    key = b""
    with open(source, "rb", buffering=0) as stream:
        while len(key) < size:
            part = stream.read(size - len(key))
            if not part:
                break
            key += part
    return key


def _write(path: str, key: bytes) -> int:
    """Put the key under its name, whole or not at all. The default folder is made where it is missing."""
    aside = f"{path}.new.{os.getpid()}"
    try:
        if path == KEYFILE:
            os.makedirs(os.path.dirname(path), exist_ok=True)
        fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o400)
    except OSError as fault:
        return _failed(EXIT_CREATE, f"Could not create {path}: {fault.strerror}")
    code = EXIT_MODE
    try:
        os.fchmod(fd, 0o400)
        code = EXIT_WRITE
        rest = key
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
        os.rename(aside, path)
    except OSError as fault:
        os.unlink(aside)
        return _failed(code, f"Could not write {path}: {fault.strerror}")
    finally:
        os.close(fd)
    return 0


def _failed(code: int, text: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"corosync-keygen: {text}\n")
    return code
