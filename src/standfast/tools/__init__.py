"""Thin commands under their known names: crm_mon, crm_resource, cibadmin, corosync-quorumtool, ... No decisions in here."""
