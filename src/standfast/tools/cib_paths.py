"""Where the matches of an XPath stand in a CIB: `cibadmin -Q --xpath X --node-path`."""

from __future__ import annotations

from standfast.base.report import Refused, error


def node_paths(xml: str, xpath: str) -> list[str]:
    """`/cib/configuration/resources/primitive[@id='vip']` for each match. Raises Refused (105) when there is none."""
    from lxml import etree

    root = etree.fromstring(xml.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    found = root.xpath(xpath)
    matches = [item for item in found if isinstance(item, etree._Element)] if isinstance(found, list) else []  # noqa: SLF001
    if not matches:
        raise Refused(error("cib.no-such-object", f"nothing matches {xpath}"), exit_code=105)
    paths = []
    for match in matches:
        steps = [match, *match.iterancestors()]
        paths.append(
            "".join(f"/{step.tag!s}" + (f"[@id='{step.get('id')}']" if step.get("id") else "") for step in reversed(steps))
        )
    return paths
