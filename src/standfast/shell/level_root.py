"""The root of the shell: `status`, `verify`, and the doors to the levels."""

from __future__ import annotations

from standfast.base.report import Refused, Report, Severity, error
from standfast.shell.command import Call, Level, command, usage_refused


class RootLevel(Level):
    """The level one starts on."""

    name = ""
    levels = (
        ("configure", "the configuration: show, edit, load, commit"),
        ("resource", "resources: start, stop, move, clean up"),
        ("node", "nodes: standby, online, maintenance"),
        ("ra", "resource agents: what there is, and what they say of themselves"),
        ("cluster", "this node's cluster services"),
        ("corosync", "the cluster layer: links, quorum, its configuration"),
        ("openstack", "the cloud's side of failover IPs: ports, pairs, what is missing there"),
    )

    @command(
        "status [bynode|inactive|ops|timing|failcounts|verbose|quiet|xml|html|noheaders|detail|brief|simple|full] [--watch]",
        "show the cluster: nodes, resources, failures",
        completes=("status",),
    )
    def do_status(self, call: Call) -> bool:
        """As crm_mon -1 -r prints it; --watch renders it again whenever something happens."""
        from standfast.shell.status import show_status

        return show_status(self.session, call.words)

    @command("verify", "look for mistakes in the live configuration")
    def do_verify(self, call: Call) -> bool:
        """The semantic checks, and what the scheduler remarks."""
        assert call.name
        from standfast.compat.crm.check import check
        from standfast.shell.agent_lookup import agents
        from standfast.shell.level_corosync import is_two_node

        reports = list(check(self.session.cluster.configuration(), agents, is_two_node=is_two_node))
        said = {report.what for report in reports}
        for notice in self.session.cluster.call("plan").get("notices", []):
            if notice.get("what") and notice["what"] not in said:
                severity = Severity(notice.get("severity", "warning"))
                reports.append(
                    Report(notice.get("code", ""), severity, notice["what"], notice.get("why", ""), notice.get("remedy", ""))
                )
        self.session.output.say_all(reports)
        return not any(report.severity is Severity.ERROR for report in reports)

    @command(
        "what-if node NODE EVENT\nwhat-if resource RSC fails [OPERATION]\nwhat-if configure FILE",
        "say what the cluster would do if something happened; nothing is touched",
        "whatif",
        completes=("what_if", "node"),
    )
    def do_what_if(self, call: Call) -> bool:
        """EVENT: down (without a word), leaves, standby, online, maintenance, ready. OPERATION: monitor, start, stop, ..."""
        from standfast.shell import foresight
        from standfast.shell.words import without_output

        words, form = without_output(call.words)
        is_json = form == "json" or self.session.options.wants_json
        match words:
            case ["node", name, event]:
                return foresight.what_if_node(self.session, name, event, is_json=is_json)
            case ["resource", name, "fails" | "fail", *rest] if len(rest) < 2:
                return foresight.what_if_resource(self.session, name, *(rest or ["monitor"]), is_json=is_json)
            case ["configure", name]:
                from standfast.shell.level_configure import merged_file

                configuration = merged_file(foresight.document(self.session), name)
                words_said = f"Suppose the configuration of {name} is loaded (update):"
                return foresight.what_if_configuration(self.session, configuration, words_said, is_json=is_json)
        raise usage_refused("what-if node NODE EVENT | what-if resource RSC fails [OPERATION] | what-if configure FILE")

    @command("wait [SECONDS]", "wait until the cluster has done all it has to do")
    def do_wait(self, call: Call) -> bool:
        """Shows what happens meanwhile on a terminal."""
        from standfast.shell.progress import wait_for_rest

        seconds = call.words[0] if call.words else "3600"
        if not seconds.isdigit() or not 0 < int(seconds) <= 86_400:
            raise Refused(error("shell.usage", f"{seconds!r} is not a number of seconds", "", "usage: wait [SECONDS]"))
        return wait_for_rest(self.session.cluster, self.session.output, float(seconds))
