"""An audit that has ended, or is about to, is a problem of the node."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, ToolError, UnknownOutput
from ansible_collections.lustre.core.plugins.module_utils._readers.verify import Verifier, VerifyWant

MDT = "fs1-MDT0000"
AUDIT = {"mdt": MDT, "name": "audit", "mask": ["CREAT", "OPEN"]}
ASKED = f"ignore_errors\nget_param mdd.{MDT}.changelog_users mdd.{MDT}.changelog_gc mdd.{MDT}.changelog_max_idle_time\n"
DEVICES = "version=2.17.0\n  0 UP mgc MGC10.0.2.15@tcp 7d0e8b3c 4\n"
HEAD = "ID                            index (idle) mask\n"
MONTH, DAY = 2592000, 86400


def said(*users, index=0, gc=1, most=MONTH):
    return (
        f"mdd.{MDT}.changelog_users=\ncurrent_index: {index}\n{HEAD}"
        + "".join(f"{user}\n" for user in users)
        + f"mdd.{MDT}.changelog_gc={gc}\nmdd.{MDT}.changelog_max_idle_time={most}\n"
    )


def looked(fake, out, *users):
    want = VerifyWant.from_want({"changelogs": list(users) or [AUDIT]})
    result = Verifier(fake([(("lctl",), DEVICES), (("lctl",), out, ASKED)]), want, ("changelogs",)).verify()
    assert [check["name"] for check in result["checks"]] == ["changelog user"] * len(result["checks"])
    return result["checks"], result["problems"]


def test_a_reader_that_reads(fake):
    checks, problems = looked(fake, said(f"cl1-audit 5 ({20 * DAY}) mask=MARK,CREAT,OPEN", index=5))
    assert not problems
    assert checks[0]["object"] == "audit on fs1-MDT0000" and checks[0]["found"] == "cl1-audit, CREAT,OPEN"
    # behind, but not for long
    assert not looked(fake, said(f"cl1-audit 5 ({14 * DAY}) mask=MARK,CREAT,OPEN", index=90))[1]


@pytest.mark.parametrize(
    ("out", "says"),
    [
        (said("cl1-other 0 (9) mask=MARK,CREAT"), "is not registered, so nothing is recorded for it. The site playbook registers it."),
        (said("cl1 0 (9)"), "(`dmesg | grep 'force deregister'`)"),
        (said("cl2-audit 0 (9) mask=MARK,CREAT"), "For the changelog user audit on fs1-MDT0000 (cl2-audit) CREAT is recorded, not CREAT,OPEN."),
        (
            said(f"cl2-audit 2 ({16 * DAY}) mask=MARK,CREAT,OPEN", index=9),
            "has 7 unread records and has cleared none for 16 days. After 30 days Lustre drops it, with all it has not read: start its reader.",
        ),
        (
            said(f"cl2-audit 2 ({16 * DAY}) mask=MARK,CREAT,OPEN", index=9, gc=0),
            "They stay on the MDT (changelog_gc is off on fs1-MDT0000) until it is full: start its reader.",
        ),
    ],
)  # fmt: skip
def test_an_audit_that_has_ended_or_is_about_to(fake, out, says):
    checks, (problem,) = looked(fake, out)
    assert says in problem and not checks[0]["ok"]


def test_an_mdt_that_runs_elsewhere_is_looked_at_there(fake):
    keys = ("changelog_users", "changelog_gc", "changelog_max_idle_time")
    gone = [f"error: get_param: param_path 'mdd/{MDT}/{key}': No such file or directory\n" for key in keys]
    assert looked(fake, (2, "", "".join(gone))) == ([], [])


def test_a_user_that_is_to_go_is_the_plans_affair(fake):
    want = VerifyWant.from_want({"changelogs": [{**AUDIT, "state": "absent"}]})
    assert Verifier(fake([(("lctl",), DEVICES)]), want, ("changelogs",)).verify()["checks"] == []


def test_what_cannot_be_read_is_not_taken_for_well(fake):
    unreadable = f"error: read_param: '/sys/kernel/debug/lustre/mdd/{MDT}/changelog_users': No such device or address\n"
    with pytest.raises(UnknownOutput):
        looked(fake, (0, "", unreadable))
    with pytest.raises(ToolError, match="read the changelog users"):
        looked(fake, (1, "", "lctl: something new\n"))
    with pytest.raises(BadValue, match=r"want\.changelogs\[0\]\.name"):
        VerifyWant.from_want({"changelogs": [{"mdt": MDT, "name": "a b"}]})
