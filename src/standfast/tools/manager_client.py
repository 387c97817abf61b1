"""What the Pacemaker-named tools share: asking the manager, small edits of the CIB, and the words for an absent cluster."""

from __future__ import annotations

import os
import sys
from typing import Any

from standfast.base.report import Refused, error
from standfast.client.connection import EXIT_DISCONNECTED, Connection, remarks
from standfast.compat.xml_text import elements, tag
from standfast.tools.running import complain

EXIT_NO_SUCH = 105
EXIT_USAGE = 64
ON_NODE = "OCF_RESKEY_CRM_meta_on_node"
"""In the environment of an agent: the node that it runs on. Then nobody needs to be asked."""

CIB_FILE = "CIB_file"
"""In the environment: a file in place of the running cluster."""

Attributes = dict[str, str]
Operation = dict[str, Any]


class Manager:
    """The manager, with the tool's name as the author of its changes. Each call has its own connection."""

    def __init__(self, client: str, timeout_s: float = 60.0) -> None:
        """`timeout_s` bounds each call."""
        self.client = client
        self._timeout_s = timeout_s

    def call(self, verb: str, **arguments: Any) -> dict[str, Any]:
        """One request, one reply. Raises Refused: 102 when nobody answers, else what the manager says."""
        if file := os.environ.get(CIB_FILE):
            from standfast.client.cib_file import CibFile

            return CibFile(file).call(verb, **arguments)
        with Connection("manager", timeout_s=self._timeout_s) as connection:
            reply = connection.call(verb, **arguments)
        complain(self.client, remarks(reply))
        return reply

    def found(self, xpath: str) -> list[tuple[str, Attributes]]:
        """(name, attributes) of the elements that an XPath selects, without what is inside them; none is no error."""
        try:
            xml = self.call("cib.query", xpath=xpath)["xml"]
        except Refused as refused:
            if refused.exit_code == EXIT_NO_SUCH:
                return []
            raise
        return _outermost(xml)

    def apply(self, *operations: Operation, force: bool = False) -> None:
        """Change the CIB: all operations or none."""
        self.call("cib.apply", operations=list(operations), client=self.client, user="root", force=force)

    def local_name(self) -> str:
        """The name of this node."""
        name: str = self.call("node.local")["name"]
        return name

    def node_id(self, name: str) -> str:
        """The id of a node. Raises Refused (105) for a name that nobody has."""
        for _, attributes in self.found("/cib/configuration/nodes/node"):
            if name in {attributes.get("uname"), attributes.get("id")}:
                return attributes["id"]
        raise Refused(
            error("tool.no-such-node", f"Could not map name={name} to a UUID", "there is no such node", "crm_node -l"),
            exit_code=EXIT_NO_SUCH,
        )


def _outermost(xml: str) -> list[tuple[str, Attributes]]:
    """The matches themselves: what stands at the top, or directly in <xpath-query>."""
    lines = xml.strip().splitlines()
    found = list(elements(xml))
    if not found:
        return []
    if found[0][0] != "xpath-query":
        return found[:1]
    depth = min((len(line) - len(line.lstrip()) for line in lines[1:-1]), default=0)
    tops = [line for line in lines[1:-1] if len(line) - len(line.lstrip()) == depth and not line.lstrip().startswith("</")]
    return [item for line in tops for item in list(elements(line))[:1]]


def modify(scope: str, xml: str) -> Operation:
    """Merge an element in, creating what is missing."""
    return {"kind": "modify", "scope": scope, "xml": xml, "allow_create": True}


def delete(xpath: str, *, multiple: bool = True) -> Operation:
    """Remove what an XPath selects."""
    return {"kind": "delete", "xpath": xpath, "multiple": multiple}


def nested(*levels: tuple[str, Attributes]) -> str:
    """Elements inside one another, the outermost first."""
    start = "".join(tag(name, dict(attributes), is_open=True) for name, attributes in levels[:-1])
    name, attributes = levels[-1]
    return start + tag(name, dict(attributes)) + "".join(f"</{name}>" for name, _ in reversed(levels[:-1]))


def absent(name: str, refused: Refused) -> bool:
    """Whether nobody answers; then the originals' own lines have been written to stderr."""
    if refused.exit_code != EXIT_DISCONNECTED:
        return False
    sys.stderr.write("error: Could not connect to launcher: Connection refused\n")
    sys.stderr.write(f"{name}: Connection to cluster failed: Connection refused\n")
    return True
