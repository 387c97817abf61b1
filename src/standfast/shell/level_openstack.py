"""`crm openstack`: the cloud's side of failover IPs. Works with a running cluster, and with --nodes and --cloud without one."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from standfast.base.report import Refused, Report, Severity, error
from standfast.openstack import view, wish
from standfast.openstack.doctor import Finding
from standfast.openstack.wish import Wish
from standfast.shell import openstack_work as work
from standfast.shell.command import Call, Level, command, usage_refused
from standfast.shell.words import without, without_output

OPTIONS = ("--cloud", "--nodes")
MARK_BYTES = 4
LOOSE = "nothing keeps it so until the cluster knows the cloud: crm configure property openstack-cloud=NAME"


class OpenStackLevel(Level):
    """The level `openstack`."""

    name = "openstack"
    open_worker: Callable[[str], Any] = staticmethod(work.open_worker)

    @command("status [-o json] [--cloud NAME] [--nodes A,B]", "show ports, pairs and floating IPs of the nodes and failover IPs")
    def do_status(self, call: Call) -> bool:
        """Reads the cloud; exit code 1 where something is not as it should be."""
        words, form = without_output(call.words)
        left, found, _ = self._wish(words, call.name)
        if left:
            raise usage_refused(self.table["status"].usage)
        with self.open_worker(found.cloud) as worker:
            value = view.status(found, work.survey(worker, found, is_deep=False))
        if form == "json" or self.session.options.wants_json:
            self.session.write_json(value)
        else:
            from standfast.shell.openstack_text import status_text

            self.session.output.write(status_text(value))
            self.session.output.say_all(found.remarks)
            self.session.output.say_all(Report(**{**t, "severity": Severity(t["severity"])}) for t in value["troubles"])
        return not value["troubles"] and not any(item["drift"] for item in value["addresses"])

    @command(
        "allow RESOURCE|ADDRESS|CIDR... [-o json] [--cloud NAME] [--nodes A,B]",
        "let every node send from a failover IP, an address or a network",
        completes=("resource",),
    )
    def do_allow(self, call: Call) -> bool:
        """Its own port for an address, and the pair on every node's port; what is there already is left as it is."""
        words, form = without_output(call.words)
        left, found, root = self._wish(words, call.name)
        items = work.chosen(found, left)
        found = self._marked(found, root)
        with self.open_worker(found.cloud) as worker:
            done = work.carry_out(worker, replace(found, addresses=items))
        if root is not None and wish.option(root, wish.CLOUD):
            extra = [item.address for item in items if not item.resource]
            self._keep(root, lambda kept: [*kept, *(address for address in extra if address not in kept)])
        labels = ", ".join(item.label for item in items)
        is_kept = root is None or wish.option(root, wish.CLOUD)
        return self._tell(
            done, form, f"{labels}: allowed already on {', '.join(node.name for node in found.nodes)}", "" if is_kept else LOOSE
        )

    @command(
        "revoke RESOURCE|ADDRESS|CIDR... [-o json] [--cloud NAME] [--nodes A,B]",
        "take an address or a network from every node's port, and delete the port that was made for it",
        completes=("resource",),
        destructive=True,
    )
    def do_revoke(self, call: Call) -> bool:
        """Refuses while a resource has the address and `openstack-cloud` is set: the coordinator would put it back."""
        words, form = without_output(call.words)
        left, found, root = self._wish(words, call.name)
        items = work.chosen(found, left)
        gone = tuple(item.address for item in items)
        is_kept = root is not None and bool(wish.option(root, wish.CLOUD))
        kept = [item for item in items if item.resource]
        if is_kept and kept and not self.session.options.is_forced:
            what = f"{kept[0].label} is a resource of this cluster: the coordinator would put its pairs back"
            remedy = "delete or change the resource (its pairs go then), or force it: crm -F openstack revoke ..."
            raise Refused(error("shell.openstack", what, "", remedy))
        if is_kept:
            self._keep(root, lambda listed: [word for word in listed if not work.is_one_of(word, gone)])
        with self.open_worker(found.cloud) as worker:
            done = work.carry_out(worker, replace(found, addresses=(), revoked=gone), is_thorough=True)
        return self._tell(done, form, f"{', '.join(gone)}: no node's port allows it")

    @command("doctor [--fix] [-o json] [--cloud NAME] [--nodes A,B]", "say what is wrong on OpenStack's side, and what mends it")
    def do_doctor(self, call: Call) -> bool:
        """Findings with what, why and the command; --fix mends what can be mended without harm, and looks again."""
        words, form = without_output(call.words)
        words, wants_fix = without(words, "--fix")
        left, found, root = self._wish(words, call.name)
        if left:
            raise usage_refused(self.table["doctor"].usage)
        changes: list[Report] = []
        with self.open_worker(found.cloud) as worker:
            listed = work.findings(found, work.survey(worker, found, is_deep=True))
            if wants_fix and any(finding.mend for finding in listed):
                changes = self._mend(worker, found, listed, root)
                _, found, root = self._wish(words, call.name)
                listed = work.findings(found, work.survey(worker, found, is_deep=True))
        reports = [finding.report for finding in listed]
        is_good = not any(report.severity in (Severity.ERROR, Severity.WARNING) for report in reports)
        if form == "json" or self.session.options.wants_json:
            value = {"ok": is_good, "findings": [r._asdict() for r in reports], "changes": [r._asdict() for r in changes]}
            self.session.write_json(value)
            return is_good
        self.session.output.say_all(changes)
        self._say_findings(listed)
        return is_good

    # ---- what they share ---------------------------------------------------------------------------------------------

    def _wish(self, words: Sequence[str], verb: str) -> tuple[list[str], Wish, Any]:
        """The words without options, what is wanted, and the CIB of the running cluster (None where none runs)."""
        given: dict[str, str] = {}
        left: list[str] = []
        rest = list(words)
        while rest:
            word = rest.pop(0)
            name, has_value, value = word.partition("=")
            if name in OPTIONS:
                if not has_value and not rest:
                    raise usage_refused(self.table[verb].usage, f"{name} needs a value")
                given[name] = value if has_value else rest.pop(0)
            elif word.startswith("-"):
                raise usage_refused(self.table[verb].usage, f"unknown option {word}")
            else:
                left.append(word)
        nodes = [name for name in given.get("--nodes", "").split(",") if name]
        found, root = work.wanted(self.session.cluster, given.get("--cloud", ""), nodes)
        return left, found, root

    def _marked(self, found: Wish, root: Any) -> Wish:
        """The wish with the cluster's mark. What is made here has to be the cluster's own when `openstack-cloud` is set later:
        a port that bears the bare name could be that of any cluster of this name, and is left alone."""
        if root is None or wish.option(root, wish.ID):
            return found
        self.session.cluster.apply(work.property_change(root, wish.ID, secrets.token_hex(MARK_BYTES)))
        again = wish.read(self.session.cluster.cib(), cloud=found.cloud)
        return replace(found, cluster=again.cluster) if again is not None else found

    def _tell(self, done: work.Done, form: str, already: str, also: str = "") -> bool:
        if form == "json" or self.session.options.wants_json:
            changes, troubles = ([report._asdict() for report in reports] for reports in (done.changes, done.troubles))
            self.session.write_json({"ok": done.is_good, "changes": changes, "troubles": troubles, "api_calls": done.calls})
            return done.is_good
        self.session.output.say_all(done.changes)
        self.session.output.say_all(done.troubles)
        if done.is_good and not done.changes:
            self.session.output.info(already)
        if done.is_good and also:
            self.session.output.info(also)
        return done.is_good

    def _keep(self, root: Any, alter: Callable[[list[str]], list[str]]) -> None:
        """Change the property that says which addresses beside the resources' are kept allowed."""
        listed = wish.option(root, wish.ALLOW).replace(",", " ").split()
        after = alter(listed)
        if after != listed:
            self.session.cluster.apply(work.property_change(root, wish.ALLOW, " ".join(after)))

    def _mend(self, worker: Any, found: Wish, listed: Sequence[Finding], root: Any) -> list[Report]:
        """What can be mended without harm to anybody."""
        changes: list[Report] = []
        requests = {str(finding.request.body): finding.request for finding in listed if finding.request is not None}
        if requests:
            answers = worker.ask(tuple(requests.values()))
            changes += [work.ruled(request, reply) for request, reply in zip(requests.values(), answers, strict=True)]
        if any(finding.mend == "allow" for finding in listed):
            done = work.carry_out(worker, self._marked(found, root))
            changes += [*done.changes, *done.troubles]
        if root is not None and any(finding.mend == "dvr" for finding in listed):
            self.session.cluster.apply(work.property_change(root, wish.DVR, "true"))
            changes.append(Report("openstack.property", Severity.NOTICE, "openstack-dvr=true is set"))
        return changes

    def _say_findings(self, listed: Sequence[Finding]) -> None:
        output = self.session.output
        for finding in listed:
            report = finding.report
            output.say(report._replace(why="", remedy=""))
            if report.why:
                output.progress(f"    why: {report.why}")
            if report.remedy:
                output.progress(f"    mend: {report.remedy}" + ("   (or: crm openstack doctor --fix)" if finding.mend else ""))
        if not listed:
            output.info("nothing is wrong on OpenStack's side")
