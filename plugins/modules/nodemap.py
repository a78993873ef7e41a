#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.nodemap: who may mount, as whom, and what they see."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: nodemap
short_description: Describe nodemaps (tenants by NID) on the MGS
version_added: 0.1.0
description:
  - A nodemap says for a set of NIDs who their users are in the file system, which directory they see, and what they may do. This
    module takes all nodemaps of a site in one call and brings each to what is described.
  - The order of the steps never opens access in between. What restricts comes first, a new nodemap is complete before a NID is in
    it, what allows comes last, O(active) after everything. A step that fails ends the run before the steps after it.
  - Before anything is done it is checked that no two ranges overlap (with each other and with those that are there), and that no NID
    of O(protect) would be locked out at any moment.
  - What is not described stays as it is, unless O(nodemaps[].purge) or O(purge) names it.
  - Everything is read back afterwards. Ranges are given to Lustre in the words that it stores rightly, whatever they are written
    in. Lustre 2.17.0 stores V(10.7.0.0/24@tcp) as a single address; this module makes 10.7.0.0 to 10.7.0.255 of it.
  - Must run on the node where the MGT is mounted; dynamic nodemaps on any server. The other servers get the nodemaps some seconds
    later, which M(lustre.core.nodemap_info) waits for.
  - A converged call starts one process, a call that changes things a few, however many nodemaps there are.
options:
  nodemaps:
    description: The nodemaps. The one called V(default) holds every NID that no other one holds.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Its name, 1 to 16 letters, digits or V(_).
        type: str
        required: true
      state:
        description:
          - V(present) makes it and keeps it as described.
          - V(absent) removes it. Its clients fall into the nodemap V(default), so O(consent) must name it.
        type: str
        choices: [present, absent]
        default: present
      ranges:
        description:
          - NIDs that belong to it, such as V(10.0.[1-3].[1-254]@tcp), V(10.0.0.0/24@tcp), V(10.0.0.1@tcp).
          - IPv6 NIDs are listed one by one.
        type: list
        elements: str
      idmap:
        description: Ids of its clients and what they are in the file system, as V("500:1000") or V("600-610:2000").
        type: dict
        suboptions:
          uid: {description: User ids., type: list, elements: str}
          gid: {description: Group ids., type: list, elements: str}
          projid: {description: Project ids., type: list, elements: str}
      offset:
        description: Instead of single maps, all ids below a limit are moved up by a number (Lustre 2.17).
        type: dict
        suboptions:
          offset: {description: What is added to an id of a client., type: int, required: true}
          limit:
            description: How many ids, squash ids included. V(0) takes the offset away.
            type: int
            required: true
      admin:
        description: Whether root of its clients is root in the file system.
        type: bool
      trusted:
        description: Whether ids are taken as they come.
        type: bool
      deny_unknown:
        description: Whether users without a map get nothing, rather than what the squash id may.
        type: bool
      audit_mode:
        description: Whether what they do is recorded in changelogs.
        type: bool
      forbid_encryption:
        description: Whether clients may not encrypt.
        type: bool
      readonly_mount:
        description: Whether clients can mount only for reading (Lustre 2.16).
        type: bool
      deny_mount:
        description: Whether clients cannot mount at all (Lustre 2.17). What is mounted stays.
        type: bool
      gssonly_identification:
        description: Whether clients are told by their GSS identity, not by NID (Lustre 2.18). Such a nodemap has no ranges.
        type: bool
      squash_uid:
        description: User that unknown users become. Not 0.
        type: int
      squash_gid:
        description: Group that unknown groups become. Not 0.
        type: int
      squash_projid:
        description: Project that unknown projects become. Not 0.
        type: int
      map_mode:
        description: Kinds of ids that are mapped, V([all]) or some of V(uid), V(gid), V(projid). Others pass as they are.
        type: list
        elements: str
      rbac:
        description:
          - Administrative roles that its clients may take, V([all]), V([none]) or names (Lustre 2.16).
          - V([all]) means all that the release knows. A list stays that list when a newer release brings more.
        type: list
        elements: str
      child_raise_privileges:
        description:
          - What dynamic children may have more freely than this one (Lustre 2.17) - V(child_raise_privs), V(admin), V(trusted),
            V(deny_unknown), V(readonly_mount), V(forbid_encryption), V(caps), V(deny_mount), and roles of O(nodemaps[].rbac), each by its name.
        type: list
        elements: str
      filesets:
        description:
          - Directories that its clients are confined to. The one that is not alternate is what they see as their root. They must exist,
            or clients cannot mount.
          - Exactly one is primary. Alternates and read-only ones need Lustre 2.17.
        type: list
        elements: dict
        suboptions:
          path: {description: Directory from the root of the file system on., type: str, required: true}
          alternate: {description: Whether it is only mounted by those who ask for it., type: bool, default: false}
          read_only: {description: Whether it is mounted for reading only., type: bool, default: false}
      sepol:
        description: SELinux policy that clients must have, as C(l_getsepol) prints it on one. Empty for none.
        type: str
      capabilities:
        description: Capabilities of its clients' root (Lustre 2.17).
        type: dict
        suboptions:
          type:
            description: V(mask) limits them to the list, V(set) gives the list, V(off) leaves them to the server.
            type: str
            choices: [mask, set, 'off']
            required: true
          caps: {description: 'Names such as V(cap_chown).', type: list, elements: str, default: []}
      banlist:
        description:
          - NIDs within O(nodemaps[].ranges) that are refused (Lustre 2.17).
          - A NID can be banned only once it is in a range. So a nodemap that gets a range with banned NIDs in it denies mounts until
            they are banned, and O(nodemaps[].deny_mount) counts as V(false) unless it is said.
        type: list
        elements: str
      parent:
        description: Nodemap that a dynamic one inherits from.
        type: str
      dynamic:
        description: Whether it lives in the memory of this server alone, until its next restart (Lustre 2.17).
        type: bool
        default: false
      purge:
        description: Lists (of those given) whose undeclared entries are removed.
        type: list
        elements: str
        choices: [ranges, idmap, filesets, banlist]
        default: []
  active:
    description:
      - Whether nodemaps are in force. Not said, it stays as it is.
      - V(false) trusts every client, and needs V(active) in O(consent).
    type: bool
  purge:
    description: Whether nodemaps that are not described are removed, but for dynamic ones. O(consent) must name each.
    type: bool
    default: false
  protect:
    description:
      - NIDs of all servers, and of the nodes that administer, back up or export the file systems.
      - Each must be in a nodemap with admin and trusted, that neither bans them nor denies mounts, before nodemaps are activated and
        as long as they are active. Else nothing is done.
    type: list
    elements: str
    default: []
  consent:
    description:
      - Names of nodemaps that may be removed, or whose ranges may be taken away while nodemaps are active. Such clients fall into the
        nodemap V(default), which may allow more, or nothing.
      - V(active) allows to deactivate.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - lustre.core.attributes
