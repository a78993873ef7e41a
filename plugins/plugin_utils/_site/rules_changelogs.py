# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules about changelog users: each is described once, on MDTs of this inventory, and has something to read."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli.changelog import ALWAYS
from ansible_collections.lustre.core.plugins.plugin_utils._site.context import Checker, Context, Rule

RULES = (
    Rule("changelog-mdts", "Changelog users are registered on MDTs of this inventory."),
    Rule("changelog-twice", "A changelog user is described once."),
    Rule("changelog-mask", "A changelog user has something to read."),
)


def users(context: Context) -> None:
    for filesystem in context.site.filesystems:
        path = f"{filesystem.path}.changelog_users"
        if filesystem.changelog_users and not filesystem.mdts and not context.broken(f"{filesystem.path}.mdts"):
            what = f"{filesystem.name} has no MDT in this description, and changelog users are registered on MDTs"
            context.add(path, what, "Remove them, and register them at the site that has the MDTs.", "changelog-mdts")
        seen: dict[str, str] = {}
        for user in filesystem.changelog_users:
            other = seen.setdefault(user.name, user.where)
            if other != user.where:
                what = f'"{user.name}" is that of {other}, too'
                context.add(f"{user.where}.name", what, "Keep one of them.", "changelog-twice")
            if set(user.mask) == {ALWAYS}:
                what = f"{ALWAYS} alone is nothing that happens to a file"
                fix = "Name types of records, or leave mask out."
                context.add(f"{user.where}.mask", what, fix, "changelog-mask")


CHECKS: tuple[Checker, ...] = (users,)
