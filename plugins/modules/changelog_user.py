#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Module lustre.core.changelog_user: who reads the changelogs of MDTs, and what is recorded for them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: changelog_user
short_description: Register readers of the changelogs of Lustre MDTs
version_added: 0.1.0
description:
  - Registers changelog users on MDTs that run on this node, by name, each with a mask of what is recorded for it. Audits, policy engines
    and indexers read changelogs.
  - From then on an MDT keeps each record until all its users have cleared it (C(lfs changelog_clear)). Records that nobody reads fill the
    MDT. Lustre drops a user that has not read for long, 30 days by default (C(mdd.*.changelog_gc), C(mdd.*.changelog_max_idle_time)); the
    next run registers it again.
  - To deregister a user loses what it has not read. That needs O(users[].discard_unread=true).
  - Lustre cannot change the mask of a user. Another mask is returned in RV(drift), or, with O(users[].discard_unread=true), the user is
    deregistered and registered anew, under another number.
  - Users that are not described stay.
  - Needs Lustre 2.15 or newer.
options:
  users:
    description: The users, one entry for each user and MDT.
    type: list
    elements: dict
    default: []
    suboptions:
      mdt:
        description: The MDT as Lustre writes it, such as V(fs1-MDT0000).
        type: str
        required: true
      name:
        description: A letter and at most 14 more letters, digits, C(-) and C(_). Lustre cuts longer names off without a word.
        type: str
        required: true
      mask:
        description:
          - Types of records, in any case. V(DEFAULT) stands for everything but V(OPEN), V(NOPEN) (refused opens), V(GXATR) and V(ATIME);
            V(ALL) for everything.
          - It is compared as a set. C(MARK) is always part of it.
        type: list
        elements: str
        default: [DEFAULT]
      state:
        description: Whether it is registered.
        type: str
        choices: [present, absent]
        default: present
      discard_unread:
        description: Consent to lose the records that this user has not read, where it must be deregistered.
        type: bool
        default: false
      required:
        description: Whether it is an error when this MDT does not run on this node. With V(false) the entry is passed over then, as on
          the standby of an MDT.
        type: bool
        default: true
extends_documentation_fragment:
  - lustre.core.attributes
seealso:
  - module: lustre.core.node
  - module: lustre.core.nodemap
    description: Its C(audit_mode) says whose accesses are recorded.
author:
  - lustre.core contributors (@lustre-core)
"""

EXAMPLES = r"""
- name: Whoever opens files, or is refused, is recorded for the auditor
  lustre.core.changelog_user:
    users:
      - {mdt: fs1-MDT0000, name: audit, mask: [DEFAULT, OPEN, NOPEN]}

- name: The policy engine has been switched off and has read all
  lustre.core.changelog_user:
    users:
      - {mdt: fs1-MDT0000, name: robinhood, state: absent, discard_unread: true}
"""

RETURN = r"""
plan:
  description: The steps. Those that were carried out say in C(seconds) how long they took. One that loses unread records is destructive.
  returned: success
  type: list
  elements: dict
  sample:
    - kind: changelog_user
      action: register
      object: audit on fs1-MDT0000
      reason: is not registered, wanted with DEFAULT,OPEN,NOPEN
      command: lctl --device fs1-MDT0000 changelog_register -u audit -m MARK,CREAT,UNLNK,RENME,OPEN,NOPEN
      disruptive: false
      destructive: false
drift:
  description: Users with another mask, which only a new registration changes.
  returned: success
  type: list
  elements: dict
  contains:
    kind: {description: Always V(changelog_user)., type: str}
    object: {description: User and MDT., type: str}
    found: {description: Its number and mask., type: str}
    wanted: {description: The mask that is described., type: str}
    remedy: {description: What to do., type: str}
  sample: []
state:
  description: The changelog users of the MDTs that the options name, those that are not described included.
  returned: success
  type: dict
  contains:
    changelogs:
      description: One entry for each MDT that runs on this node.
      type: list
      elements: dict
      contains:
        mdt: {description: The MDT., type: str}
        users:
          description: Its users, each with C(id), C(name) (empty for one without), C(mask) and C(unread), the number of records to its newest.
          type: list
          elements: dict
  sample:
    changelogs:
      - mdt: fs1-MDT0000
        users:
          - {id: cl1, name: audit, mask: [MARK, CREAT, UNLNK], unread: 4}
done:
  description: The steps that a failed run had carried out before it failed, each as action and object. The node is not untouched then.
  returned: failure, when steps had been carried out
  type: list
  elements: str
  sample: [register audit on fs1-MDT0000]
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
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user import ChangelogUserResource

USER: dict[str, Any] = {
    "mdt": {"type": "str", "required": True},
    "name": {"type": "str", "required": True},
    "mask": {"type": "list", "elements": "str", "default": ["DEFAULT"]},
    "state": {"type": "str", "default": "present", "choices": ["present", "absent"]},
    "discard_unread": {"type": "bool", "default": False},
    "required": {"type": "bool", "default": True},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"users": {"type": "list", "elements": "dict", "default": [], "options": USER}},
        supports_check_mode=True,
    )
    run_resource(module, lambda params: ChangelogUserResource.from_options(params["users"]))


if __name__ == "__main__":
    main()
