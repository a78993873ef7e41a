"""Drift of an existing target: always shown, repaired with consent by one complete command, never under a user."""

from __future__ import annotations

import pytest

from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import Refused, ToolError
from tests.unit import target_support as support
from tests.unit.fake_runner import load_cases
from tests.unit.target_ost import OST, formatted, resource
from tests.unit.target_support import MMP_BUSY, MMP_CLEAN, MMP_OFF, PATH

DRIFT = load_cases("target_drift")
PARTNERS = {"service_nids": [["10.77.0.21@tcp"], ["10.77.0.22@tcp"]], "tune": True}
TUNE = [
    "tunefs.lustre", "--erase-params", "--mgsnode=10.77.0.11@tcp", "--servicenode=10.77.0.21@tcp",
    "--servicenode=10.77.0.22@tcp", PATH,
]  # fmt: skip
TUNED = {"params": "mgsnode=10.77.0.11@tcp failover.node=10.77.0.21@tcp:10.77.0.22@tcp", "flags": "0x1042"}


def drift_case(case, files, fake, **more):
    target = resource(files, {**OST, **case.get("want", {}), **more})
    have = target.have(fake([formatted(**case.get("found", {}))]))
    return target, have, target.plan(have)


@pytest.mark.parametrize("case", DRIFT, ids=[case["name"] for case in DRIFT])
def test_drift_is_always_shown(case, fake, files):
    _, _, plan = drift_case(case, files, fake)
    assert plan.steps == ()
    assert [d.object.rpartition(": ")[2] for d in plan.drift] == list(case.get("drift", {}))
    for drift in plan.drift:
        assert drift.remedy


@pytest.mark.parametrize("case", DRIFT, ids=[case["name"] for case in DRIFT])
def test_drift_is_repaired_with_consent_by_one_complete_command(case, fake, files):
    _, _, plan = drift_case(case, files, fake, tune=True)
    wanted = [[word if word != "DEVICE" else PATH for word in case["argv"]]] if "argv" in case else []
    assert [list(step.argv) for step in plan.steps] == wanted
    told = "; ".join([*(step.reason for step in plan.steps), *(drift.remedy for drift in plan.drift)])
    for aspect, words in case.get("drift", {}).items():
        assert words in told
        assert aspect in told or any(aspect in drift.object for drift in plan.drift)


@pytest.mark.parametrize("case", [case for case in DRIFT if "argv" in case], ids=lambda case: case["name"])
def test_a_mounted_target_is_never_tuned(case, fake, files):
    files.texts["/proc/self/mountinfo"] = (
        support.MOUNTINFO + f"30 29 0:41 / /lustre/o3 rw - fuse.lustre {PATH} rw,svname=fs1-OST0003\n"
    )
    _, _, plan = drift_case(case, files, fake, tune=True)
    assert plan.steps == ()
    assert all("Unmount it from /lustre/o3" in drift.remedy for drift in plan.drift) and plan.drift


@pytest.mark.parametrize("mmp", [MMP_CLEAN, MMP_OFF])
def test_tuning_checks_for_users_writes_once_and_reads_again(mmp, fake, files):
    run = fake([formatted(), formatted(), mmp, (TUNE, ""), formatted(**TUNED)])
    outcome = converge(resource(files, {**OST, **PARTNERS}), run)
    assert outcome.changed and outcome.after["targets"][0]["service_nids"] == PARTNERS["service_nids"]


@pytest.mark.parametrize(
    ("mmp", "params", "words"),
    [
        (MMP_BUSY, "mgsnode=10.77.0.11@tcp", "a node uses it"),
        (MMP_OFF, "mgsnode=10.77.0.11@tcp failover.node=10.77.0.8@tcp:10.77.0.9@tcp", "2 nodes may mount it"),
    ],
)
def test_a_target_that_a_partner_may_use_is_not_tuned(mmp, params, words, fake, files):
    run = fake([formatted(params=params), formatted(params=params), mmp])
    with pytest.raises(Refused, match=words):
        converge(resource(files, {**OST, **PARTNERS}), run)


def test_an_unclear_answer_about_partners_stops_the_tuning(fake, files):
    run = fake([formatted(), formatted(), (MMP_CLEAN[0], (8, "", "e2mmpstatus: Input/output error\n"))])
    with pytest.raises(ToolError, match="another node uses the device"):
        converge(resource(files, {**OST, **PARTNERS}), run)


def test_a_device_in_use_here_is_not_tuned(fake, files):
    files.contents[PATH] = OSError(16, "Device or resource busy")
    with pytest.raises(Refused, match="cannot be opened exclusively"):
        converge(resource(files, {**OST, **PARTNERS}), fake([formatted(), formatted()]))


@pytest.mark.parametrize("later", [{"flags": "0x102"}, {"params": "mgsnode=10.77.0.12@tcp"}])
def test_a_target_that_changed_since_the_plan_is_not_tuned(later, fake, files):
    with pytest.raises(Refused, match="not what it was when planned"):
        converge(resource(files, {**OST, **PARTNERS}), fake([formatted(), formatted(**later)]))


def test_a_failed_tuning_says_that_parameters_may_be_half_written(fake, files):
    run = fake(
        [
            formatted(),
            formatted(),
            MMP_CLEAN,
            (TUNE, (30, "", "tunefs.lustre: exiting with 30 (Read-only file system)")),
        ]
    )
    with pytest.raises(ToolError, match=r"Read-only file system.*half written"):
        converge(resource(files, {**OST, **PARTNERS}), run)


def test_the_recorded_repair_is_the_command_of_ours(fake, files, transcript):
    """mkfs/tunefs-fix was recorded with this very command; before it stands the doubled node, after it the wanted state."""
    path = "/dev/disk/by-id/virtio-ost1"
    files.add_disk(path, "vde", "254:64")
    want = {
        "kind": "ost", "fsname": "lustre", "index": 1, "device": path, "mgs_nids": [["10.0.2.15@tcp"]],
        "service_nids": [["10.0.2.15@tcp"]], "tune": True,
    }  # fmt: skip
    target = resource(files, want)
    plan = target.plan(target.have(fake([support.tunefs_call(path, transcript("mkfs/tunefs-dryrun-after-dup"))])))
    words = ["tunefs.lustre", "--erase-params", "--mgsnode=10.0.2.15@tcp", "--servicenode=10.0.2.15@tcp", path]
    assert [list(step.argv) for step in plan.steps] == [words]


OTHER_SITE = {"params": "mgsnode=192.168.1.1@tcp"}


def test_the_same_name_of_another_site_is_not_taken_for_ours(fake, files):
    with pytest.raises(Refused, match="perhaps of another site's file system of that name: its MGS is 192"):
        converge(resource(files), fake([formatted(**OTHER_SITE)]))


def test_an_mgs_that_has_moved_is_written_with_consent_only(fake, files):
    plan = converge(resource(files, {**OST, "tune": True}), fake([formatted(**OTHER_SITE)]), check_mode=True).plan
    assert [step.action for step in plan.steps] == ["tune"]


def test_a_target_that_runs_here_is_ours_and_only_shown(fake, files):
    files.texts["/proc/self/mountinfo"] += f"40 1 0:50 / /lustre/fs1/ost0003 rw - lustre {PATH} rw\n"
    plan = converge(resource(files), fake([formatted(**OTHER_SITE)]), check_mode=True).plan
    assert not plan.steps and [drift.found for drift in plan.drift] == ["192.168.1.1@tcp"]
