"""A whole random cluster from a seed: valid by Pacemaker's schema, with a history that a running cluster could have left."""

from __future__ import annotations

from lxml import etree
from tests.differential.drawing.chance import Chance
from tests.differential.drawing.constraints import draw_constraints
from tests.differential.drawing.history import FEATURE_SET, draw_status
from tests.differential.drawing.resources import draw_resources
from tests.differential.drawing.settings import NOW_S, draw_defaults, draw_nodes, draw_options


def draw_cluster(seed: int | str) -> etree._Element:
    """The <cib> element for `seed`; the same seed always gives the same bytes."""
    chance = Chance(seed)
    root = etree.Element("cib")
    fencing = chance.on["fencing"]
    quorate = not (chance.on["no-quorum"] and chance.happens(0.8))
    for name, value in {
        "crm_feature_set": FEATURE_SET, "validate-with": "pacemaker-3.9", "epoch": "10", "num_updates": "1", "admin_epoch": "0",
        "have-quorum": "1" if quorate else "0", "execution-date": str(NOW_S),
    }.items():  # fmt: skip
        root.set(name, value)
    if fencing:
        root.set("no-quorum-panic", "1" if chance.happens(0.5) else "0")
    configuration = etree.SubElement(root, "configuration")
    draw_options(chance, etree.SubElement(configuration, "crm_config"), fencing)
    nodes = draw_nodes(chance, etree.SubElement(configuration, "nodes"))
    if chance.happens(0.8):
        root.set("dc-uuid", nodes[0][1])
    drawn = draw_resources(chance, configuration, len(nodes), fencing)
    draw_constraints(chance, configuration, drawn, nodes)
    draw_defaults(chance, configuration)
    draw_status(chance, root, drawn, nodes)
    return root
