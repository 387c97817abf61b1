"""Native agents are known wherever Standfast is, with nothing else installed, and come before the shell agents of their name."""

from __future__ import annotations

from pathlib import Path

import pytest

from standfast.agents.ip.parameters import NAMES
from standfast.base.report import Refused
from standfast.client import agents
from standfast.executor.api import Agent, AgentClass

IPADDR2 = Agent(AgentClass.OCF, "heartbeat", "IPaddr2")
SHELL = """#!/bin/sh
echo '<?xml version="1.0"?><resource-agent name="IPaddr2" version="0.1"><version>1.1</version>
<longdesc lang="en">shell</longdesc><shortdesc lang="en">the shell agent</shortdesc>
<parameters/><actions><action name="start" timeout="20s"/></actions></resource-agent>'
"""


@pytest.fixture
def bare(tmp_path: Path) -> agents.Places:
    """A host without any agent."""
    return agents.Places(str(tmp_path / "ocf"), str(tmp_path / "init.d"), (), ())


def test_on_a_bare_host(bare: agents.Places) -> None:
    assert agents.providers(places=bare) == ("heartbeat",)
    assert agents.providers("IPaddr2", bare) == ("heartbeat",)
    assert agents.providers("Dummy", bare) == ()
    assert agents.list_agents("ocf", "heartbeat", bare) == ("IPaddr2",)
    assert agents.list_agents("ocf", places=bare) == ("IPaddr2",)
    assert agents.list_agents("ocf", "pacemaker", bare) == ()
    for text in ("IPaddr2", "ocf:IPaddr2", "ocf:heartbeat:IPaddr2"):
        assert agents.resolve(text, bare) == IPADDR2


def test_its_meta_data_names_every_parameter_that_it_takes(bare: agents.Places) -> None:
    described = agents.describe(IPADDR2, places=bare)
    names = {parameter.name for parameter in described.parameters}
    assert {"ip", "nic", "cidr_netmask", "arp_count", "lease"} <= names
    assert names <= set(NAMES)
    with pytest.raises(Refused, match="is not installed here"):
        agents.describe(IPADDR2, places=bare, native=False)


def test_beside_the_shell_agent(bare: agents.Places) -> None:
    script = Path(bare.ocf_root) / "resource.d" / "heartbeat" / "IPaddr2"
    script.parent.mkdir(parents=True)
    for name in ("IPaddr2", "Dummy"):
        script.with_name(name).write_text(SHELL)
        script.with_name(name).chmod(0o755)
    assert agents.list_agents("ocf", "heartbeat", bare) == ("Dummy", "IPaddr2")
    assert agents.providers(places=bare) == ("heartbeat",)
    assert b"the shell agent" not in agents.metadata(IPADDR2, places=bare)
    assert b"the shell agent" in agents.metadata(IPADDR2, places=bare, native=False)
    assert b"the shell agent" in agents.metadata(Agent(AgentClass.OCF, "heartbeat", "Dummy"), places=bare)
