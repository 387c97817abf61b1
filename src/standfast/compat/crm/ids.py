"""Ids for elements that a text leaves nameless: taken over from what stood there before, else made from the parent's id.

The names are crmsh's: `vip-instance_attributes-ip`, `vip-monitor-10s`, `vip-meta_attributes`, `l1-rule-expression`; a name
that is taken gets `-0`, `-1`, ... Invariant after `assign`: every element that needs an id has one, unique in the document.
"""

from __future__ import annotations

from lxml import etree

from standfast.compat.crm import words

SUFFIX_MAX = 100_000


def used_ids(root: etree._Element) -> set[str]:
    """All ids of a document or element, references excepted."""
    return {
        str(element.get("id")) for element in root.iter(etree.Element) if "id" in element.attrib and not _is_reference(element)
    }


def assign(element: etree._Element, used: set[str], previous: etree._Element | None = None) -> None:
    """Give ids to all of `element`; `previous` is the same object before the change, whose ids are kept where children match.

    `used` holds the ids of the rest of the document and grows by those given here.
    """
    _keep(element, previous)
    for child in element.iter(etree.Element):
        ident = child.get("id")
        if ident and not _is_reference(child):
            used.add(ident)
    _make(element, element.get("uname") or element.get("id") or "", used, {})


def _keep(element: etree._Element, previous: etree._Element | None) -> None:
    """Copy ids from the old object's elements to the new one's, pairing children by words.SIBLING_KEYS, each once."""
    if previous is None:
        return
    if element.get("id") is None and previous.get("id") is not None and element.get("id-ref") is None:
        element.set("id", previous.get("id", ""))
    free = [child for child in previous if isinstance(child.tag, str)]
    for child in element.iterchildren(etree.Element):
        if _is_reference(child):
            continue
        pair = next((old for old in free if _is_same(child, old)), None)
        if pair is not None:
            free.remove(pair)
            _keep(child, pair)


def _is_same(new: etree._Element, old: etree._Element) -> bool:
    if new.tag != old.tag or (new.get("id") is not None and new.get("id") != old.get("id")):
        return False
    keys = words.SIBLING_KEYS.get(str(new.tag), ())
    return all(new.get(key) == old.get(key) for key in keys) and new.get("id-ref") == old.get("id-ref")


def _make(element: etree._Element, prefix: str, used: set[str], taken: dict[str, int]) -> None:
    """`taken` says from which number on a name may be free: a thousand pairs of one name are not counted through each time."""
    if element.get("id") is None and element.get("id-ref") is None and element.tag not in words.IDLESS_TAGS:
        element.set("id", _free(_wanted(element, prefix), used, taken))
        used.add(element.get("id", ""))
    inner = prefix if _is_reference(element) else element.get("uname") or element.get("id") or prefix
    for child in element.iterchildren(etree.Element):
        _make(child, inner, used, taken)


def _wanted(element: etree._Element, prefix: str) -> str:
    tag = str(element.tag)
    prefix = prefix or {"fencing-level": "fencing"}.get(tag, tag)
    if prefix.isdigit():  # XML ids cannot start with a digit
        prefix = f"num-{prefix}"
    if tag == "nvpair":
        return f"{prefix}-{_word(element.get('name', ''))}"
    if tag == "op":
        parts = (prefix, element.get("name", ""), _word(element.get("interval", "")))
        return "-".join(part for part in parts if part)
    suffix = words.ID_SUFFIXES.get(tag)
    return f"{prefix}-{suffix}" if suffix else prefix


def _word(text: str) -> str:
    """`text` with what an id may not hold made into dashes."""
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in text)


def _free(wanted: str, used: set[str], taken: dict[str, int]) -> str:
    if wanted not in used:
        return wanted
    for number in range(taken.get(wanted, 0), SUFFIX_MAX):
        if f"{wanted}-{number}" not in used:
            taken[wanted] = number + 1
            return f"{wanted}-{number}"
    raise AssertionError(f"{SUFFIX_MAX} ids start with {wanted}")


def _is_reference(element: etree._Element) -> bool:
    """Whether the `id` of an element names another object instead of itself."""
    if element.tag == "role":
        parent = element.getparent()
        return parent is not None and str(parent.tag) in ("acl_target", "acl_group")
    return element.tag in ("resource_ref", "obj_ref", "role_ref", "member")
