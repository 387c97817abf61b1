"""The files of the cluster that the demo starts, the bench measures and the live tests type in: two hosts, one failover IP."""

from __future__ import annotations

NAMES = ("test-node-1", "test-node-2")

COROSYNC_CONF = """\
totem {
  version: 2
  cluster_name: test-cluster
  transport: udpu
  interface {
    ringnumber: 0
    bindnetaddr: 172.16.0.0
    broadcast: yes
    mcastport: 5407
  }
}
nodelist {
  node {
    ring0_addr: 172.16.0.10
  }
  node {
    ring0_addr: 172.16.0.20
  }
}
quorum {
  provider: corosync_votequorum
}
logging {
  to_logfile: yes
  logfile: /var/log/corosync/corosync.log
  to_syslog: yes
  timestamp: on
}
service {
  name: pacemaker
  ver: 1
}
"""

CRM = """\
primitive ha-vip IPaddr2 \\
  params ip=172.16.0.100 cidr_netmask=32 arp_count=10 arp_count_refresh=5 \\
  op monitor interval=10s \\
  meta target-role=Started
property cib-bootstrap-options: \\
  have-watchdog=false dc-version=1.1.18-2b07d5c5a9 cluster-infrastructure=corosync \\
  cluster-name=test-cluster stonith-action=reboot no-quorum-policy=ignore \\
  stonith-enabled=false last-lrm-refresh=1596896556 maintenance-mode=false
rsc_defaults rsc-options: \\
  resource-stickiness=1000
"""

CONF_PATH = "/etc/corosync/corosync.conf"
KEY_PATH = "/etc/corosync/authkey"
LOG_PATH = "/var/log/corosync/corosync.log"
CRM_PATH = "/etc/corosync/ha-vip.crm"
KEY_BYTES = 256
