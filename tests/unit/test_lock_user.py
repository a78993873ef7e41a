# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One writer per node, and who is not root: told to become it, and shown nothing of who is at work."""

from __future__ import annotations

import os

from ansible_collections.lustre.core.plugins.module_utils import _lock
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused
from tests.unit.test_lock import NOBODY


def as_nobody(act) -> str:
    """What ``act`` returns in a process of an ordinary user."""
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        os.write(here, act().encode())
        os._exit(0)
    os.close(here)
    with open(there) as stream:
        text = stream.read()
    assert os.waitpid(child, 0)[1] == 0
    return text


def test_an_ordinary_user_is_told_to_become_root():
    def act() -> str:
        try:
            _lock.take("lustre.core.node", folder="/run")
        except Refused as refusal:
            return str(refusal)
        return "it got the lock"

    told = as_nobody(act)
    assert told.startswith("Refused to change this node: the module does not run as root (user id 65534)")
    assert told.endswith("Run with `become: true`.")


def test_the_look_of_an_ordinary_user_is_told_nothing():
    assert as_nobody(lambda: "[" + _lock.somebody("/run") + "]") == "[]"
