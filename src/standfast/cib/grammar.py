"""The CIB's schemas as a table: which elements, which attributes of which type, in which order, since and until when.

Read off Pacemaker's schemas pacemaker-1.0 to 4.0 (xml/*.rng) and held against them, file by file, by the tests.
One definition a line, `NAME = PATTERN`; a line that is indented goes on with the one before. Read by grammar_text.py:

    @name                 an attribute with any text;  @name:TYPE, @name=one|of|these;  types are in datatypes.py
    <tag>                 a child as the definition `tag` says;  <tag/other> one as the definition `other` says
    $name                 the pattern of that name, put in here
    (a b)  (a | b)  (a & b)   one after the other, either, or both in any order (the order of attributes never counts)
    ?  *  +               behind a term: may be missing, any number, at least one
    [2.6-] [-2.10] [3.0]  behind a term or a name: in these schemas only; elsewhere as if it did not stand here
"""

from __future__ import annotations

from typing import Final

VERSIONS: Final = (
    "1.0", "1.2", "1.3", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.10",
    "3.0", "3.1", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "4.0",
)  # fmt: skip
"""The schemas, oldest first, as `validate-with="pacemaker-..."` names them."""

GRAMMAR: Final = """
cib = @validate-with? @admin_epoch:count @epoch:count @num_updates:count @crm_feature_set? @have-quorum:boolean? @dc-uuid?
    @remote-tls-port:count? @remote-clear-port:count? @no-quorum-panic:boolean? @cib-last-written?
    @update-origin?[1.2-] @update-client?[1.2-] @update-user?[1.2-] @execution-date?[1.2-]
    <configuration> <status>?
configuration = (<crm_config> & <rsc_defaults>? & <op_defaults>? & <nodes> & <resources> & <constraints>
    & <fencing-topology>?[1.2-] & <acls>?[1.2-] & <tags>?[1.3-] & <alerts>?[2.5-])
crm_config = <cluster_property_set/set.option>*
rsc_defaults = <meta_attributes/set.rsc_default>*
op_defaults = <meta_attributes/set.op_default>*

# Sets of names and values; where they stand decides which names are refused.
$score = @score:score
$own_set = @id:id $score?
set = (@id-ref:idref | ($own_set & <rule>? & <nvpair>*))
set.option = (@id-ref:idref | ($own_set & <rule/rule.option>? & <nvpair/nvpair.option>*))
set.rsc_default [-3.10] = (@id-ref:idref | ($own_set & <rule/rule.option>? & <nvpair/nvpair.default>*))
set.rsc_default [4.0] = (@id-ref:idref | ($own_set & <rule>? & <nvpair/nvpair.meta>*))
set.op_default [-3.10] = (@id-ref:idref | ($own_set & <rule/rule.option>? & <nvpair/nvpair.default>*))
set.op_default [4.0] = (@id-ref:idref | ($own_set & <rule>? & <nvpair/nvpair.op_meta>*))
set.meta = (@id-ref:idref | ($own_set & <rule>? & <nvpair/nvpair.meta>*))
set.param = (@id-ref:idref | ($own_set & <rule>? & <nvpair/nvpair.param>*))
set.op_meta = (@id-ref:idref | ($own_set & <rule>? & <nvpair/nvpair.op_meta>*))
set.op_param = (@id-ref:idref | ($own_set & <rule>? & <nvpair/nvpair.op_param>*))
set.alert = (@id-ref:idref | ($own_set & <rule/rule.late>? & <nvpair>*))

$value = @value?[-3.10] @value[4.0]
$reference = @id-ref:idref @name?[-3.10]
nvpair = ($reference[1.3-] | @id:id @name $value)
nvpair.default = ($reference[3.0-] | @id:id @name $value)
nvpair.option = ($reference[3.0-] | @id:id @name[-2.10] $value[-2.10] ($option | $stack)[3.0-])
$option = @name:option[3.0-3.10] @name:option4[4.0] $value
$stack = @name=cluster-infrastructure[3.0-3.10] @value:stack[3.0-3.10] @name=stonith-action[4.0] @value:stonith_action[4.0]
nvpair.meta = ($reference[1.3-] | @id:id @name[-2.10] @name:meta[3.0-3.10] @name:meta4[4.0] $value)
nvpair.op_meta = ($reference[1.3-] | @id:id @name[-2.10] @name:op_meta[3.0-3.10] @name:op_meta4[4.0] $value)
nvpair.param = ($reference[1.3-] | @id:id @name[-2.10] @name:param[3.0] @name[3.1-] $value)
nvpair.op_param = ($reference[1.3-] | @id:id @name[-2.10] @name:op_param[3.0] @name[3.1-] $value)

# Rules. Constraints and alerts (rule.late) and the cluster's options (rule.option) learned new expressions later than the rest.
$weight = ($score | @score-attribute)
$rule = @id:id $weight[-3.8] $weight?[3.9-] @boolean-op=or|and? @role?
rule = (@id-ref:idref | ($rule (<expression> | <date_expression> | <rsc_expression>[3.4-] | <op_expression>[3.4-] | <rule>)+))
rule.late = (@id-ref:idref | ($rule (<expression> | <date_expression> | <rsc_expression>[3.5-] | <op_expression>[3.5-]
    | <rule/rule.late>)+))
rule.option = (@id-ref:idref | ($rule (<expression/expression.option> | <date_expression> | <rsc_expression>[3.4-]
    | <op_expression>[3.4-] | <rule/rule.option>)+))
$comparison = @id:id @attribute @operation=lt|gt|lte|gte|eq|ne|defined|not_defined @value?
    @type=string|number|version?[-3.4] @type=string|integer|number|version?[3.5-]
expression = $comparison @value-source=literal|param|meta?[2.9-]
expression.option = $comparison @value-source=literal|param|meta?[3.0-]
date_expression = @id:id ($in_range | @operation=gt @start | @operation=lt @end | @operation=date_spec <date_spec>)
$in_range [-3.8] = @operation=in_range (@start? @end | @start <duration>)
$in_range [3.9-] = @operation=in_range (@start | @end | @start @end) <duration>?
$period = @years? @months? @weeks? @hours? @monthdays? @weekdays? @yearsdays? @weekyears?
duration = @id:id $period @moon? @days?[3.9-] @minutes?[3.9-] @seconds?[3.9-]
date_spec = @id:id $period @moon?[-3.10] @yeardays?[3.9-] @minutes?[3.9-] @seconds?[3.9-]
rsc_expression = @id:id @class? @provider? @type?
op_expression = @id:id @name @interval?

nodes = <node>*
$node_type = @type=normal|member|ping[1.0] @type=normal|member|ping?[1.2] @type=normal|member|ping|remote?[1.3-2.10]
    @type=member|ping|remote?[3.0-3.10] @type=member|remote?[4.0]
node = @id @uname $node_type @description? $score?[1.2-] (<instance_attributes/set> | <utilization/set>[1.2-])*

resources = (<primitive> | <template>[1.2-] | <group> | <clone> | <master>[-3.10] | <bundle>[2.8-])*
$ocf = @class=ocf @provider
$plain_class = @class=lsb|heartbeat|stonith|upstart[1.0] @class=lsb|heartbeat|stonith|upstart|service|systemd|nagios[1.2-3.10]
    @class=lsb|heartbeat|stonith|service|systemd[4.0]
$template_class = @class=lsb|heartbeat|stonith|upstart[-2.6] $plain_class[2.7-]
$settings = (<meta_attributes/set.meta> | <instance_attributes/set.param> | <utilization/set>[1.2-])*
$common = (<meta_attributes/set>[-3.10] | <meta_attributes/set.meta>[4.0] | <instance_attributes/set>)*
primitive = @id:id (($ocf | $plain_class) @type | @template:idref[1.2-]) @description? ($settings & <operations>?)
template = @id:id ($ocf | $template_class) @type @description? ($settings & <operations>?)
group = @id:id @description? ($common & <primitive>+)
clone = @id:id @description? ($common & (<primitive> | <group>))
master = @id:id @description? ($common & (<primitive> | <group>))
operations = @id:id? @id-ref:idref? <op>*
op = @id:id @name @interval @description? (@start-delay | @interval-origin)? @timeout? @enabled:boolean? @record-pending:boolean?
    @role=Stopped|Started|Slave|Master?[-3.6] @role=Stopped|Started|Slave|Master|Promoted|Unpromoted?[3.7-]
    @requires=nothing|quorum|fencing?[-1.2] @requires=nothing|quorum|fencing|unfencing?[1.3-2.10]
    @on-fail=ignore|block|stop|restart|standby|fence?[1.0]
    @on-fail=ignore|block|stop|restart|standby|fence|restart-container?[1.2-3.3]
    @on-fail=ignore|block|stop|restart|standby|fence|restart-container|demote?[3.4-]
    (<meta_attributes/set.op_meta> | <instance_attributes/set.op_param>)*
bundle = @id:id @description? ($common & (<docker/container> | <rkt/container>[2.10-3.10] | <podman/container>[3.2-])
    & <network>? & <storage>? & <primitive>?)
container = @image @replicas:integer? @replicas-per-host:integer? (@masters:integer[-3.10] | @promoted-max:integer[3.0-])?
    @run-command? @network? @options?
network = @ip-range-start? @control-port:integer? @host-interface? @host-netmask:integer? @add-host:boolean?[3.0-]
    <port-mapping>*
port-mapping = @id:id (@port:integer @internal-port:integer? | @range:ports)
storage = <storage-mapping>*
storage-mapping = @id:id (@source-dir | @source-dir-root) @target-dir @options?

constraints = (<rsc_location> | <rsc_colocation> | <rsc_order> | <rsc_ticket>[1.2-])*
$set_role = @role=Stopped|Started|Master|Slave[-3.6] @role=Stopped|Started|Master|Slave|Promoted|Unpromoted[3.7-]
$rsc_role = @rsc-role=Stopped|Started|Master|Slave[-3.6] @rsc-role=Stopped|Started|Master|Slave|Promoted|Unpromoted[3.7-]
$with_role = @with-rsc-role=Stopped|Started|Master|Slave[-3.6]
    @with-rsc-role=Stopped|Started|Master|Slave|Promoted|Unpromoted[3.7-]
$whose = ((@rsc:idref | @rsc-pattern[2.6-]) $set_role?[1.2-] | <resource_set>+[1.2-])
$where = ($score @node | <rule/rule.late>+[-3.10] | <rule/rule.late>[4.0])
rsc_location = @id:id $whose $where <lifetime>?[-3.10] @resource-discovery=always|never|exclusive?[2.2-]
lifetime = <rule/rule.late>+
$kind = @kind=Optional|Mandatory|Serialize
resource_set = (@id-ref:idref | (@id:id @sequential:boolean? @require-all:boolean?[1.2-] @ordering=group|listed?[2.1-]
    @action=start|promote|demote|stop? $set_role? $score?[-2.10] ($score | $kind)?[3.0-] <resource_ref>+))
resource_ref = @id:idref
rsc_colocation = @id:id ($score | @score-attribute | @score-attribute-mangle)?[-2.10] $score?[3.0-] @influence?[3.6-]
    <lifetime>?[-3.10] (<resource_set>+ | @rsc:idref @with-rsc:idref @node-attribute? $rsc_role? $with_role?)
rsc_order = @id:id <lifetime>?[-3.10] @symmetrical:boolean? @require-all:boolean?[2.3-] ($score | $kind)?
    (<resource_set>+ | @first:idref @then:idref @first-action=start|promote|demote|stop? @then-action=start|promote|demote|stop?)
rsc_ticket = @id:id (<resource_set>+ | @rsc:idref $rsc_role?) @ticket @loss-policy=stop|demote|fence|freeze?

fencing-topology = <fencing-level>*
fencing-level = @id:id (@target | @target-pattern | (@target-attribute @target-value)[2.4-])
    @index:positive[-3.10] @index:level[4.0] @devices:devices

acls [-1.3] = (<acl_user> | <acl_role/acl_role.old>)*
acl_user = @id:id (<role_ref>* | $access*)
role_ref = @id:idref
acl_role.old = @id:id $access*
$access = (<read/access> | <write/access> | <deny/access>)
access = @id:id (@tag | @ref:idref | @tag @ref:idref | @xpath) @attribute?
acls [2.0-] = (<acl_target> | <acl_group> | <acl_role>)*
acl_target = @id @name?[3.8-] <role>*
acl_group = @id:id @name?[3.8-] <role>*
role = @id:idref
acl_role = @id:id @description? <acl_permission>*
acl_permission = @id:id @kind=read|write|deny (@xpath | @reference:idref | @object-type @attribute?) @description?

tags = <tag>*
tag = @id:id <obj_ref>+
obj_ref = @id:idref[-3.2] @id[3.3-]

alerts = <alert>*
$alert_settings = (<meta_attributes/set.alert> | <instance_attributes/set.alert>)*
alert = @id:id @description? @path ($alert_settings <recipient>*)[-2.9] ($alert_settings & <select>? & <recipient>*)[2.10-]
recipient = @id:id @description? @value $alert_settings
select = (<select_attributes>? & <select_fencing/nothing>? & <select_nodes/nothing>? & <select_resources/nothing>?)
select_attributes = <attribute>*
attribute = @id:id @name
"""
