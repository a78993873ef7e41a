#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.param: tunables of a node, and those stored on the MGS for all nodes."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: param
short_description: Set, store and delete Lustre parameters (tunables)
version_added: 0.1.0
description:
  - Takes a list of parameters and brings each to its value, in one of three scopes - on this node now (V(local)), stored on the
    MGS for all nodes (V(persistent), C(lctl set_param -P)), or in the file that a client's mount reads (V(mount), the file of
    C(lctl set_param -C), Lustre 2.17 and newer).
  - Values are compared by what they mean, not by how they read. V(64M) written to C(max_dirty_mb) reads C(64), choices read
    with the current one in brackets, flag lists read whole after C(+word) or C(-word), some values read as a block of lines.
  - With a wildcard every instance on the node must have the value. Instances that do not have the parameter are fine.
  - An MGS stores any name and any value for ever without a check. So the name of a persistent parameter must be known, to this
    node or to this collection, and where this node has the parameter the value is set here first. What the kernel refuses is
    never stored.
  - A stored value that is right while the live one on this node drifted is repaired by setting the live one. Storing it again
    would do nothing.
  - Nothing is deleted because it is not listed, unless its name begins with one of O(purge).
  - A converged call starts one process.
options:
  params:
    description: The parameters. Where two of them speak of the same tunable on this node, the later one counts, local ones last.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description:
          - Name as C(lctl get_param) prints it, wildcards allowed, such as C(osc.fs1-*.max_dirty_mb). Slashes are read as dots.
          - A stored name never holds the number of one mount (C(ffff8...)). Write V(*) there.
          - Stored names are compared literally. Write the name of the file system into them when the MGS serves several.
        type: str
        required: true
      value:
        description: The value, as Lustre takes it. Needed unless O(params[].state=absent).
        type: raw
      scope:
        description:
          - V(local) sets it on this node now. It is gone after the next mount or restart.
          - V(persistent) stores it on the MGS, which brings it to all nodes within seconds and to each mount. Must run on the
            node where the MGT is mounted.
          - V(mount) writes it to C(/etc/lustre/mount.client.params), or to C(/etc/lustre/mount.FSNAME.params) with
            O(params[].fsname). It counts from the next client mount on, and after what the MGS stored. Needs Lustre 2.17.
        type: str
        choices: [local, persistent, mount]
        default: persistent
      state:
        description:
          - V(present) sets or stores the value.
          - V(absent) deletes what is stored (not for O(params[].scope=local)). Live values stay as they are.
        type: str
        choices: [present, absent]
        default: present
      allow_unknown:
        description: Accept a name that neither this node nor this collection knows, such as one of a newer release.
        type: bool
        default: false
      fsname:
        description:
          - File system the parameter is about.
          - For O(params[].scope=mount) it chooses the file. For O(params[].scope=persistent) old C(conf_param) settings of that
            file system that contradict the wanted value are reported as drift.
        type: str
  purge:
    description: Prefixes of stored parameters, such as C(osc.fs1-). Stored ones that begin so and are not in O(params) are deleted.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - lustre.core.attributes
seealso:
  - module: lustre.core.node_info
  - module: lustre.core.site_info
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Tune all clients of fs1 (on the node where the MGT is mounted)
  lustre.core.param:
    params:
      - {name: osc.fs1-*.max_dirty_mb, value: 512M}
      - {name: osc.fs1-*.max_rpcs_in_flight, value: 32}
      - {name: osc.fs1-*.checksum_type, value: crc32c}
      - {name: jobid_var, value: SLURM_JOB_ID}

- name: Nothing else may be stored for the clients' object connections of fs1
  lustre.core.param:
    params:
      - {name: osc.fs1-*.max_dirty_mb, value: 512M}
    purge: [osc.fs1-]

- name: Trace more on this node until it restarts
  lustre.core.param:
    params:
      - {name: debug, value: +rpctrace +dlmtrace, scope: local}
      - {name: debug_mb, value: 1G, scope: local}

- name: A login node keeps few locks, from its next mount on
  lustre.core.param:
    params:
      - {name: ldlm.namespaces.fs1-*.lru_size, value: 2000, scope: mount, fsname: fs1}

