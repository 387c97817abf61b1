"""The real Keystone, Neutron and Nova of `./run test --openstack`; without them these tests are skipped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from os_lab import OpenStackLab, OwnNetwork


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "OPENSTACK_LAB" not in os.environ:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="needs the services that ./run test --openstack brings up"))


@pytest.fixture
def cloud() -> Iterator[OpenStackLab]:
    """The cloud, with two servers whose ports allow nothing, and no port of ours."""
    with OpenStackLab() as made:
        made.clean()
        yield made
        made.clean()


@pytest.fixture
def own_network() -> Iterator[OpenStackLab]:
    """Two ports that no other test sees."""
    with OwnNetwork() as made:
        yield made
