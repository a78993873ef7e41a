#!/usr/bin/python
# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documentation of the action lustre.core.report, which runs on the controller."""

from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Prints a text or data to the terminal, as it is
version_added: 0.1.0
author:
  - lustre.core contributors (@lustre-core)
description:
  - Prints a table or another text without the quoting that the result of a task gets, or data as JSON.
  - Runs on the controller and makes no connection.
options:
  text:
    description: The text. Exactly one of O(text) and O(data) is needed.
    type: str
  data:
    description: Data to be printed as JSON.
    type: raw
extends_documentation_fragment:
  - lustre.core.attributes.action
"""

EXAMPLES = r"""
- name: What runs where
  lustre.core.report:
    text: "{{ lustre_filesystems | lustre.core.status_table(results, groups) }}"
  run_once: true
"""

RETURN = r"""#"""
