"""The words of the `crm configure` grammar and the CIB elements they stand for, as tables.

Sources: Pacemaker's schemas 3.9 (`resources`, `rule`, `constraints`) and the texts that crmsh 4.4.1 and 5.1 print.
"""

from __future__ import annotations

TAG_OF_KEYWORD = {
    "node": "node",
    "primitive": "primitive",
    "rsc_template": "template",
    "bundle": "bundle",
    "group": "group",
    "clone": "clone",
    "ms": "master",
    "location": "rsc_location",
    "colocation": "rsc_colocation",
    "order": "rsc_order",
    "rsc_ticket": "rsc_ticket",
    "fencing_topology": "fencing-topology",
    "property": "cluster_property_set",
    "rsc_defaults": "meta_attributes",
    "op_defaults": "meta_attributes",
    "tag": "tag",
    "role": "acl_role",
    "user": "acl_user",
    "acl_target": "acl_target",
    "acl_group": "acl_group",
    "alert": "alert",
}
"""Keyword to CIB tag. `rsc_defaults` and `op_defaults` name a `meta_attributes` set inside the section of that name."""

KEYWORD_OF_TAG = {tag: keyword for keyword, tag in TAG_OF_KEYWORD.items() if tag != "meta_attributes"}

KEYWORD_ALIASES = {"master": "ms", "collocation": "colocation", "fencing-topology": "fencing_topology"}

SECTION_OF_KEYWORD = {
    "node": "nodes",
    "primitive": "resources",
    "rsc_template": "resources",
    "bundle": "resources",
    "group": "resources",
    "clone": "resources",
    "ms": "resources",
    "location": "constraints",
    "colocation": "constraints",
    "order": "constraints",
    "rsc_ticket": "constraints",
    "fencing_topology": "",
    "property": "crm_config",
    "rsc_defaults": "rsc_defaults",
    "op_defaults": "op_defaults",
    "tag": "tags",
    "role": "acls",
    "user": "acls",
    "acl_target": "acls",
    "acl_group": "acls",
    "alert": "alerts",
}

SECTION_ORDER = (
    "crm_config",
    "nodes",
    "resources",
    "constraints",
    "fencing-topology",
    "acls",
    "tags",
    "alerts",
    "rsc_defaults",
    "op_defaults",
)
"""The order in which new sections are laid into `<configuration>`. The schema interleaves, so any order is valid."""

RANK_OF_KEYWORD = {
    "node": 0,
    "rsc_template": 1,
    "primitive": 2,
    "bundle": 3,
    "group": 4,
    "ms": 5,
    "clone": 6,
    "tag": 7,
    "location": 8,
    "colocation": 8,
    "order": 8,
    "rsc_ticket": 9,
    "fencing_topology": 9,
    "property": 10,
    "rsc_defaults": 11,
    "op_defaults": 12,
    "role": 13,
    "acl_target": 14,
    "acl_group": 14,
    "user": 14,
    "alert": 15,
    "xml": 16,
}
"""The order of `show`: simple objects before the ones that name them; inside a rank by id."""

DEFAULT_IDS = {
    "property": "cib-bootstrap-options",
    "rsc_defaults": "rsc-options",
    "op_defaults": "op-options",
    "fencing_topology": "fencing_topology",
}

SET_KEYWORDS = frozenset(("property", "rsc_defaults", "op_defaults"))
CONTAINER_KEYWORDS = frozenset(("group", "clone", "ms", "bundle"))
RESOURCE_KEYWORDS = frozenset(("primitive", "rsc_template", "group", "clone", "ms", "bundle"))
CONSTRAINT_KEYWORDS = frozenset(("location", "colocation", "order", "rsc_ticket"))
CONSTRAINT_TAGS = frozenset(("rsc_location", "rsc_colocation", "rsc_order", "rsc_ticket"))
CHILD_TAGS = frozenset(("primitive", "group"))

ATTRIBUTE_TERMINATORS = frozenset(
    ("params", "meta", "utilization", "operations", "op", "op_params", "op_meta", "rule", "attributes")
)
"""Words that end a list of name=value pairs, so no attribute can have such a name without a value."""

OP_ATTRIBUTES = frozenset(
    (
        "id",
        "name",
        "interval",
        "description",
        "start-delay",
        "interval-origin",
        "timeout",
        "enabled",
        "record-pending",
        "role",
        "on-fail",
    )
)
"""Attributes of `<op>` in resources-3.9.rng; any other name given to `op` is a parameter of the operation."""

