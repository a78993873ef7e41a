# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What modules of this collection have in common, written once.

Each fragment is one literal, although two end in the same lines: ansible-test reads them without running this file.
"""

from __future__ import annotations


class ModuleDocFragment:
    """Attributes and requirements.

    ``lustre.core.attributes`` for modules that change things, ``.info`` for those that only read, ``.probe`` for those that
    try things out and say themselves what they do in check mode, ``.action`` for actions on the controller.
    """

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return what would be done, without changing anything.
    support: full
    details: The steps returned in C(plan) are the very steps that a real run takes.
  diff_mode:
    description: Returns the state before and after in C(diff) when Ansible runs with C(--diff).
    support: full
    details:
      - In check mode the state after cannot be known; C(diff) then shows the state of now followed by the planned steps.
  platform:
    description: Platforms the module runs on.
    support: full
    platforms: posix
requirements:
  - Python 3.9 or newer on the managed host
  - root privileges (C(become))
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode); the module only reads.
    support: full
  diff_mode:
    description: Returns the state before and after in C(diff).
    support: N/A
    details: The module changes nothing.
  platform:
    description: Platforms the module runs on.
    support: full
    platforms: posix
requirements:
  - Python 3.9 or newer on the managed host
  - root privileges (C(become))
"""

    PROBE = r"""
options: {}
attributes:
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  platform:
    description: Platforms the module runs on.
    support: full
    platforms: posix
requirements:
  - Python 3.9 or newer on the managed host
  - root privileges (C(become))
"""

    ACTION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode; it never changes anything.
    support: full
  diff_mode:
    description: Has nothing to show in diff mode.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""