notes:
  - A NID that moves from one nodemap to another is in V(default) for a moment. With active nodemaps this is refused when V(default)
    allows more than both, unless O(consent) names the nodemap that it leaves.
  - Before Lustre 2.17 file set and SELinux policy are stored with C(set_param -P) as well.
seealso:
  - module: lustre.core.nodemap_info
  - module: lustre.core.param
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Servers, administrators, two tenants; everybody else gets nothing
  lustre.core.nodemap:
    nodemaps:
      - {name: servers, ranges: ['10.0.0.[1-20]@tcp'], admin: true, trusted: true}
      - {name: admins, ranges: ['10.0.1.[1-4]@tcp'], admin: true, trusted: true, audit_mode: false}
      - name: tenant_a
        ranges: [10.1.0.0/24@tcp]
        filesets: [{path: /tenants/a}]
        idmap: {uid: ['500:1000', '600-610:2000'], gid: ['500:1000']}
        deny_unknown: true
        rbac: [none]
        purge: [ranges, idmap, filesets]
      - name: tenant_b
        ranges: [10.2.0.0/24@tcp]
        filesets: [{path: /tenants/b}, {path: /shared, alternate: true, read_only: true}]
        offset: {offset: 200000, limit: 65536}
      - {name: default, deny_unknown: true, deny_mount: true}
    protect: ['10.0.0.1@tcp', '10.0.0.2@tcp', '10.0.1.1@tcp']
    active: true
  register: applied

- name: Nodes of a job read only, as long as it runs (on every server, since a dynamic nodemap is in the memory of one alone)
  lustre.core.nodemap:
    nodemaps:
      - {name: job7, dynamic: true, parent: tenant_a, ranges: ['10.1.0.[4-5]@tcp'], readonly_mount: true}

- name: A tenant goes; its data stay
  lustre.core.nodemap:
    nodemaps:
      - {name: tenant_a, state: absent}
    protect: ['10.0.0.1@tcp', '10.0.0.2@tcp', '10.0.1.1@tcp']
    consent: [tenant_a]
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: Always V(nodemap)., type: str}
    action: {description: 'What is done, such as V(create), V(set), V(map), V(unmap), V(confine), V(add), V(ban), V(activate).', type: str}
    object: {description: What of which nodemap., type: str}
    reason: {description: What was found and what is wanted., type: str}
    command:
      description: The command. Steps without one share the process of the last one before them that has one.
      type: str
    destructive: {description: Always false., type: bool}
    disruptive: {description: Whether users of mounted clients notice., type: bool}
    seconds: {description: How long it took; only of steps that were carried out., type: float}
  sample:
    - kind: nodemap
      action: create
      object: nodemap tenant_a
      reason: not there
      command: lctl
      destructive: false
      disruptive: false
    - kind: nodemap
      action: add
      object: ranges to nodemap tenant_a
      reason: 'not in it: 10.1.0.*@tcp'
      destructive: false
      disruptive: false
