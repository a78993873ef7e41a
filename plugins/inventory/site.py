# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin ``lustre.core.site``."""

from __future__ import annotations

DOCUMENTATION = r"""
name: site
short_description: Hosts, groups and variables of a Lustre site from one file
version_added: 0.1.0
author:
  - lustre.core contributors (@lustre-core)
description:
  - Reads one YAML file with the hosts (ranges allowed), the file systems and LNet, and makes hosts, groups and variables.
  - The groups C(lustre_mgs), C(lustre_mds), C(lustre_oss), C(lustre_router) and C(lustre_client) follow from the part each host has;
    C(lustre_servers) holds the first three, C(lustre_all) everybody, C(lustre_fs_NAME) the hosts of one file system (a dash in
    the name becomes an underscore).
  - The description becomes the variables C(lustre_filesystems), C(lustre_lnet) and C(lustre_kerberos) of the group C(lustre_all).
    KDCs of its own make the group C(lustre_kdc).
  - Everything that is wrong with the file is listed at once. What depends on variables from elsewhere (C(host_vars), other inventories)
    is checked by M(lustre.core.site_check) at the beginning of the playbooks.
notes:
  - The name of the file must end in C(.lustre.yml) or C(.lustre.yaml).
  - The file may name hosts and groups of other inventories, if those are read before it. Sources are read in the order given, files of
    a folder in the order of their names.
  - Set C(any_unparsed_is_failed = true) in the section C([inventory]) of C(ansible.cfg), or ansible-core goes on without the hosts of
    a file that has errors.
options:
  plugin:
    description: Must be C(lustre.core.site).
    required: true
    choices: [lustre.core.site]
  hosts:
    description:
      - Hosts by name or range. The value is the address Ansible uses, or a mapping with C(ansible_host), C(nids), C(interfaces),
        C(groups) and C(vars), each of them optional.
      - An address for several hosts is a range (C(10.0.0.[11-30]), C(10.1.[0-79].[1-254])) or a first address that is counted up
        (C(10.1.0.1+), C(10.1.0.1+2) in steps of two), for a NID followed by its network (C(10.1.0.1+@tcp)).
      - Ranges of names keep leading zeros, as in C(oss[01-20]).
    type: raw
    default: {}
  filesystems:
    description: The file systems, as in the variable C(lustre_filesystems). See the page about the site description.
    type: raw
    default: []
  lnet:
    description: LNet, as in the variable C(lustre_lnet).
    type: raw
    default: {}
  kerberos:
    description: The Kerberos realm of the nodes, as in the variable C(lustre_kerberos).
    type: raw
    default: {}
  vars:
    description: Further variables of the group C(lustre_all).
    type: raw
    default: {}
"""

EXAMPLES = r"""
# site.lustre.yml
plugin: lustre.core.site
hosts:
  mds[1-2]: 10.0.0.[11-12]
  oss[01-20]: 10.0.1.[1-20]
  client[00001-20000]: {ansible_host: 10.8.0.1+, groups: [compute]}
lnet:
  networks:
    - {net: tcp, interfaces: [eth0]}
filesystems:
  - name: fs1
    mgs: {servers: [mds1, mds2], device: /dev/disk/by-id/scsi-mgt}
    mdts:
      - {index: 0, servers: [mds1, mds2], device: /dev/disk/by-id/scsi-mdt0}
    osts:
      - {index: 0-3, servers: [oss01, oss02], device: "/dev/disk/by-id/scsi-ost{index}"}
    clients:
      - {hosts: [compute], path: /mnt/fs1}
"""

from typing import Any, Mapping

from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin

from ansible_collections.lustre.core.plugins.plugin_utils._site import inventory as site_inventory
from ansible_collections.lustre.core.plugins.plugin_utils._site import parse as site_parse
from ansible_collections.lustre.core.plugins.plugin_utils._site import rules as site_rules
from ansible_collections.lustre.core.plugins.plugin_utils._site.hosts import Hosts
from ansible_collections.lustre.core.plugins.plugin_utils._site.messages import Findings, SiteError
from ansible_collections.lustre.core.plugins.plugin_utils._site.model import Site

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core before 2.19 trusts every string
    trust_as_template = None


