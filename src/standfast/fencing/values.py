"""The pcmk_* parameters of a device: text to values. What cannot be read takes its default, as in Pacemaker."""

from __future__ import annotations

import re

from standfast.fencing.api import Pairs

HOSTS_MAX = 4096
DEFAULT_TRIES = 2
_UNITS_US = {"us": 1, "usec": 1, "ms": 1_000, "msec": 1_000, "": 1_000_000, "s": 1_000_000, "sec": 1_000_000,
             "m": 60_000_000, "min": 60_000_000, "h": 3_600_000_000, "hr": 3_600_000_000}  # fmt: skip
_DURATION = re.compile(r"\s*(\d{1,9})\s*([a-z]*)\s*", re.ASCII | re.IGNORECASE)


def duration_ms(text: str | None, default_ms: int) -> int:
    """`60`, `60s`, `1min`, `500ms` in milliseconds."""
    match = _DURATION.fullmatch(text or "")
    unit = _UNITS_US.get(match[2].lower()) if match else None
    return default_ms if match is None or unit is None else int(match[1]) * unit // 1000


def host_list(text: str) -> tuple[str, ...]:
    """pcmk_host_list, or what an agent's `list` prints: names between blanks, commas, semicolons and line ends."""
    return tuple(re.split(r"[\s,;]+", text.strip())[:HOSTS_MAX]) if text.strip() else ()


def host_map(text: str) -> dict[str, str]:
    r"""pcmk_host_map: `node1:1;node2:2,3`. A backslash takes the next character as it is (`node1:plug\;1`)."""
    found: dict[str, str] = {}
    for entry in re.findall(r"(?:\\.|[^;\s\\])+", text)[:HOSTS_MAX]:
        match = re.match(r"((?:\\.|[^:=\\])+)[:=](.*)", entry)
        if match:
            found[_plain(match[1])] = _plain(match[2])
    return found


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def timeout_ms(parameters: Pairs, action: str, default_ms: int) -> int:
    """pcmk_ACTION_timeout."""
    return duration_ms(dict(parameters).get(f"pcmk_{action}_timeout"), default_ms) or default_ms


def tries(parameters: Pairs, action: str) -> int:
    """pcmk_ACTION_retries: how often the agent is run at most."""
    text = dict(parameters).get(f"pcmk_{action}_retries", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 4 else DEFAULT_TRIES


def delay_ms(parameters: Pairs, target: str, chance: int) -> int:
    """pcmk_delay_base (one for all, or `node1:5s;node2:0`), and up to pcmk_delay_max at random. `chance` is any number >= 0."""
    given = dict(parameters)
    base_text = given.get("pcmk_delay_base", "")
    base = duration_ms(host_map(base_text).get(target, "0") if ":" in base_text or "=" in base_text else base_text, 0)
    most = duration_ms(given.get("pcmk_delay_max"), 0)
    return base + (chance % (most - base + 1) if most > base else 0)


def action_limit(parameters: Pairs) -> int:
    """pcmk_action_limit: how many actions the device takes at a time; a negative number means any."""
    text = dict(parameters).get("pcmk_action_limit", "1")
    number = int(text) if re.fullmatch(r"-?\d{1,4}", text, re.ASCII) else 1
    return 1_000 if number < 0 else max(1, number)
