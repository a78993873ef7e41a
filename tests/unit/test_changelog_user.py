"""Changelog users: registered once by name, their records never lost without consent."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import changelog
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotThereYet,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._node import converge_node, parts_of
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user import ChangelogUserResource
from ansible_collections.lustre.core.plugins.module_utils._resources.changelog_user_want import checked_mask
from tests.unit.fake_runner import load_cases
from tests.unit.models.changelog_model import ChangelogModel, Mdt

READ = ("lctl",)
MDT0, MDT1 = "fs1-MDT0000", "fs1-MDT0001"
STDIN = f"ignore_errors\nget_param mdd.{MDT0}.changelog_users\n"
AUDIT = {"mdt": MDT0, "name": "audit", "mask": ["DEFAULT", "OPEN", "NOPEN"]}
MASK = "MARK,CREAT,MKDIR,HLINK,SLINK,MKNOD,UNLNK,RMDIR,RENME,RNMTO,OPEN,CLOSE,LYOUT,TRUNC,SATTR,XATTR,HSM,MTIME,CTIME,MIGRT,FLRW,RESYNC,NOPEN"
HEAD = "ID                            index (idle) mask\n"


def shown(*users, index=0, mdt=MDT0):
    return f"mdd.{mdt}.changelog_users=\ncurrent_index: {index}\n{HEAD}" + "".join(f"{user}\n" for user in users)


def register(mask=MASK, mdt=MDT0, name="audit"):
    return ("lctl", "--device", mdt, "changelog_register", "-u", name, "-m", mask)


def deregister(mdt=MDT0, name="audit"):
    return ("lctl", "--device", mdt, "changelog_deregister", "-u", name)


def resource(*users, coming=False):
    return ChangelogUserResource.from_options(list(users), coming=coming)


@pytest.mark.parametrize("case", load_cases("changelog_user_bad"), ids=lambda case: f"{case['path']}: {case['says']}")
def test_unusable_entries_are_named(case):
    with pytest.raises(BadValue) as caught:
        resource(case["user"])
    assert caught.value.path == case["path"]
    assert case["says"] in str(caught.value)


def test_the_same_user_twice_is_refused():
    with pytest.raises(BadValue, match=r"users\[1\]: audit on fs1-MDT0000 is that of users\[0\], too"):
        resource(AUDIT, {**AUDIT, "mask": ["OPEN"]})
    assert len(resource(AUDIT, {**AUDIT, "mdt": MDT1}).wants) == 2


def test_masks_are_sets_in_lustres_order():
    assert checked_mask(None, "m") == changelog.DEFAULT
    assert checked_mask("open", "m") == ("OPEN",)
    assert checked_mask(["NOPEN", "default", "OPEN", "CREAT"], "m") == tuple(MASK.split(","))
    assert checked_mask(["ALL"], "m") == changelog.TYPES


def test_what_was_recorded_is_read(transcript):
    first, second = transcript("services/cl-users").out.split("mdd.lustre-MDT0001.changelog_users=\n")
    found = changelog.parse_users(first.partition("\n")[2])
    assert [user.label for user in found.users] == ["cl1", "cl2-scout", "cl4-masked", "cl6"]
    assert [found.unread(user) for user in found.users] == [0, 0, 0, 0]
    assert [user.idle for user in found.users] == [2, 1, 1, 0]
    # registered without a mask: what Lustre took for the default is what this collection takes for it
    assert found.named("scout").mask == changelog.DEFAULT
    assert found.named("masked").mask == ("MARK", "CREAT", "UNLNK") and found.users[0].mask == ()
    assert changelog.parse_users(second) == changelog.Changelog(0)
    every = changelog.parse_users(transcript("changelog/users-n").out)
    assert len(every.users) == 27 and {user.mask for user in every.users} >= {(), changelog.TYPES, changelog.DEFAULT}
    # a name of 16 letters, cut off, beside the one of 15 that it begins with: this is why 15 is the limit
    assert [user.label for user in every.users[:2]] == ["cl1-abcdefghij12345", "cl2-abcdefghij12345"]
    later = changelog.parse_users(
        transcript("services/cl-users-after").out.split("mdd.lustre-MDT0001")[0].partition("\n")[2]
    )
    assert (later.index, later.unread(later.named("masked"))) == (4, 4)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "current_index: 4\n",
        f"current index: 4\n{HEAD}",
        "current_index: 4\nID    index (idle seconds)\n",
        f"current_index: 4\n{HEAD}cl1-audit 0 mask=MARK\n",
        f"current_index: 4\n{HEAD}robinhood 0 (3)\n",
        f"current_index: 4\n{HEAD}cl1-audit 0 (3) mask=MARK OPEN\n",
    ],
)
def test_text_in_another_shape_stops(text):
    with pytest.raises(UnknownOutput, match="changelog users of an MDT"):
        changelog.parse_users(text)


def test_a_first_registration(fake):
    run = fake([(READ, shown(), STDIN), (register(), ""), (READ, shown(f"cl1-audit 0 (0) mask={MASK}"), STDIN)])
    outcome = converge(resource(AUDIT), run)
    assert [step.public()["action"] for step in outcome.plan.steps] == ["register"]
    assert not outcome.plan.steps[0].destructive and not outcome.plan.steps[0].disruptive
    assert "is not registered, wanted with DEFAULT,OPEN,NOPEN" in outcome.plan.steps[0].reason
    assert outcome.after["changelogs"][0]["users"][0]["name"] == "audit"


def test_check_mode_plans_the_same_and_registers_nothing(fake):
    outcome = converge(resource(AUDIT), fake([(READ, shown(), STDIN)]), check_mode=True)
    assert [step.argv for step in outcome.plan.steps] == [register()]


def test_a_converged_call_is_one_process_for_all_mdts(fake):
    both = f"ignore_errors\nget_param mdd.{MDT0}.changelog_users mdd.{MDT1}.changelog_users\n"
    user = f"cl3-audit                       17 (60) mask={MASK}"
    run = fake([(READ, shown(user, "cl1   0 (9)", index=20) + shown(user, mdt=MDT1, index=20), both)])
    outcome = converge(resource(AUDIT, {**AUDIT, "mdt": MDT1}), run)
    assert not outcome.changed and not outcome.plan.drift
    assert [one["unread"] for one in outcome.after["changelogs"][0]["users"]] == [3, 20]


def test_nothing_wanted_starts_nothing(fake):
    assert not converge(resource(), fake([])).changed


def test_another_mask_is_shown_and_left(fake):
    run = fake([(READ, shown("cl2-audit 3 (5) mask=MARK,CREAT", index=9))])
    outcome = converge(resource(AUDIT), run)
    assert not outcome.changed
    (drift,) = outcome.plan.drift
    assert (drift.object, drift.found) == ("audit on fs1-MDT0000", "registered as cl2-audit with the mask CREAT")
    assert drift.wanted == "DEFAULT,OPEN,NOPEN"
    assert (
        'lustre_consent_changelog_users: ["fs1:audit"] (discard_unread: true' in drift.remedy
        and "6 unread records" in drift.remedy
    )


def test_with_consent_another_mask_is_registered_anew(fake):
    run = fake(
        [
            (READ, shown("cl2-audit 3 (5) mask=MARK,CREAT", index=9)),
            (deregister(), f"{MDT0}: Deregistered changelog user #2\n"),
            (register(), f"{MDT0}: Registered changelog userid 'cl3-audit'\n"),
            (READ, shown(f"cl3-audit 9 (0) mask={MASK}", index=9)),
        ]
    )
    outcome = converge(resource({**AUDIT, "discard_unread": True}), run)
    assert [(step.action, step.destructive, step.disruptive) for step in outcome.plan.steps] == [
        ("deregister", True, True),
        ("register", False, False),
    ]
    assert "has the mask CREAT, wanted DEFAULT,OPEN,NOPEN; it is cl2-audit and has 6 unread records" in (
        outcome.plan.steps[0].reason
    )


def test_consent_alone_changes_nothing(fake):
    user = f"cl3-audit 9 (0) mask={MASK}"
    assert not converge(resource({**AUDIT, "discard_unread": True}), fake([(READ, shown(user, index=12))])).changed


def test_a_user_of_that_name_without_a_mask_differs(fake):
    (drift,) = converge(resource(AUDIT), fake([(READ, shown("cl2-audit 0 (5)"))])).plan.drift
    assert drift.found == "registered as cl2-audit with the mask that of the MDT"


def test_deregistering_needs_consent(fake):
    gone = {**AUDIT, "state": "absent"}
    with pytest.raises(Refused, match="cl2-audit, and has 1 unread record, which nobody could read any more") as caught:
        converge(resource(gone), fake([(READ, shown("cl2-audit 8 (5) mask=MARK,CREAT", index=9))]))
    assert 'lustre_consent_changelog_users: ["fs1:audit"]' in str(caught.value)
    assert not converge(resource(gone), fake([(READ, shown("cl2 8 (5)", index=9))])).changed
    run = fake(
        [
            (READ, shown("cl2-audit 9 (5) mask=MARK,CREAT", index=9)),
            (deregister(), ""),
            (READ, shown(index=9)),
        ]
    )
    outcome = converge(resource({**gone, "discard_unread": True}), run)
    (step,) = outcome.plan.steps
    assert (step.action, step.destructive, step.disruptive) == ("deregister", False, True)
    assert step.reason == "declared absent; it is cl2-audit and has no unread records"


MISSING = (2, "", f"error: get_param: param_path 'mdd/{MDT0}/changelog_users': No such file or directory\n")


def test_an_mdt_that_must_be_here_and_is_not(fake):
    with pytest.raises(Refused, match="register the changelog user audit on fs1-MDT0000: fs1-MDT0000 does not run"):
        converge(resource(AUDIT), fake([(READ, MISSING, STDIN)]))
    with pytest.raises(Refused, match="deregister the changelog user"):
        converge(resource({**AUDIT, "state": "absent"}), fake([(READ, MISSING, STDIN)]))


def test_a_standby_passes_over_it(fake):
    outcome = converge(resource({**AUDIT, "required": False}), fake([(READ, MISSING, STDIN)]))
    assert not outcome.changed and outcome.after["changelogs"] == []


def test_before_its_mdt_is_up_nobody_can_say(fake):
    """Its users are on it: to plan a registration would be a guess, to plan nothing a lie."""
    for want in (AUDIT, {**AUDIT, "state": "absent"}):
        with pytest.raises(NotThereYet, match="The changelog of fs1-MDT0000 cannot be looked at: it is not mounted"):
            converge(resource(want, coming=True), fake([(READ, MISSING, STDIN)]), check_mode=True)
    standby = resource({**AUDIT, "required": False}, coming=True)
    assert not converge(standby, fake([(READ, MISSING, STDIN)]), check_mode=True).changed


def test_a_silent_lctl_is_no_empty_list(fake):
    with pytest.raises(ToolError, match="read the changelog users"):
        converge(resource(AUDIT), fake([(READ, (1, "", "lctl: something new\n"))]))
    unreadable = (
        0,
        "",
        f"error: read_param: '/sys/kernel/debug/lustre/mdd/{MDT0}/changelog_users': No such device or address\n",
    )
    with pytest.raises(UnknownOutput, match="No such device or address"):
        converge(resource(AUDIT), fake([(READ, unreadable)]))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ("services/cl-register-user-again", "exit code 17 (File exists) and said: error: changelog_register: User exists. Somebody registered it"),
        ("services/cl-register-baddev", "exit code 1 and said: No device found for name lustre-MDT00ff: Invalid argument. The MDT is not mounted"),
        ("services/cl-register-nodev", "Changelog users have names and masks since Lustre 2.15"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_to_do(fake, transcript, answer, says):
    run = fake([(READ, shown()), (register(), transcript(answer))])
    with pytest.raises(ToolError) as caught:
        converge(resource(AUDIT), run)
    assert says in str(caught.value)


def test_a_full_mdt_is_named(fake):
    run = fake([(READ, shown()), (register(), (28, "", "error: changelog_register: No space left on device\n"))])
    with pytest.raises(ToolError, match="Changelogs that nobody reads fill an MDT"):
        converge(resource(AUDIT), run)


def test_when_the_second_half_fails_the_next_run_finds_it_missing(fake):
    run = fake(
        [
            (READ, shown("cl2-audit 3 (5) mask=MARK,CREAT", index=9)),
            (deregister(), ""),
            (register(), (30, "", "error: changelog_register: Read-only file system\n")),
        ]
    )
    with pytest.raises(ToolError) as caught:
        converge(resource({**AUDIT, "discard_unread": True}), run)
    assert caught.value.steps_done == ("deregister audit on fs1-MDT0000",)


def test_the_node_registers_after_its_targets_and_before_its_clients():
    model = ChangelogModel({MDT0: Mdt(index=5)})
    parts = parts_of({"changelogs": [AUDIT, {**AUDIT, "mdt": MDT1, "required": False}]})
    assert [part.phase for part in parts] == ["changelogs"]
    results = converge_node(parts, model)
    assert [step.object for step in results[0].outcome.plan.steps] == ["audit on fs1-MDT0000"]
    assert not any(result.changed for result in converge_node(parts, model))
    planned = converge_node(parts_of({"changelogs": [AUDIT]}), ChangelogModel(), check_mode=True)
    assert planned[0].changed and "it is not mounted on this node yet" in planned[0].unplanned
    with pytest.raises(BadValue, match=r"changelogs\[0\]\.name"):
        parts_of({"changelogs": [{"mdt": MDT0, "name": "a b"}]})
