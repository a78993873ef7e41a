# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The shape of the changelog users of a file system."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli.changelog import NAME, TYPES
from ansible_collections.lustre.core.plugins.plugin_utils._site.shape import Key, ListOf, Shape, Text

CHANGELOG_USER = Shape(
    "a changelog user",
    {
        "name": Key(
            Text(
                pattern=NAME.pattern.removesuffix(r"\Z"),
                hint="a letter and at most 14 more letters, digits, - and _ (Lustre cuts longer names off)",
            ),
            "Name; Lustre puts a number before it, such as `cl1-audit`, different on each MDT.",
            example="audit",
        ),
        "mask": Key(
            ListOf(Text(choices=("DEFAULT", "ALL", *TYPES)), least=1, single=True),
            "What is recorded for it. `DEFAULT` is all that changes something; `OPEN`, `NOPEN` (refused opens), `GXATR` and `ATIME` are "
            "what it leaves out.",
            ["DEFAULT"],
            "[DEFAULT, OPEN, NOPEN]",
        ),
        "state": Key(
            Text(choices=("present", "absent")),
            "`absent` deregisters it where it is registered, with `lustre_consent_changelog_users`: what it has not read is lost.",
            "present",
        ),
    },
    doc="It is registered on every MDT of the file system. From then on an MDT keeps each record until all its users have cleared it, so "
    "register only what is read; see [Security](security.md).",
)
