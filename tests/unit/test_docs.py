"""The documents against the code: links lead somewhere, commands and files that are named exist, tables and numbers agree."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from standfast.agents.ip import announcements, holder, lease, parameters, takeover
from standfast.config.model import LEASE_MS, TOKEN_COEFFICIENT_MS, TOKEN_MS
from standfast.engine.settings import Times
from standfast.shell.session import LEVELS
from standfast.tools.standfast import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "standfast"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "packaging").rglob("*.md")])
README_LINES_MAX = 150
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
TICKED = re.compile(r"`([^`\n]+)`")
TYPED = re.compile(r"^(?:    |   )?(?:test-node-\d)# (.*)$")
FILE = re.compile(r"[\w.{}*/-]+/[\w.*-]*|[\w-]+\.(?:py|md|toml)")
ELSEWHERE = ("/", "etc/", "0.0.0.0/")
OTHER_COMMANDS = {"ip", "scp", "systemctl", "echo", "kill", "pkill", "python3", "ln", "install", "printf"}
"""What people type that is not ours."""


def page_id(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def tables() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_tables", ROOT / "docs" / "tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_tables"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def prose(page: Path) -> str:
    """A page without its fenced blocks and without what demo and bench printed."""
    text = re.sub(r"<!-- (demo|bench) -->.*?<!-- /\1 -->", "", page.read_text(), flags=re.S)
    return re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)


def headings(page: Path) -> set[str]:
    """The anchors of a page, as forges make them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in LINK.findall(page.read_text()):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        if not place.exists() or (anchor and anchor not in headings(place)):
            broken.append(target)
    assert not broken


def typed_commands(page: Path) -> Iterator[str]:
    """What the page has typed at a prompt, and the commands of ours that it names between ticks."""
    for line in page.read_text().splitlines():
        if found := TYPED.match(line):
            yield found[1]
    ours = {"./run", *scripts()}
    for words in TICKED.findall(prose(page)):
        if words.split()[0] in ours:
            yield words


@cache
def scripts() -> tuple[str, ...]:
    return tuple(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"])


@cache
def run_verbs() -> tuple[str, ...]:
    return tuple(re.findall(r"^  (\w+)\)", (ROOT / "run").read_text(), re.M))


def complaint(line: str) -> str:
    """What is wrong with a command line, "" when nothing is."""
    for part in re.split(r"\s*(?:\||;|&&)\s*", line.partition("  #")[0].strip()):
        words = [word for word in part.split() if not re.fullmatch(r"[A-Z]+=\S*", word)]
        if not words:
            continue
        if words[0] == "./run":
            if words[1] not in run_verbs():
                return f"./run has no {words[1]}"
        elif words[0] == "standfast":
            if len(words) > 1 and words[1] not in COMMANDS:
                return f"standfast has no {words[1]}"
        elif words[0] == "crm":
            return crm_complaint(words[1:])
        elif words[0] not in {*scripts(), *OTHER_COMMANDS, "grep"}:
            return f"nobody knows the command {words[0]}"
    return ""


def crm_complaint(words: list[str]) -> str:
    level = ""
    for word in words:
        if word.startswith(("-", "<")) or not word.islower():
            return ""
        module, name = LEVELS[level]
        table = getattr(import_module(module), name).table
        entry = next((e for e in table.values() if word in e.names), None)
        if entry is None:
            return "" if level == "configure" else f"crm {level} has no {word}"  # configure takes keywords as well
        if not entry.level:
            return ""
        level = entry.level
    return ""


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_commands_that_are_named_exist(page: Path) -> None:
    wrong = {line: why for line in typed_commands(page) if (why := complaint(line))}
    assert not wrong


def test_a_wrong_command_would_be_found() -> None:
    assert complaint("./run nonsense")
    assert complaint("standfast nonsense")
    assert complaint("crm resource nonsense ha-vip")
    assert complaint("corosync-nonsense -s")
    assert not complaint("crm resource migrate ha-vip test-node-2")
    assert not complaint("corosync-cmapctl | grep members")


def files_named(page: Path) -> Iterator[str]:
    for words in TICKED.findall(prose(page)):
        if FILE.fullmatch(words) and not words.startswith(ELSEWHERE) and not re.search(r"ROOM|_DIR/", words):
            yield words


def is_there(name: str, page: Path) -> bool:
    places = (ROOT, SOURCE, ROOT / "docs", ROOT / "packaging", page.parent)
    return any(any(place.glob(name.rstrip("/"))) for place in places)


EXPECTED_ABSENT = {
    # named as what is not there (yet, or any more), or as what appears on a running host
    "docs/adr/0001-rooms.md": {"fencing/", "attributes/", "openstack/", "web/"},
    "docs/operations.md": {"/var/lib/standfast/dropped/", "/var/lib/standfast/engine/"},
}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_files_that_are_named_exist(page: Path) -> None:
    absent = {name for name in files_named(page) if not is_there(name, page)}
    assert absent <= EXPECTED_ABSENT.get(page_id(page), set())


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_tables_are_in_step_with_the_code(page: Path) -> None:
    assert tables().filled(page.read_text()) == page.read_text(), "python docs/tables.py writes them anew"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "configuration.md"], ids=page_id)
