"""Cases of the fuzz for what reads changelog users; ``fuzz_cases.py`` takes them in."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.module_utils._cli import changelog
from ansible_collections.lustre.core.plugins.module_utils._readers import verify_changelogs
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user_want import UserWant
from tests.unit.fuzzing import Case, answering

USERS = (
    "current_index: 4\nID                            index (idle) mask\ncl4-masked                        0 (4) mask=MARK,CREAT\n"
    "cl6                               0 (3)\n"
)
WANTS = (UserWant("fs1-MDT0000", "masked"), UserWant("fs1-MDT0000", "other"))
SAID = f"mdd.fs1-MDT0000.changelog_users=\n{USERS}mdd.fs1-MDT0000.changelog_gc=1\nmdd.fs1-MDT0000.changelog_max_idle_time=2592000\n"

NAMES = ["mdd.fs1-MDT0000.changelog_users", "mdd.fs1-MDT0000.changelog_gc", "mdd.fs1-MDT0000.changelog_max_idle_time"]

CASES: dict[str, Case] = {
    "changelog.parse_users": Case(changelog.parse_users, (USERS,)),
    "changelog.read": Case(answering(lambda run: changelog.read(run, NAMES), 2), (SAID,)),
}
ELSEWHERE: dict[str, Case] = {
    "verify_changelogs.look": Case(answering(lambda run: list(verify_changelogs.look(run, WANTS)), 2), (SAID,)),
}