#: Variables made here of the keys of a host entry; all others are handed on as they are.
_MADE = ("ansible_host", "lustre_nids", "lustre_interfaces")


def _trusted(value: Any) -> Any:
    """The user's own text, of which ranges made new strings: as good as what is read from the file as it stands."""
    if trust_as_template is None:
        return value
    if isinstance(value, str):
        return trust_as_template(value)
    if isinstance(value, list):
        return [_trusted(item) for item in value]
    if isinstance(value, dict):
        return {key: _trusted(item) for key, item in value.items()}
    return value


class InventoryModule(BaseInventoryPlugin):
    """Makes an inventory from a site file."""

    NAME = "lustre.core.site"

    def verify_file(self, path: str) -> bool:
        return bool(super().verify_file(path)) and path.endswith((".lustre.yml", ".lustre.yaml"))

    def parse(self, inventory: InventoryData, loader: DataLoader, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path, cache)
        config = self._read_config_data(path)
        declared, site, findings = self._checked(config)
        try:
            keys = "its filesystems, lnet and kerberos are called lustre_filesystems, lustre_lnet and lustre_kerberos below"
            findings.stop_if_any(f"The site file {path} cannot be used ({keys})")
        except SiteError as error:
            raise AnsibleParserError(str(error)) from error
        for warning in findings.warnings:
            self.display.warning(f"{path}: {warning}")
        self._add_hosts(declared)
        self._add_groups(site)
        self._add_variables(config)

    def _checked(self, config: Mapping[str, Any]) -> tuple[site_inventory.Declared, Site, Findings]:
        """The file, read and checked against the hosts it declares and those that are known already."""
        findings = Findings()
        site_inventory.check_top(config, findings)
        declared = site_inventory.declared(config.get("hosts"), findings)
        site = site_parse.site(config.get("filesystems"), config.get("lnet"), findings, config.get("kerberos"))
        hosts, groups = site_inventory.overlay(
            {name: host.vars for name, host in self.inventory.hosts.items()},
            {name: [host.name for host in group.get_hosts()] for name, group in self.inventory.groups.items()},
            declared,
            site,
        )
        servers = {
            server for filesystem in site.filesystems for target in filesystem.targets for server in target.servers
        }
        site_rules.check_site(
            site, Hosts(hosts, groups, servers), findings, site_inventory.self_contained(site, declared)
        )
        return declared, site, findings

    def _add_hosts(self, declared: site_inventory.Declared) -> None:
        made: dict[int, Any] = {}  # what the hosts of an entry share is not copied for each of them
        for name, variables in declared.hosts.items():
            self.inventory.add_host(name)
            for key, value in variables.items():
                if key in _MADE:
                    if isinstance(value, dict) and id(value) not in made:
                        made[id(value)] = _trusted(value)
                    value = made[id(value)] if isinstance(value, dict) else _trusted(value)
                self.inventory.set_variable(name, key, value)
        for group, names in declared.groups.items():
            self.inventory.add_group(group)
            for name in names:
                self.inventory.add_child(group, name)

    def _add_groups(self, site: Site) -> None:
        known = set(self.inventory.groups)
        for group, members in site_inventory.members(site, known).items():
            self.inventory.add_group(group)
            for member in members:
                self.inventory.add_child(group, member)
        for group, children in site_inventory.PARENTS.items():
            self.inventory.add_group(group)
            for child in children:
                self.inventory.add_child(group, child)

    def _add_variables(self, config: Mapping[str, Any]) -> None:
        variables = {"lustre_filesystems": config.get("filesystems") or [], "lustre_lnet": config.get("lnet") or {}}
        if config.get("kerberos"):
            variables["lustre_kerberos"] = config["kerberos"]
        # A KDC may have no part in Lustre, and must know whose keys it makes.
        groups = [name for name in ("lustre_all", site_inventory.KDC_GROUP) if name in self.inventory.groups]
        for key, value in {**(config.get("vars") or {}), **variables}.items():
            for group in groups:
                self.inventory.set_variable(group, key, value)