- name: Take back a stored parameter
  lustre.core.param:
    params:
      - {name: llite.fs1-*.statahead_max, state: absent}
"""

RETURN = r"""
plan:
  description: The steps taken, or in check mode those that would be taken, in order.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: Always V(param)., type: str}
    action: {description: 'V(set) (live, on this node), V(store) or V(delete).', type: str}
    object: {description: 'Name of the parameter, with the file for scope V(mount).', type: str}
    reason: {description: What was found and what is wanted., type: str}
    command:
      description: The command. Steps that share a process are sent to the C(lctl) of the first of them on its standard input.
      type: str
    file: {description: 'The file that is written, for scope V(mount).', type: str}
    destructive: {description: Always false., type: bool}
    disruptive: {description: Always false., type: bool}
    seconds: {description: How long it took; only of steps that were carried out., type: float}
  sample:
    - kind: param
      action: set
      object: osc.fs1-*.max_dirty_mb
      reason: is 490 on 4 of 4 instances, wanted 512M
      command: lctl set_param 'osc.fs1-*.max_dirty_mb=512M'
      destructive: false
      disruptive: false
    - kind: param
      action: store
      object: osc.fs1-*.max_dirty_mb
      reason: not stored, wanted 512M (reaches the nodes some seconds later)
      command: lctl set_param -P 'osc.fs1-*.max_dirty_mb=512M'
      destructive: false
      disruptive: false
drift:
  description:
    - Differences that this run does not repair, each with what to do.
    - An old C(conf_param) setting that contradicts a persistent one, or a local pattern that matches nothing on this node now.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: Always V(param)., type: str}
    object: {description: Name of the parameter., type: str}
    found: {description: What is., type: str}
    wanted: {description: What is described., type: str}
    remedy: {description: What to do., type: str}
  sample:
    - kind: param
      object: llite.fs1-*.max_read_ahead_mb
      found: conf_param fs1.llite.max_read_ahead_mb=32
      wanted: '64'
      remedy: 'Delete the old setting on the MGS: lctl conf_param -d fs1.llite.max_read_ahead_mb'
state:
  description: What the parameters are at the end.
  returned: success
  type: dict
  contains:
    parameters:
      description: One entry for each of O(params), in the order given.
      type: list
      elements: dict
      contains:
        name: {description: 'Name as given, with dots.', type: str}
        scope: {description: Scope as given., type: str}
        live: {description: Live values on this node by full name (not for scope V(mount))., type: dict}
        stored: {description: 'Stored value, or null (not for scope V(local)).', type: str}
        file: {description: The file that the mount reads (scope V(mount))., type: str}
    undeclared: {description: Stored parameters under a prefix of O(purge) that are not declared., type: dict}
    notes: {description: What is legal and rarely meant; also given as warnings., type: list, elements: str}
  sample:
    parameters:
      - name: osc.fs1-*.max_dirty_mb
        scope: persistent
        live: {osc.fs1-OST0000-osc-MDT0000.max_dirty_mb: '512'}
        stored: 512M
    undeclared: {}
    notes: []
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [set osc.fs1-*.max_dirty_mb]
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
from ansible_collections.lustre.core.plugins.module_utils._plan import Outcome
from ansible_collections.lustre.core.plugins.module_utils._resources.param import ParamResource

PARAM_OPTIONS: dict[str, dict[str, Any]] = {
    "name": {"type": "str", "required": True},
    "value": {"type": "raw"},
    "scope": {"type": "str", "default": "persistent", "choices": ["local", "persistent", "mount"]},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "allow_unknown": {"type": "bool", "default": False},
    "fsname": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "params": {"type": "list", "elements": "dict", "default": [], "options": PARAM_OPTIONS},
            "purge": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )

    def warned(outcome: Outcome) -> dict[str, Any]:
        for note in outcome.after["notes"]:
            module.warn(note)
        return {}

    run_resource(module, lambda params: ParamResource.from_options(params["params"], params["purge"]), extra=warned)


if __name__ == "__main__":
    main()