def test_codes_that_are_named_exist(page: Path) -> None:
    known = tables().codes()
    rooms = tables().ROOMS
    named = {word for word in TICKED.findall(prose(page)) if tables().CODE.fullmatch(word) and word.partition(".")[0] in rooms}
    files = {word for word in named if word.endswith((".py", ".sock"))}
    assert named - files <= set(known)


def test_what_is_said_to_be_ignored_is_ignored() -> None:
    readers = [SOURCE / "daemon.py", *(SOURCE / "engine").rglob("*.py"), *(SOURCE / "runtime").rglob("*.py")]
    text = "".join(path.read_text() for path in readers)
    used = [key for key, word in tables().NOT_FOLLOWED.items() if re.search(word, text)]
    assert used == [], "they are followed now: docs/tables.py has to say so"


def test_numbers_in_the_text_are_those_of_the_code() -> None:
    times = Times()
    configuration = (ROOT / "docs/configuration.md").read_text()
    defaults = (ROOT / "docs/adr/0010-defaults.md").read_text()
    detection = (ROOT / "docs/adr/0003-detection-and-the-pulse.md").read_text()
    address = (ROOT / "docs/adr/0004-leased-address.md").read_text()
    promised = (ROOT / "docs/failover-ip.md").read_text()
    for text in (configuration, defaults):
        assert f"| `totem.token` | {TOKEN_MS} ms |" in text
        assert f"{times.floor_ms} ms" in text
    assert f"| `totem.token_coefficient` | {TOKEN_COEFFICIENT_MS} ms |" in configuration
    assert f"every {times.heartbeat_ms} ms" in detection
    assert f"silent for {times.suspect_ms} ms" in detection
    assert f"every {times.probe_ms} ms" in detection
    assert f"between {times.floor_ms} ms and" in detection
    assert f"{times.lease_ms / 1000:g} s" in detection
    assert f"{times.lease_ms / 1000:g} s" in promised
    assert times.lease_ms == LEASE_MS
    assert f"{parameters.LEASE_S_DEFAULT} s by default" in address
    assert f"0 to {parameters.LEASE_S_MAX}, default {parameters.LEASE_S_DEFAULT}" in promised
    assert f"{takeover.INTERVAL_US // 1000} ms apart" in address
    assert f"every {takeover.ANSWERED_INTERVAL_US // 1000} ms" in address
    assert takeover.PROBES == 8
    assert f"after {holder.ORPHAN_US // 1_000_000} s if" in address
    bound_s = takeover.Asking.begin(0, parameters.LEASE_S_DEFAULT).bound_us / 1e6
    assert f"fails after {bound_s:g} s" in promised
    assert holder.READDS_MAX == 5
    assert announcements.PERIOD_US == 15_000_000
    assert announcements.OFFSETS_US[-1] == 11_000_000
    assert lease.KERNEL_EARLY_US < 1_000_000


def test_every_parameter_of_the_failover_ip_has_its_word() -> None:
    page = (ROOT / "docs/failover-ip.md").read_text()
    missing = [name for name in parameters.NAMES if f"`{name}`" not in page and f"`{name}=" not in page]
    assert [name for name in missing if not name.startswith(("clusterip_", "lvs_"))] == []


def test_every_room_is_on_the_map() -> None:
    page = (ROOT / "docs/internals/rooms.md").read_text()
    rooms = [path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()]
    assert [room for room in sorted(rooms) if f"`{room}/" not in page] == []


def test_every_variable_of_the_environment_is_listed() -> None:
    page = (ROOT / "docs/operations.md").read_text()
    asked = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"STANDFAST_[A-Z_]+", node.value):
                asked.add(node.value)
    assert asked
    assert [name for name in sorted(asked) if f"`{name}`" not in page] == []


def test_the_packages_have_every_command() -> None:
    rules = (ROOT / "packaging/debian/rules").read_text().split()
    assert [name for name in scripts() if name not in rules] == []
    readme = (ROOT / "README.md").read_text()
    globs = ("crm_", "corosync-", "fence_")  # the last is found beside the daemon, and not linked
    assert [name for name in scripts() if not name.startswith(globs) and name not in readme] == []


def test_the_package_pins_what_the_tests_ran_with() -> None:
    def pins(name: str) -> dict[str, str]:
        return dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (ROOT / name).read_text(), re.MULTILINE))

    ran, shipped = pins("requirements.lock"), pins("packaging/requirements.lock")
    assert {name for name in shipped if name in ran and shipped[name] != ran[name]} == set()
    assert {"lxml", "msgspec", "openstacksdk"} <= set(shipped)
    assert not {"mypy", "pytest", "ruff"} & set(shipped)


def test_the_readme_is_short_and_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) < README_LINES_MAX
    assert "./run demo" in text
    assert "./run test" in text
    assert "<!-- bench -->" in text
    assert "<!-- demo -->" in text
