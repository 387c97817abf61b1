"""Transition graphs compared as text files would be: equal under any numbering, and equal to the byte."""

from __future__ import annotations

from collections import Counter

from lxml import etree

# What the suite's own normalisation deletes: it differs from release to release.
_DROPPED = ("crm_feature_set", "batch-limit")


def _attributes(element: etree._Element, ids: bool) -> str:
    words = (f'{k}="{v}"' for k, v in element.attrib.items() if k not in _DROPPED and (ids or k != "id"))
    return " ".join([str(element.tag), *words])


def _event_lines(event: etree._Element, ids: bool) -> list[str]:
    """An action with its children; only the action's own id is a number, its children's are names."""
    children = [child for child in event.iter() if child is not event]
    return [_attributes(event, ids), *(f"  {_attributes(child, True)}" for child in children)]


def _inputs(synapse: etree._Element, ids: bool) -> list[str]:
    return [_attributes(trigger[0], ids) for trigger in synapse.iterfind("inputs/trigger")]


def canonical(root: etree._Element) -> Counter[str]:
    """Every synapse as text without numbers: the action, its attributes, its inputs in order of name."""
    found = [_attributes(root, False)]
    for synapse in root.iterfind("synapse"):
        lines = [f"synapse priority={synapse.get('priority', '0')}"]
        lines += _event_lines(synapse.find("action_set")[0], False)  # type: ignore[index]
        lines += [f"  after {line}" for line in sorted(_inputs(synapse, False))]
        found.append("\n".join(lines))
    return Counter(found)


def exact(root: etree._Element) -> list[str]:
    """Every line with its numbers, in order: what a comparison of the files without white space compares."""
    lines = [_attributes(root, True)]
    for synapse in root.iterfind("synapse"):
        lines.append(_attributes(synapse, True))
        lines += _event_lines(synapse.find("action_set")[0], True)  # type: ignore[index]
        lines += [f"  after {line}" for line in _inputs(synapse, True)]
    return lines


def difference(expected: etree._Element, ours: etree._Element) -> list[str]:
    """What only one of two graphs has, number-free; empty if they are equal."""
    theirs, own = canonical(expected), canonical(ours)
    missing = [f"- {text}" for text in sorted((theirs - own).elements())]
    added = [f"+ {text}" for text in sorted((own - theirs).elements())]
    return missing + added