drift:
  description: Always empty; what differs is repaired or refused.
  returned: success
  type: list
  elements: dict
  sample: []
state:
  description: The nodemaps at the end.
  returned: success
  type: dict
  contains:
    active: {description: Whether nodemaps are in force., type: bool}
    nodemaps: {description: 'The declared ones, in the names of the options.', type: dict}
    others: {description: Names of those that are not declared., type: list, elements: str}
    digest:
      description: A digest of all nodemaps. M(lustre.core.nodemap_info) waits for it on the other servers.
      type: str
  sample:
    active: true
    nodemaps:
      tenant_a:
        admin: false
        trusted: false
        deny_unknown: true
        ranges: [10.1.0.0-10.1.0.255@tcp]
        idmap: {uid: ['500:1000', '600-610:2000'], gid: ['500:1000'], projid: []}
        filesets: [{path: /tenants/a, alternate: false, read_only: false}]
    others: [default]
    digest: 9f2c4b0e6a5b2f8f0e2a9c3d4e5f60718293a4b5c6d7e8f9aabbccddeeff0011
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [create nodemap tenant_a]
busy:
  description: Who is at work on this node at the moment, and on what. What was planned may then be out of date.
  returned: check mode, while another run of this collection is at work on the node
  type: str
  sample: 'The module lustre.core.node (process 4711) began on 2025-11-23 at 10:31:02, and for 62 s it has been at: format fs1-OST0003.'
held_by:
  description: Who kept this node for longer than this run waited. Nothing was changed.
  returned: failure, when another run of this collection is at work on the node
  type: dict
  contains:
    pid: {description: Process that took the node. It may be gone., type: int}
    module: {description: Its module., type: str}
    since: {description: 'When it began, in seconds since 1970.', type: float}
    step: {description: What it is doing., type: str}
    step_since: {description: 'Since when, in seconds since 1970.', type: float}
    processes: {description: 'Processes that keep the node now, each with C(pid) and C(program).', type: list, elements: dict}
processes_left:
  description: Programs that gave no answer in time and cannot be killed, so that they are still on the node.
  returned: failure, when a program did not answer in time
  type: list
  elements: str
  sample: [mount.lustre (process 4711)]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lustre.core.plugins.module_utils._module import run_resource
from ansible_collections.lustre.core.plugins.module_utils._resources.nodemap import NodemapResource

_TEXTS: dict[str, Any] = {"type": "list", "elements": "str"}
_FLAGS = (
    "admin", "trusted", "deny_unknown", "audit_mode", "forbid_encryption", "readonly_mount", "deny_mount",
    "gssonly_identification",
)  # fmt: skip
FILESET_OPTIONS: dict[str, dict[str, Any]] = {
    "path": {"type": "str", "required": True},
    "alternate": {"type": "bool", "default": False},
    "read_only": {"type": "bool", "default": False},
}
CAPS_OPTIONS: dict[str, dict[str, Any]] = {
    "type": {"type": "str", "required": True, "choices": ["mask", "set", "off"]},
    "caps": {**_TEXTS, "default": []},
}
NODEMAP_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "ranges": _TEXTS,
    "idmap": {"type": "dict", "options": {"uid": _TEXTS, "gid": _TEXTS, "projid": _TEXTS}},
    "offset": {
        "type": "dict",
        "options": {"offset": {"type": "int", "required": True}, "limit": {"type": "int", "required": True}},
    },
    **{flag: {"type": "bool"} for flag in _FLAGS},
    **{key: {"type": "int"} for key in ("squash_uid", "squash_gid", "squash_projid")},
    **dict.fromkeys(("map_mode", "rbac", "child_raise_privileges"), _TEXTS),
    "filesets": {"type": "list", "elements": "dict", "options": FILESET_OPTIONS},
    "sepol": {"type": "str"},
    "capabilities": {"type": "dict", "options": CAPS_OPTIONS},
    "banlist": _TEXTS,
    "parent": {"type": "str"},
    "dynamic": {"type": "bool", "default": False},
    "purge": {**_TEXTS, "default": [], "choices": ["ranges", "idmap", "filesets", "banlist"]},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "nodemaps": {"type": "list", "elements": "dict", "default": [], "options": NODEMAP_OPTIONS},
            "active": {"type": "bool"},
            "purge": {"type": "bool", "default": False},
            "protect": {**_TEXTS, "default": []},
            "consent": {**_TEXTS, "default": []},
        },
        supports_check_mode=True,
    )
    run_resource(module, NodemapResource.from_options)


if __name__ == "__main__":
    main()
