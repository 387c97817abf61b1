"""Small clusters, one for each value of each option that the scheduler knows. Not a test module."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

NOW_S = 1_700_000_000  # 2023-11-14T22:13:20Z, a Tuesday
_NUMBERS = count(1)
# Digests of no parameters, and of none but the default timeout of a recurring operation.
_PLAIN, _RECURRING = "f2317cad3d54cec5d7d7aa7d0bf35cf8", "4811cef7f7f94e3a35a70be7916cb2fd"


def _id() -> str:
    return f"x{next(_NUMBERS)}"


def pairs(values: dict[str, str]) -> str:
    return "".join(f'<nvpair id="{_id()}" name="{name}" value="{value}"/>' for name, value in values.items())


def block(tag: str, values: dict[str, str], rule: str = "", score: str = "") -> str:
    points = f' score="{score}"' if score else ""
    return f'<{tag} id="{_id()}"{points}>{rule}{pairs(values)}</{tag}>'


def op(name: str, interval: str = "0", **more: str) -> str:
    words = "".join(f' {key.replace("_", "-")}="{value}"' for key, value in more.items())
    return f'<op id="{_id()}" name="{name}" interval="{interval}"{words}/>'


def prim(rsc: str, meta: dict[str, str] | None = None, inner: str = "", agent: str = "ocf:pacemaker:Dummy", ops: str = "") -> str:
    klass, *provider, kind = agent.split(":")
    provided = f' provider="{provider[0]}"' if provider else ""
    operations = f"<operations>{ops}</operations>" if ops else ""
    attributes = block("meta_attributes", meta) if meta else ""
    return f'<primitive id="{rsc}" class="{klass}"{provided} type="{kind}">{attributes}{inner}{operations}</primitive>'


def clone(inner: str, meta: dict[str, str] | None = None, name: str = "c") -> str:
    return f'<clone id="{name}">{block("meta_attributes", meta) if meta else ""}{inner}</clone>'


def fence(name: str = "f", meta: dict[str, str] | None = None) -> str:
    return prim(name, meta, agent="stonith:fence_dummy")


def ran(rsc: str, *entries: str, agent: str = "ocf:pacemaker:Dummy") -> str:
    """A history of "task[/interval_ms] rc [target_rc] [age_s] [status]"; of entries without interval the last one stays."""
    klass, *provider, kind = agent.split(":")
    provided = f' provider="{provider[0]}"' if provider else ""
    lines: dict[str, str] = {}
    for call, entry in enumerate(entries, 1):
        words = entry.split()
        task, rc, target, age, status = words + ["0", "100000", "0"][len(words) - 2 :]
        task, _, interval = task.partition("/")
        failed = rc != target and (task != "monitor" or bool(interval))
        plain = f"{rsc}_{task}_{interval}" if interval else f"{rsc}_last_0"
        for name in (plain, *([f"{rsc}_last_failure_0"] if failed else [])):
            lines[name] = (
                f'<lrm_rsc_op id="{name}" operation="{task}" operation_key="{rsc}_{task}_{interval or 0}" call-id="{call}"'
                f' rc-code="{rc}" op-status="{status}" interval="{interval or 0}" last-rc-change="{NOW_S - int(age)}"'
                f' transition-key="1:1:{target}:u" transition-magic="{status}:{rc};1:1:{target}:u" crm_feature_set="3.16.1"'
                f' op-digest="{_RECURRING if interval else _PLAIN}"/>'
            )
    return f'<lrm_resource id="{rsc}" class="{klass}"{provided} type="{kind}">{"".join(lines.values())}</lrm_resource>'


UP = 'in_ccm="true" crmd="online" join="member" expected="member"'
GONE = 'in_ccm="false" crmd="offline" join="down" expected="member"'
LEFT = 'in_ccm="false" crmd="offline" join="down" expected="down"'
STARTED = "start 0"
BAN_REST = '<rsc_location id="lb" rsc="a" node="n3" score="-INFINITY"/>'


@dataclass
class Cluster:
    """Three nodes, and what is different in one case. `history`, `transient` and `permanent` are by node."""

    resources: str = field(default_factory=lambda: prim("a") + prim("b"))
    options: dict[str, str] = field(default_factory=dict)
    constraints: str = ""
    defaults: str = ""
    history: dict[str, str] = field(default_factory=dict)
    transient: dict[str, dict[str, str]] = field(default_factory=dict)
    permanent: dict[str, dict[str, str]] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    tickets: str = ""
    quorum: bool = True
    fencing: bool = False
    crm_config: str = ""
    tags: str = ""
    root: str = ""
    utilization: dict[str, dict[str, str]] = field(default_factory=dict)

    def xml(self) -> str:
        # The default of concurrent-fencing is the packager's choice in older versions.
        fencing = {"stonith-enabled": "true" if self.fencing else "false", "concurrent-fencing": "true"}
        options = {**fencing, **self.options}
        names = ("n1", "n2", "n3")
        nodes = "".join(
            f'<node id="{n[1]}" uname="{n}">{block("instance_attributes", self.permanent.get(n, {}))}'
            f"{block('utilization', self.utilization[n]) if n in self.utilization else ''}</node>"
            for n in names
        )
        states = "".join(
            f'<node_state id="{n[1]}" uname="{n}" {self.states.get(n, UP)}>'
            f'<lrm id="{n[1]}"><lrm_resources>{self.history.get(n, "")}</lrm_resources></lrm>'
            f'<transient_attributes id="{n[1]}">{block("instance_attributes", self.transient.get(n, {}))}</transient_attributes>'
            "</node_state>"
            for n in names
            if self.states.get(n) != "none"
        )
        return (
            f'<cib validate-with="none" crm_feature_set="3.16.1" epoch="1" num_updates="1" admin_epoch="0"'
            f' execution-date="{NOW_S}"'
            f' have-quorum="{int(self.quorum)}" dc-uuid="1" {self.root}><configuration><crm_config>'
            f'<cluster_property_set id="cib-bootstrap-options">{pairs(options)}</cluster_property_set>'
            f"{self.crm_config}</crm_config>"
            f"<nodes>{nodes}</nodes><resources>{self.resources}</resources><constraints>{self.constraints}</constraints>"
            f"{self.tags}{self.defaults}</configuration><status>{states}<tickets>{self.tickets}</tickets></status></cib>"
        )


def location(rsc: str, node: str, score: str, more: str = "") -> str:
    return f'<rsc_location id="{_id()}" rsc="{rsc}" node="{node}" score="{score}"{more}/>'


def rule(inner: str, score: str = "INFINITY", rsc: str = "a", more: str = "") -> str:
    return f'<rsc_location id="{_id()}" rsc="{rsc}"><rule id="{_id()}" score="{score}"{more}>{inner}</rule></rsc_location>'


def attribute(name: str, operation: str, value: str | None = None, more: str = "") -> str:
    stated = "" if value is None else f' value="{value}"'
    return f'<expression id="{_id()}" attribute="{name}" operation="{operation}"{stated}{more}/>'


def date(inner: str = "", **words: str) -> str:
    text = "".join(f' {key}="{value}"' for key, value in words.items())
    return f'<date_expression id="{_id()}"{text}>{inner}</date_expression>'


def only_n2(inner: str) -> str:
    """A location that draws `a` to n2 if `inner` holds."""
    return rule(attribute("#uname", "eq", "n2") + inner)


def stateful(ops: str = "", **clone_meta: str) -> str:
    inner = prim("s", agent="ocf:pacemaker:Stateful", ops=ops)
    return clone(inner, {"promotable": "true", **{key.replace("_", "-"): value for key, value in clone_meta.items()}})


STATEFUL = "ocf:pacemaker:Stateful"
ON_N1 = {"n1": ran("a", "start 0")}
BOTH = {"n1": ran("a", "start 0"), "n2": ran("b", "start 0")}
TWICE = {"n1": ran("a", "start 0"), "n2": ran("a", "start 0")}
PROMOTED = {
    "n1": ran("s", "start 0", "promote 0", agent=STATEFUL),
    "n2": ran("s", "start 0", agent=STATEFUL),
    "n3": ran("s", "start 0", agent=STATEFUL),
}
SCORES = {n: {"master-s": str(10 * (4 - int(n[1])))} for n in ("n1", "n2", "n3")}
MONITORED = op("monitor", "10s")


def failed(task: str = "monitor/10000", rc: str = "1", age: str = "100") -> dict[str, str]:
    """`a` runs on n1, and an operation of it failed."""
    entries = ["start 0"] if task != "start" else []
    return {"n1": ran("a", *entries, f"{task} {rc} 0 {age}")}


def count_of(value: str, task: str = "monitor_10000", age: int = 100) -> dict[str, dict[str, str]]:
    return {"n1": {f"fail-count-a#{task}": value, f"last-failure-a#{task}": str(NOW_S - age)}}


def _options() -> dict[str, Cluster]:
    found = {"plain": Cluster(), "plain, active": Cluster(history=BOTH)}
    for policy in ("stop", "freeze", "ignore", "demote", "fence", "suicide"):
        found[f"no-quorum-policy={policy}"] = Cluster(options={"no-quorum-policy": policy}, quorum=False, history=ON_N1)
        found[f"no-quorum-policy={policy}, fencing"] = Cluster(
            prim("a") + prim("b") + fence(),
            {"no-quorum-policy": policy},
            quorum=False,
            history=ON_N1,
            fencing=True,
            root='no-quorum-panic="1"',
        )
        found[f"no-quorum-policy={policy}, promoted"] = Cluster(
            stateful(), {"no-quorum-policy": policy}, quorum=False, history=PROMOTED, transient=SCORES
        )
    found["symmetric-cluster=false"] = Cluster(options={"symmetric-cluster": "false"}, constraints=location("a", "n2", "5"))
    found["maintenance-mode"] = Cluster(
        prim("a", ops=MONITORED) + prim("b"), {"maintenance-mode": "true"}, history={"n1": ran("a", "start 0", "monitor/10000 0")}
    )
    found["stop-all-resources"] = Cluster(options={"stop-all-resources": "true"}, history=BOTH)
    for fatal in ("true", "false"):
        found[f"start-failure-is-fatal={fatal}"] = Cluster(
            options={"start-failure-is-fatal": fatal}, history=failed("start"), transient=count_of("1", "start_0")
        )
    found["enable-startup-probes=false"] = Cluster(options={"enable-startup-probes": "false"})
    for stop in ("true", "false"):
        found[f"stop-orphan-resources={stop}"] = Cluster(
            prim("b"), {"stop-orphan-resources": stop}, history=ON_N1, transient=count_of("3")
        )
        found[f"stop-orphan-actions={stop}"] = Cluster(
            options={"stop-orphan-actions": stop}, history={"n1": ran("a", "start 0", "monitor/10000 0")}
        )
    for strategy in ("default", "utilization", "minimal", "balanced"):
        sized = "".join(prim(rsc, inner=block("utilization", {"cpu": str(size)})) for rsc, size in (("a", 3), ("b", 2), ("d", 2)))
        room = {"n1": {"cpu": "4"}, "n2": {"cpu": "3"}, "n3": {"cpu": "1"}}
        found[f"placement-strategy={strategy}"] = Cluster(sized, {"placement-strategy": strategy}, utilization=room)
        found[f"placement-strategy={strategy}, full"] = Cluster(
            sized,
            {"placement-strategy": strategy},
            utilization=room,
            history={"n1": ran("b", "start 0")},
            constraints='<rsc_colocation id="cu" rsc="a" with-rsc="b" score="INFINITY"/>',
        )
    return found


def _fencing() -> dict[str, Cluster]:
    with_device = prim("a") + prim("b") + fence()
    gone = {"n3": GONE}
    lost = {"n3": ran("a", "start 0")}
    found = {
        "no device": Cluster(fencing=True, history=ON_N1),
        "device": Cluster(with_device, fencing=True, history=lost, states=gone),
        "fencing-action=off": Cluster(with_device, {"stonith-action": "off"}, fencing=True, history=lost, states=gone),
        "have-watchdog": Cluster(options={"have-watchdog": "true"}, fencing=True, history=lost, states=gone),
        "startup-fencing=true": Cluster(with_device, fencing=True, states={"n3": "none"}),
        "startup-fencing=false": Cluster(with_device, {"startup-fencing": "false"}, fencing=True, states={"n3": "none"}),
        "lost without fencing": Cluster(history=lost, states=gone),
        "left": Cluster(history={}, states={"n3": LEFT}),
        "two lost": Cluster(with_device, fencing=True, states={"n2": GONE, "n3": GONE}, quorum=False),
        "two lost, quorum ignored": Cluster(
            with_device, {"no-quorum-policy": "ignore"}, fencing=True, states={"n2": GONE, "n3": GONE}, quorum=False
        ),
        "the coordinator lost": Cluster(with_device, fencing=True, states={"n1": GONE, "n3": GONE}),
        "terminate": Cluster(with_device, fencing=True, transient={"n3": {"terminate": "true"}}),
        "pending": Cluster(states={"n3": 'in_ccm="true" crmd="online" join="pending" expected="member"'}),
        "process gone": Cluster(
            with_device, fencing=True, states={"n3": 'in_ccm="true" crmd="offline" join="member" expected="member"'}
        ),
        "process gone, no fencing": Cluster(states={"n3": 'in_ccm="true" crmd="offline" join="down" expected="member"'}),
        "banned": Cluster(
            with_device, fencing=True, states={"n3": 'in_ccm="true" crmd="online" join="banned" expected="member"'}
        ),
        "priority-fencing-delay": Cluster(
            prim("a", {"priority": "10"}) + prim("b") + fence(),
            {"priority-fencing-delay": "15"},
            fencing=True,
            quorum=False,
            history={"n2": ran("a", "start 0")},
            states={"n2": GONE, "n3": GONE},
        ),
        "concurrent-fencing=false": Cluster(
            with_device, {"concurrent-fencing": "false"}, fencing=True, states={"n2": GONE, "n3": GONE}
        ),
    }
    for requires in ("nothing", "quorum", "fencing", "unfencing", "nonsense"):
        found[f"requires={requires}"] = Cluster(
            prim("a", {"requires": requires}) + prim("b") + fence(), fencing=True, history=lost, states=gone
        )
        found[f"requires={requires}, no quorum"] = Cluster(prim("a", {"requires": requires}) + prim("b"), quorum=False)
    found["provides=unfencing"] = Cluster(
        prim("a") + fence(meta={"provides": "unfencing"}),
        fencing=True,
        history={"n1": ran("a", "start 0")},
        transient={"n1": {"#node-unfenced": "1"}},
    )
    found["#digests-all changed"] = Cluster(
        prim("a") + fence(meta={"provides": "unfencing"}),
        fencing=True,
        history={"n1": ran("a", "start 0")},
        transient={n: {"#node-unfenced": "1", "#digests-all": "f:fence_dummy:other,"} for n in ("n1", "n2", "n3")},
    )
    return found


def _health() -> dict[str, Cluster]:
    found = {}
    for strategy in ("none", "migrate-on-red", "only-green", "progressive", "custom"):
        for colour in ("red", "yellow", "green", "-7"):
            found[f"node-health-strategy={strategy}, {colour}"] = Cluster(
                prim("a", {"resource-stickiness": "1"}) + prim("b", {"allow-unhealthy-nodes": "true"}),
                {
                    "node-health-strategy": strategy,
                    "node-health-base": "3",
                    "node-health-green": "2",
                    "node-health-yellow": "-5",
                    "node-health-red": "-20",
                },
                history={"n1": ran("a", "start 0") + ran("b", "start 0")},
                transient={"n1": {"#health-disk": colour, "#health-cpu": "green"}},
            )
    return found


def _modes() -> dict[str, Cluster]:
    found = {
        "standby": Cluster(history=BOTH, permanent={"n1": {"standby": "on"}}),
        "standby, transient": Cluster(history=BOTH, transient={"n1": {"standby": "true"}}),
        "node maintenance": Cluster(
            prim("a", ops=MONITORED) + prim("b"),
            history={"n1": ran("a", "start 0", "monitor/10000 0")},
            permanent={"n1": {"maintenance": "true"}},
        ),
        "shutdown": Cluster(history=BOTH, transient={"n1": {"shutdown": str(NOW_S)}}),
        "shutdown of the coordinator and another": Cluster(
            history=BOTH, transient={"n1": {"shutdown": str(NOW_S)}, "n2": {"shutdown": str(NOW_S)}}
        ),
        "shutdown-lock": Cluster(options={"shutdown-lock": "true"}, history=BOTH, transient={"n1": {"shutdown": str(NOW_S - 5)}}),
    }
    for limit, age in (("0", 900), ("10min", 60), ("10min", 900)):
        lock = f'shutdown-lock="{NOW_S - age}"'
        gone = ran("a", "start 0", "stop 0").replace("<lrm_resource ", f"<lrm_resource {lock} ", 1)
        found[f"shutdown-lock-limit={limit}, {age} s ago"] = Cluster(
            options={"shutdown-lock": "true", "shutdown-lock-limit": limit}, history={"n3": gone}, states={"n3": LEFT}
        )
    for since, state in ((30, "offline"), (300, "offline"), (300, "online")):
        word = state if state == "offline" else str(NOW_S - since)
        found[f"node-pending-timeout, {since} s, {state}"] = Cluster(
            prim("a") + fence(),
            {"node-pending-timeout": "60s"},
            fencing=True,
            states={"n3": f'in_ccm="{NOW_S - since}" crmd="{word}" join="down" expected="down"'},
        )
    return found


def _meta() -> dict[str, Cluster]:
    found = {}
    for role in ("Started", "Stopped", "Unpromoted", "Promoted", "Slave", "Master", "nonsense"):
        found[f"target-role={role}"] = Cluster(prim("a", {"target-role": role}) + prim("b"), history=BOTH)
        found[f"target-role={role}, promotable"] = Cluster(stateful(target_role=role), history=PROMOTED, transient=SCORES)
    for name, value in (("is-managed", "false"), ("maintenance", "true")):
        found[f"{name}={value}"] = Cluster(
            prim("a", {name: value}, ops=MONITORED) + prim("b"),
            history={"n1": ran("a", "start 0", "monitor/10000 0")},
            constraints=location("a", "n1", "-INFINITY"),
        )
    for stickiness in ("0", "50", "200", "INFINITY", "-INFINITY"):
        found[f"resource-stickiness={stickiness}"] = Cluster(
            prim("a", {"resource-stickiness": stickiness}) + prim("b"), history=ON_N1, constraints=location("a", "n2", "100")
        )
    for count_ in ("1", "3", "INFINITY"):
        for threshold in ("0", "1", "3", "INFINITY"):
            found[f"migration-threshold={threshold}, {count_} failures"] = Cluster(
                prim("a", {"migration-threshold": threshold}, ops=MONITORED), history=failed(), transient=count_of(count_)
            )
    for timeout, age in (("0", 100), ("60", 100), ("60", 30), ("P1D", 100)):
        found[f"failure-timeout={timeout}, {age} s ago"] = Cluster(
            prim("a", {"failure-timeout": timeout, "migration-threshold": "1"}, ops=MONITORED),
            history=failed(age=str(age)),
            transient=count_of("1", age=age),
        )
    for action in ("block", "stop_only", "stop_start", "stop_unexpected", "nonsense"):
        found[f"multiple-active={action}"] = Cluster(prim("a", {"multiple-active": action}), history=TWICE)
    for critical in ("true", "false"):
        found[f"critical={critical}"] = Cluster(
            prim("a") + prim("b", {"critical": critical, "migration-threshold": "1"}, ops=MONITORED),
            history={"n1": ran("a", "start 0") + ran("b", "start 0", "monitor/10000 1 0 100")},
            constraints='<rsc_colocation id="cc" rsc="b" with-rsc="a" score="INFINITY"/>',
            transient={"n1": {"fail-count-b#monitor_10000": "1"}},
        )
    found["priority"] = Cluster(
        prim("a") + prim("b", {"priority": "5"}),
        constraints='<rsc_colocation id="cp" rsc="a" with-rsc="b" score="-INFINITY"/>',
        permanent={"n2": {"standby": "on"}, "n3": {"standby": "on"}},
    )
    for migrate in ("true", "false"):
        found[f"allow-migrate={migrate}"] = Cluster(
            prim("a", {"allow-migrate": migrate}), history=ON_N1, permanent={"n1": {"standby": "on"}}
        )
    return found


def _clones() -> dict[str, Cluster]:
    found = {}
    for meta in (
        {"clone-max": "2"},
        {"clone-max": "0"},
        {"clone-max": "5", "clone-node-max": "2", "globally-unique": "true"},
        {"clone-node-max": "2"},
        {"ordered": "true"},
        {"notify": "true"},
        {"interleave": "true"},
        {"clone-min": "2"},
        {"resource-stickiness": "0"},
        {"target-role": "Stopped"},
        {"is-managed": "false"},
    ):
        name = ", ".join(f"{key}={value}" for key, value in meta.items())
        after = '<rsc_order id="oc" first="c" then="b"/><rsc_colocation id="cc" rsc="b" with-rsc="c" score="INFINITY"/>'
        found[f"clone {name}"] = Cluster(clone(prim("a"), meta) + prim("b"), constraints=after, history=ON_N1)
        found[f"clone {name}, one standby"] = Cluster(
            clone(prim("a"), meta) + prim("b"),
            constraints=after,
            history={n: ran("a", "start 0") for n in ("n1", "n2")},
            permanent={"n1": {"standby": "on"}},
        )
    for meta in (
        {"promoted_max": "2"},
        {"master_max": "2"},
        {"promoted_max": "0"},
        {"promoted_node_max": "2"},
        {"notify": "true"},
        {"ordered": "true"},
    ):
        name = ", ".join(f"{key}={value}" for key, value in meta.items())
        found[f"promotable {name}"] = Cluster(stateful(**meta), transient=SCORES)
        found[f"promotable {name}, active"] = Cluster(stateful(**meta), history=PROMOTED, transient=SCORES)
    found["master element"] = Cluster(f'<master id="c">{prim("s", agent=STATEFUL)}</master>', transient=SCORES)
    return found


def _operations() -> dict[str, Cluster]:
    found = {}
    for on_fail in ("ignore", "block", "stop", "demote", "restart", "fence", "standby", "restart-container", "nonsense"):
        for task, entry in (("monitor", "monitor/10000"), ("start", "start"), ("stop", "stop")):
            for fencing in (True, False):
                rsc = prim("a", ops=op(task, "10s" if task == "monitor" else "0", on_fail=on_fail))
                found[f"on-fail={on_fail}, {task}, {'fencing' if fencing else 'no fencing'}"] = Cluster(
                    rsc + (fence() if fencing else ""),
                    fencing=fencing,
                    history=failed(entry),
                    transient=count_of("1", f"{task}_{10000 if task == 'monitor' else 0}"),
                )
        for task in ("promote", "demote", "monitor"):
            ops = op(task, "10s" if task == "monitor" else "0", on_fail=on_fail, role="Promoted")
            history = dict(PROMOTED)
            entry = "monitor/10000 1 8 50" if task == "monitor" else f"{task} 1 0 50"
            history["n1"] = ran("s", "start 0", "promote 0", entry, agent=STATEFUL)
            found[f"on-fail={on_fail}, {task} of a promoted one"] = Cluster(stateful(ops=ops), history=history, transient=SCORES)
    for code in ("1", "2", "3", "4", "5", "6", "7", "8", "9", "190", "191", "193"):
        found[f"probe found {code}"] = Cluster(history={"n1": ran("a", f"monitor {code} 7 50")})
        found[f"monitor found {code}"] = Cluster(prim("a", ops=MONITORED), history=failed(rc=code), transient=count_of("1"))
        found[f"start gave {code}"] = Cluster(history=failed("start", code), transient=count_of("INFINITY", "start_0"))
        found[f"stop gave {code}"] = Cluster(history=failed("stop", code), transient=count_of("1", "stop_0"))
    for more in (
        {"enabled": "false"},
        {"start_delay": "5s"},
        {"interval_origin": "2023-11-14 22:00:00Z"},
        {"timeout": "3s"},
        {"record_pending": "false"},
        {"role": "Stopped"},
        {"role": "Promoted"},
        {"role": "Started"},
        {"role": "nonsense"},
    ):
        name = ", ".join(f"{key}={value}" for key, value in more.items())
        found[f"op {name}"] = Cluster(prim("a", ops=op("monitor", "10s", **more)), history=ON_N1)
    found["op twice"] = Cluster(prim("a", ops=op("monitor", "10s") + op("monitor", "10000ms", timeout="3s")))
    found["op recurring start"] = Cluster(prim("a", ops=op("start", "10s")))
    found["op P10S"] = Cluster(prim("a", ops=op("monitor", "PT10S") + op("monitor", "P20S", timeout="1m")))
    defaults = f"<op_defaults>{block('meta_attributes', {'timeout': '7s'}, score='1')}{{}}</op_defaults>"
    expression = '<rule id="{0}r" {1}><op_expression id="{0}e" {2}/></rule>'
    for number, words in enumerate(('name="monitor"', 'name="monitor" interval="10s"', 'name="start"')):
        inner = block("meta_attributes", {"timeout": "9s"}, expression.format(f"d{number}", 'score="2"', words), "5")
        found[f"op_defaults, {words.replace(chr(34), '')}"] = Cluster(prim("a", ops=MONITORED), defaults=defaults.format(inner))
    for number, words in enumerate(('class="ocf"', 'provider="pacemaker" type="Dummy"', 'class="ocf" provider="heartbeat"')):
        inner = block(
            "meta_attributes",
            {"target-role": "Stopped"},
            f'<rule id="rd{number}" score="2"><rsc_expression id="re{number}" {words}/></rule>',
        )
        found[f"rsc_defaults, {words.replace(chr(34), '')}"] = Cluster(defaults=f"<rsc_defaults>{inner}</rsc_defaults>")
    return found


def _tickets() -> dict[str, Cluster]:
    found = {}
    for policy in ("stop", "demote", "fence", "freeze", ""):
        stated = f' loss-policy="{policy}"' if policy else ""
        for state in ("", 'granted="false"', 'granted="true"', 'granted="true" standby="true"'):
            tickets = f'<ticket_state id="T" {state}/>' if state else ""
            for role in ("", "Promoted", "Started"):
                named = f' rsc-role="{role}"' if role else ""
                name = f"ticket {state or 'unknown'}, loss-policy={policy}, role={role}"
                found[name] = Cluster(
                    stateful() + fence(),
                    fencing=True,
                    history=PROMOTED,
                    transient=SCORES,
                    tickets=tickets,
                    constraints=f'<rsc_ticket id="rt" rsc="c" ticket="T"{stated}{named}/>',
                )
            found[f"ticket {state or 'unknown'}, loss-policy={policy}, a primitive"] = Cluster(
                history=ON_N1, tickets=tickets, constraints=f'<rsc_ticket id="rt" rsc="a" ticket="T"{stated}/>'
            )
    return found


def _rules() -> dict[str, Cluster]:
    found = {}
    attrs = {"n2": {"x": "5", "text": "Abc", "v": "1.10", "half": "2.5", "min": "5"}}
    for name, value, kind in (
        ("x", "5", ""),
        ("x", "10", ""),
        ("x", "10", "integer"),
        ("x", "10", "string"),
        ("x", "4.5", "number"),
        ("v", "1.9", "version"),
        ("v", "1.9", "number"),
        ("text", "abc", "string"),
        ("text", "abc", "integer"),
        ("half", "2.50", ""),
        ("gone", "1", ""),
    ):
        for operation in ("lt", "lte", "gt", "gte", "eq", "ne"):
            more = f' type="{kind}"' if kind else ""
            found[f"{name} {operation} {value} {kind}"] = Cluster(
                permanent=attrs, constraints=only_n2(attribute(name, operation, value, more))
            )
    for operation in ("defined", "not_defined"):
        for name in ("x", "gone"):
            found[f"{name} {operation}"] = Cluster(permanent=attrs, constraints=only_n2(attribute(name, operation)))
    for source, value in (("param", "least"), ("meta", "least"), ("literal", "5"), ("param", "none")):
        found[f"value-source={source} {value}"] = Cluster(
            prim("a", {"least": "5"}, block("instance_attributes", {"least": "4"})) + prim("b"),
            permanent=attrs,
            constraints=only_n2(attribute("x", "gte", value, f' value-source="{source}"')),
        )
    inner = attribute("#uname", "eq", "n2") + attribute("#uname", "eq", "n3")
    found["boolean-op=or"] = Cluster(constraints=rule(inner, "10", more=' boolean-op="or"'))
    found["boolean-op=and"] = Cluster(constraints=rule(inner, "10", more=' boolean-op="and"'))
    nested = f'<rule id="nr" boolean-op="and">{attribute("x", "defined")}{attribute("#kind", "eq", "cluster")}</rule>'
    found["a rule in a rule"] = Cluster(
        permanent=attrs, constraints=rule(nested + attribute("#uname", "eq", "n9"), "10", more=' boolean-op="or"')
    )
    found["score-attribute"] = Cluster(
        permanent=attrs,
        constraints=f'<rsc_location id="sa" rsc="a"><rule id="sr" score-attribute="x">{attribute("x", "defined")}</rule>'
        "</rsc_location>",
    )
    found["#is_dc"] = Cluster(constraints=rule(attribute("#is_dc", "eq", "true"), "10"))
    found["#id"] = Cluster(constraints=rule(attribute("#id", "eq", "3"), "10"))
    found["#site-name"] = Cluster(
        permanent={"n3": {"site-name": "here"}}, constraints=rule(attribute("#site-name", "eq", "here"), "10")
    )
    found["#cluster-name"] = Cluster(
        options={"cluster-name": "cn"}, constraints=rule(attribute("#cluster-name", "eq", "cn"), "-INFINITY")
    )
    for pattern in ("a.*", "!a.*", "^(a|b)$", "(.)[[:alpha:]]?"):
        found[f"rsc-pattern={pattern}"] = Cluster(
            constraints=f'<rsc_location id="rp" rsc-pattern="{pattern}" node="n3" score="100"/>'
        )
    found["%1 in a rule"] = Cluster(
        prim("on-n2"),
        permanent=attrs,
        constraints=f'<rsc_location id="rp" rsc-pattern="on-(n.)"><rule id="rr" score="100">'
        f"{attribute('at-%1', 'defined')}</rule></rsc_location>",
        transient={"n3": {"at-n2": "1"}},
    )
    for discovery in ("always", "never", "exclusive"):
        found[f"resource-discovery={discovery}"] = Cluster(
            constraints=location("a", "n2", "10", f' resource-discovery="{discovery}"')
        )
    for role in ("Promoted", "Started", "Unpromoted", "Stopped", "Master"):
        found[f"location role={role}"] = Cluster(
            stateful(), transient=SCORES, constraints=location("c", "n3", "1000", f' role="{role}"')
        )
    return found


def _dates() -> dict[str, Cluster]:
    found = {}
    for operation, word in (("gt", "start"), ("lt", "end")):
        for text in (
            "2023-11-14",
            "2023-11-15",
            "20231114T221319Z",
            "2023-11-14 22:13:20Z",
            "2023-11-14 23:13:21+01:00",
            "2023-318",
            "2023-319",
            "2023-W46-2",
            "2023W463",
            "2023-11-14T24:00:00Z",
            "nonsense",
            "epoch",
        ):
            found[f"{operation} {text}"] = Cluster(constraints=only_n2(date(operation=operation, **{word: text})))
    for start, end in (
        ("2023-11-01", "2023-12-01"),
        ("2023-11-15", "2023-12-01"),
        ("2023-11-01", "2023-11-14"),
        ("2023-11-14 22:13:20Z", ""),
        ("", "2023-11-14 22:13:20Z"),
        ("", "2023-11-14 22:13:19Z"),
    ):
        words = {key: value for key, value in (("start", start), ("end", end)) if value}
        found[f"in_range {start} to {end}"] = Cluster(constraints=only_n2(date(operation="in_range", **words)))
    for number, said in enumerate(
        (
            'months="1"',
            'days="13"',
            'days="14"',
            'weeks="2" hours="1"',
            'hours="334" minutes="13" seconds="20"',
            'years="1"',
            'hours="334" minutes="13" seconds="19"',
        )
    ):
        inner = f'<duration id="du{number}" {said}/>'
        found[f"duration {said.replace(chr(34), '')}"] = Cluster(
            constraints=only_n2(date(inner, operation="in_range", start="2023-11-01"))
        )
    for number, said in enumerate(
        (
            'years="2023"',
            'years="2024-"',
            'months="1-10"',
            'months="11"',
            'monthdays="14"',
            'monthdays="1-13"',
            'hours="9-16"',
            'hours="22"',
            'minutes="0-13"',
            'seconds="21-"',
            'yeardays="318"',
            'weekyears="2023"',
            'weeks="46"',
            'weekdays="2"',
            'weekdays="6-7"',
            'hours="-22"',
            'hours="x"',
            'weekdays="1-5" hours="9-22"',
        )
    ):
        inner = f'<date_spec id="ds{number}" {said}/>'
        found[f"date_spec {said.replace(chr(34), '')}"] = Cluster(constraints=only_n2(date(inner, operation="date_spec")))
    later = block(
        "meta_attributes",
        {"target-role": "Stopped"},
        f'<rule id="lr" score="1">{date(operation="gt", start="2023-11-01")}</rule>',
    )
    found["a date in meta_attributes"] = Cluster(prim("a", inner=later) + prim("b"))
    in_options = (
        f'<cluster_property_set id="more" score="9"><rule id="or" score="1">{date(operation="lt", end="2030-01-01")}</rule>'
    )
    found["a date in options"] = Cluster(crm_config=f"{in_options}{pairs({'stop-all-resources': 'true'})}</cluster_property_set>")
    return found


def _constraints() -> dict[str, Cluster]:
    three = prim("a") + prim("b") + prim("d")
    found = {}
    for kind in ("Mandatory", "Optional", "Serialize", "nonsense"):
        for symmetrical in ("true", "false", ""):
            words = f' symmetrical="{symmetrical}"' if symmetrical else ""
            found[f"order kind={kind} symmetrical={symmetrical}"] = Cluster(
                constraints=f'<rsc_order id="o" first="a" then="b" kind="{kind}"{words}/>', history={"n2": ran("b", "start 0")}
            )
    for first in ("start", "stop", "promote", "demote"):
        for then in ("start", "stop", "promote", "demote"):
            found[f"order {first} then {then}"] = Cluster(
                stateful() + prim("b"),
                transient=SCORES,
                constraints=f'<rsc_order id="o" first="c" first-action="{first}" then="b" then-action="{then}"/>',
                history={"n3": ran("b", "start 0")},
            )
    for score in ("0", "5"):
        found[f"order score={score}"] = Cluster(constraints=f'<rsc_order id="o" first="a" then="b" score="{score}"/>')
    refs = '<resource_ref id="a"/><resource_ref id="b"/>'
    for said in (
        "",
        'sequential="false"',
        'sequential="false" require-all="false"',
        'sequential="true" action="stop"',
        'kind="Serialize"',
    ):
        sets = f'<resource_set id="s1" {said}>{refs}</resource_set><resource_set id="s2"><resource_ref id="d"/></resource_set>'
        found[f"order sets {said.replace(chr(34), '')}"] = Cluster(three, constraints=f'<rsc_order id="o">{sets}</rsc_order>')
        found[f"order sets {said.replace(chr(34), '')}, active"] = Cluster(
            three,
            constraints=f'<rsc_order id="o">{sets}</rsc_order>',
            permanent={"n1": {"standby": "on"}},
            history={"n1": ran("a", "start 0") + ran("d", "start 0")},
        )
        if "kind" not in said and "action" not in said and "require" not in said:
            for score in ("INFINITY", "-INFINITY", "50"):
                found[f"colocation sets {said.replace(chr(34), '')} {score}"] = Cluster(
                    three, constraints=f'<rsc_colocation id="co" score="{score}">{sets}</rsc_colocation>'
                )
    for score in ("INFINITY", "100", "-100", "-INFINITY", "0"):
        for more in ("", 'node-attribute="rack"', 'influence="false"', 'influence="true"'):
            found[f"colocation {score} {more.replace(chr(34), '')}"] = Cluster(
                constraints=f'<rsc_colocation id="co" rsc="b" with-rsc="a" score="{score}" {more}/>' + location("b", "n3", "7"),
                history=ON_N1,
                permanent={"n1": {"rack": "1"}, "n2": {"rack": "1"}, "n3": {"rack": "2"}},
            )
    for with_role in ("Promoted", "Unpromoted", "Started"):
        for score in ("INFINITY", "-INFINITY"):
            found[f"colocation with role {with_role} {score}"] = Cluster(
                stateful() + prim("b"),
                transient=SCORES,
                constraints=f'<rsc_colocation id="co" rsc="b" with-rsc="c" with-rsc-role="{with_role}" score="{score}"/>',
            )
    for role in ("Promoted", "Unpromoted"):
        for score in ("INFINITY", "-INFINITY", "500"):
            found[f"colocation of role {role} {score}"] = Cluster(
                stateful() + prim("b"),
                transient=SCORES,
                constraints=f'<rsc_colocation id="co" rsc="c" rsc-role="{role}" with-rsc="b" score="{score}"/>'
                + location("b", "n3", "INFINITY"),
            )
    tags = '<tags><tag id="T"><obj_ref id="a"/><obj_ref id="b"/></tag></tags>'
    found["location of a tag"] = Cluster(three, constraints=location("T", "n3", "9"), tags=tags)
    found["order of a tag"] = Cluster(three, constraints='<rsc_order id="o" first="T" then="d"/>', tags=tags)
    found["colocation of a tag"] = Cluster(
        three, constraints='<rsc_colocation id="co" rsc="T" with-rsc="d" score="INFINITY"/>', tags=tags
    )
    found["ticket of a tag"] = Cluster(three, constraints='<rsc_ticket id="rt" rsc="T" ticket="K"/>', tags=tags)
    nine, eight = (f"<operations>{op('monitor', interval)}</operations>" for interval in ("9s", "8s"))
    template = f'<template id="tpl" class="ocf" provider="pacemaker" type="Dummy">{nine}</template>'
    users = f'<primitive id="a" template="tpl"/><primitive id="b" template="tpl">{eight}</primitive>'
    found["template"] = Cluster(template + users, constraints=location("tpl", "n2", "9"))
    return found


PARTS = (_options, _fencing, _health, _modes, _meta, _clones, _operations, _tickets, _rules, _dates, _constraints)


def cases() -> dict[str, Cluster]:
    """Every case by its name."""
    return {name: cluster for part in PARTS for name, cluster in part().items()}
