"""Where crm_verify says something else than Pacemaker 3.0.2 on purpose, and why. What is not named here must be equal."""

from __future__ import annotations

import re
from typing import Final

SILENT: Final = (
    (
        re.compile(r"warning: Support for legacy name '.*' for cluster option"),
        "names of 2.x are accepted for good: what the tools of today's distributions write is no reason to call it wrong",
    ),
    (re.compile(r"warning: Support for the (Master|Slave) role"), "the same"),
    (re.compile(r"warning: Support for the master-(node-)?max meta-attribute"), "the same"),
)
"""Sentences of the original that are left out; without them its verdict may be that all is well."""

NOTED: Final = re.compile(r"(?<=does not reference a valid object).*")
"""An XPath, which is for its own log; ours ends with the line."""

CASES: Final = {
    "bug-cl-5219": "poweroff",
    "order-serialize": "poweroff",
    "order-serialize-set": "poweroff",
    "option-poweroff": "poweroff",
    "node-no-name": "the original aborts; a node without a name is called by its id",
    "order-itself": "the original aborts; the constraint is reported and ignored",
    "template-itself": "the original crashes after its error; the resource is ignored",
    "template-of-a-primitive": "the original crashes after its error; the resource is ignored",
    "unknown-kind-none": "the original crashes after its error; the resource is ignored",
    "same-id-none": "the original takes both without a word; the second is reported and ignored",
    "schema-missing": "a CIB that names no schema keeps to the first that it conforms to, as with 2.1.5; 3.x refuses it",
    "empty-cib": "the same, and it conforms to none",
    "not-a-cib": "said without 'error:', by both",
    "no-xml": "said without 'error:', by both",
}
"""`poweroff`: 3.x would reboot instead, without being asked; fencing-action=poweroff stays what 2.1.5 made of it, off, with
2.1.5's warning. The exit status is the same."""

EXIT: Final = {"schema-missing": 0, "node-no-name": 78, "order-itself": 78} | dict.fromkeys(
    ("template-itself", "template-of-a-primitive", "unknown-kind-none"), 78
)
"""The exit status of ours where it is another one."""