ROLES = ("Stopped", "Started", "Promoted", "Unpromoted", "Master", "Slave")
ACTIONS = ("start", "promote", "demote", "stop")
ORDER_KINDS = ("Optional", "Mandatory", "Serialize")
LOSS_POLICIES = ("stop", "demote", "fence", "freeze")
DISCOVERY = ("always", "never", "exclusive")
NODE_TYPES = ("normal", "member", "ping", "remote")
EXPRESSION_TYPES = ("string", "integer", "number", "version")
BINARY_OPERATIONS = ("lt", "gt", "lte", "gte", "eq", "ne")
UNARY_OPERATIONS = ("defined", "not_defined")
DATE_OPERATIONS = {
    "lt": "lt",
    "gt": "gt",
    "in": "in_range",
    "in_range": "in_range",
    "spec": "date_spec",
    "date_spec": "date_spec",
}
DATE_FIELDS = (
    "years",
    "months",
    "weeks",
    "days",
    "hours",
    "minutes",
    "seconds",
    "monthdays",
    "weekdays",
    "yearsdays",
    "yeardays",
    "weekyears",
    "moon",
)
SCORE_WORDS = {"advisory": "0", "mandatory": "INFINITY"}
CONTAINER_ENGINES = ("docker", "podman", "rkt")

ID_SUFFIXES = {
    "instance_attributes": "instance_attributes",
    "meta_attributes": "meta_attributes",
    "utilization": "utilization",
    "operations": "ops",
    "rule": "rule",
    "expression": "expression",
    "date_expression": "expression",
    "duration": "duration",
    "date_spec": "date_spec",
    "read": "read",
    "write": "write",
    "deny": "deny",
}
"""What is hung on the parent's id to name a child without one."""

IDLESS_TAGS = frozenset(
    (
        "operations",
        "fencing-topology",
        "network",
        "docker",
        "podman",
        "rkt",
        "storage",
        "select",
        "select_attributes",
        "select_fencing",
        "select_nodes",
        "select_resources",
        "resource_ref",
        "obj_ref",
        "role_ref",
        "rsc_defaults",
        "op_defaults",
        "member",
    )
)
"""Elements that need no id, or whose id names another object."""

SIBLING_KEYS = {
    "node": ("uname",),
    "nvpair": ("name",),
    "op": ("name", "interval"),
    "rule": ("score", "score-attribute", "role"),
    "expression": ("attribute", "operation", "value"),
    "fencing-level": ("target", "target-pattern", "target-attribute", "target-value", "devices"),
    "acl_permission": ("kind", "xpath", "reference", "object-type", "attribute"),
    "recipient": ("value",),
    "attribute": ("name",),
}
"""Attributes by which a child of a new text is recognised as the child that is there already, so that it keeps its id."""

ACL_RIGHTS = ("read", "write", "deny")
ACL_SPECS = {
    "xpath": "xpath",
    "ref": "reference",
    "reference": "reference",
    "tag": "object-type",
    "type": "object-type",
    "attr": "attribute",
    "attribute": "attribute",
}
ACL_SPEC_NAMES = (("xpath", "xpath"), ("reference", "ref"), ("attribute", "attr"), ("object-type", "type"))
ACL_RULE_SPECS = ("xpath", "ref", "tag", "attribute")
ACL_SHORTCUTS: dict[str, tuple[str, ...]] = {
    "meta": ("//primitive[@id='@@']/meta_attributes", "/nvpair[@name='@@']"),
    "params": ("//primitive[@id='@@']/instance_attributes", "/nvpair[@name='@@']"),
    "utilization": ("//primitive[@id='@@']/utilization",),
    "location": ("//rsc_location[@id='cli-prefer-@@' and @rsc='@@']",),
    "property": ("//crm_config/cluster_property_set", "/nvpair[@name='@@']"),
    "nodeattr": ("//nodes/node/instance_attributes", "/nvpair[@name='@@']"),
    "nodeutil": ("//nodes/node/utilization", "[@uname='@@']"),
    "node": ("//nodes/node", "[@uname='@@']"),
    "status": ("/cib/status",),
    "cib": ("/cib",),
}
"""Short names for the xpaths that roles name most; each `@@` takes one word of the text."""

ALERT_SELECTIONS = ("nodes", "fencing", "resources", "attributes")

RSC_META_ATTRIBUTES = frozenset(
    (
        "allow-migrate",
        "allow-unhealthy-nodes",
        "container-attribute-target",
        "critical",
        "description",
        "failure-timeout",
        "interval-origin",
        "is-managed",
        "maintenance",
        "migration-threshold",
        "multiple-active",
        "priority",
        "provides",
        "remote-addr",
        "remote-allow-migrate",
        "remote-connect-timeout",
        "remote-node",
        "remote-port",
        "requires",
        "resource-stickiness",
        "restart-type",
        "target-role",
    )
)
CLONE_META_ATTRIBUTES = frozenset(
    (
        "clone-max",
        "clone-min",
        "clone-node-max",
        "clone-state",
        "globally-unique",
        "interleave",
        "master-max",
        "master-node-max",
        "notify",
        "ordered",
        "promotable",
        "promoted-max",
        "promoted-node-max",
    )
)
