"""LUKS containers below targets: made on proven blank devices alone, with a key that is kept; opened, never closed."""

from __future__ import annotations

import base64
import copy

import pytest

from ansible_collections.lustre.core.plugins.module_utils._cli import luks_header
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import BadValue, Refused, ToolError
from ansible_collections.lustre.core.plugins.module_utils._resources.luks import LuksResource
from ansible_collections.lustre.core.plugins.module_utils._resources.luks_want import wants_from_options
from tests.unit.fake_runner import load_cases
from tests.unit.models.disk_model import Disk, any_disks
from tests.unit.models.luks_model import Container, LuksModel, header

RAW, OTHER = "/dev/disk/by-id/scsi-ost3", "/dev/disk/by-id/scsi-ost4"
LABEL, NAME = "fs1-OST0003", "/dev/mapper/fs1-OST0003"
FILE, COPY = "/etc/lustre/keys/luks/ost3", "/etc/lustre/luks/fs1-OST0003.header"
KEY, WRONG = bytes(range(64)), bytes(range(64, 128))
WANT = {"label": LABEL, "device": RAW, "key_file": FILE, "format": True}
GIVEN = {**WANT, "key": base64.b64encode(KEY).decode()}
LINE = f"{LABEL} {RAW} {FILE} luks,nofail\n"
OBJECT = f"{LABEL} on {RAW}"
FORMAT = (
    "cryptsetup luksFormat --batch-mode --type luks2 --label fs1-OST0003 --subsystem lustre-new --offset 32768 "
    f"--pbkdf pbkdf2 --iter-time 200 --key-file {FILE} {RAW}"
)
OPEN = f"cryptsetup open --type luks2 --key-file {FILE} {RAW} {LABEL}"
END = 1024 * 2**20 - 17 * 2**20
DD = f"dd if=/dev/zero of={NAME} bs=1048576 count=1 conv=nocreat,notrunc,fsync status=none"
MARK = f"cryptsetup config --label {LABEL} --subsystem lustre {RAW}"
BACK = f"cryptsetup luksHeaderBackup --header-backup-file {COPY} {RAW}"
BAD = load_cases("luks_bad")


def node(**changes):
    made = LuksModel(disks={RAW: Disk("sdd", "8:48"), OTHER: Disk("sde", "8:64")}, keys={FILE: KEY})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def container(**changes):
    made = Container(LABEL, "lustre", "11-22", KEY, Disk("dm-7", "253:7", "target", size=1008 << 20), used=True)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def resource(made, *wants, coming=False):
    return LuksResource(wants_from_options(list(wants) or [WANT], "containers"), made, made.local(), coming)


def run(made, *wants, check=False):
    return converge(
        resource(made, *wants, coming=check), made, check_mode=check, write=made.write, sleep=lambda _s: None
    )


def converged():
    made = node()
    run(made)
    made.calls.clear(), made.writes.clear()
    return made


def refused(made, words, *wants, check=False):
    """Nothing on any disk, and no file, is different afterwards."""
    before = copy.deepcopy(made)
    with pytest.raises(Refused, match=words) as told:
        run(made, *wants, check=check)
    assert told.value.remedy
    assert any_disks(made) == any_disks(before) and not made.calls and not made.writes
    assert made.containers == before.containers and made.keys == before.keys and made.copies == before.copies


# -- what is made -----------------------------------------------------------------------------------------------------


def test_a_container_is_made_opened_emptied_marked_copied_and_part_of_the_boot():
    made = node(keys={})
    outcome = run(made, GIVEN)
    steps = [(step.action, " ".join(step.argv)) for step in outcome.plan.steps]
    assert steps == [
        ("keep", ""),
        ("format", FORMAT),
        ("open", OPEN),
        ("zero the end of", f"{DD} seek={END} oflag=seek_bytes"),
        ("zero the start of", DD),
        ("mark", MARK),
        ("create", "install -d -m 0700 -o root -g root -- /etc/lustre/luks"),
        ("back up the header of", BACK),
        ("boot", ""),
        ("reload", "systemctl daemon-reload"),
    ]
    assert [step.action for step in outcome.plan.steps if step.destructive] == [steps[n][0] for n in (1, 3, 4)]
    assert made.keys == {FILE: KEY} and made.crypttab == LINE and made.disks[NAME].holds == ""
    assert luks_header.read(lambda n: made.copies[COPY][:n]).subsystem == "lustre"
    assert outcome.after["containers"] == [
        {
            "label": LABEL, "device": RAW, "name": LABEL, "formatted": True, "uuid": "00000001-made", "open": True,
            "key_file": FILE, "header_backup": COPY,
        }
    ]  # fmt: skip
    assert not run(made, GIVEN).changed and not run(made).changed


def test_check_mode_plans_the_same_and_makes_nothing():
    made = node(keys={})
    planned = run(made, GIVEN, check=True).plan
    assert not made.calls and not made.writes
    assert run(made, GIVEN).plan.steps == planned.steps


def test_a_key_is_in_no_word_no_result_and_no_message():
    made = node(keys={})
    outcome = run(made, GIVEN)
    shown = repr((outcome.steps(), outcome.public(), [step.argv for step in outcome.plan.steps], outcome.plan.steps))
    assert GIVEN["key"] not in shown and repr(KEY) not in shown and "\\x01\\x02" not in shown


def test_a_converged_container_costs_one_process():
    made = converged()
    calls = []
    converge(resource(made), lambda argv, *rest: calls.append(argv[:2]) or made(argv, *rest), check_mode=True)
    assert calls == [("cryptsetup", "status")]


def test_a_closed_container_is_opened_and_nothing_else():
    made = node(containers={RAW: container()}, copies={COPY: header(LABEL, uuid="11-22")}, crypttab=LINE)
    assert [" ".join(step.argv) for step in run(made).plan.steps] == [OPEN]
    assert made.containers[RAW].inner.holds == "target"


def test_a_lost_copy_of_a_header_is_made_again():
    made = converged()
    made.copies.clear()
    assert [step.action for step in run(made).plan.steps] == ["back up the header of"]


@pytest.mark.parametrize("at", range(1, 11))
def test_a_run_that_dies_anywhere_is_finished_by_the_next(at):
    made = node(keys={}, die_at=at)
    try:
        run(made, GIVEN)
    except KeyboardInterrupt:
        run(made, GIVEN)
    assert made.disks[NAME].holds == "" and made.containers[RAW].subsystem == "lustre" and COPY in made.copies
    assert not run(made, GIVEN).changed


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("holds", ["target", "half", "ext4", "data"])
def test_nothing_is_ever_written_over(holds):
    made = node()
    made.disks[RAW].holds, made.disks[RAW].label = holds, "fs1:OST0003" if holds == "half" else ""
    refused(made, "make the container .* is not proven blank")


def test_without_consent_nothing_is_made():
    refused(
        node(),
        r"`format: true` for exactly this target \(fs1-OST0003, /dev/disk/by-id/scsi-ost3\)",
        {**WANT, "format": False},
    )


def test_a_target_that_is_there_is_not_encrypted_in_place():
    made = node()
    made.disks[RAW].holds = "half"
    made.disks[RAW].label = "fs1:OST0003"
    refused(made, "a target cannot be encrypted in place", {**WANT, "format": False})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "fs1-OST0004"}, "it carries another container: a LUKS2 container labelled 'fs1-OST0004'"),
        ({"label": ""}, "another container: a LUKS2 container without a label"),
        ({"version": 1}, "another container: a LUKS1"),
        ({"version": 3}, "its version 3 is not known"),
        ({"damaged": True}, "checksum of its header does not fit.*Do NOT format it.*luksHeaderRestore"),
    ],
)
@pytest.mark.parametrize("consent", [True, False])
def test_another_container_is_neither_opened_nor_written_over(changes, words, consent):
    refused(node(containers={RAW: container(**changes)}), words, {**WANT, "format": consent})


def test_a_container_that_is_open_elsewhere_is_left_alone():
    made = node(containers={RAW: container()}, opened={"backup": RAW})
    refused(made, "its device is held by dm-7")
    made = node(containers={RAW: container(), OTHER: container(label="x")}, opened={LABEL: OTHER})
    made.disks[NAME] = made.containers[OTHER].inner
    refused(made, "/dev/mapper/fs1-OST0003 is there already, on /dev/sde")


@pytest.mark.parametrize("kind", ["tmpfs", "ramfs", "lustre"])
def test_a_key_where_it_does_not_last_makes_no_container(kind):
    refused(node(key_in=kind), "is no safe place")


@pytest.mark.parametrize(
    ("changes", "want", "words"),
    [
        ({"keys": {}}, WANT, "there is no key file"),
        ({"keys": {FILE: b""}}, WANT, "it has 0 bytes, where a key has 32"),
        ({"keys": {FILE: b"secret\n"}}, WANT, "it has 7 bytes"),
        ({"keys": {FILE: bytes(64)}}, WANT, "not random"),
        ({"problems": {FILE: "owner 0 and mode 0644, where it must be root's alone (0600)"}}, WANT, "mode 0644"),
        ({"keys": {FILE: WRONG}}, GIVEN, "holds another key than the one that was given.*never written over"),
    ],
)
def test_no_container_is_made_or_opened_with_a_key_that_is_in_doubt(changes, want, words):
    refused(node(**changes), words, want)
    refused(node(**changes, containers={RAW: container()}), words, want)


def test_the_copy_of_another_containers_header_stops_a_format():
    refused(node(copies={COPY: header(LABEL, uuid="99")}), r"another container for fs1-OST0003 \(UUID 99\)")


def test_a_device_without_room_is_refused():
    made = node()
    made.disks[RAW].size = 40 << 20
    refused(made, "fewer than the 50331648 that header and target need")


def test_a_node_whose_boot_opens_nothing_is_refused():
    refused(node(generator=False), "generator for crypttab is not installed")


def test_two_paths_to_one_device_are_refused():
    made = node()
    made.disks[OTHER] = made.disks[RAW]
    refused(made, "the same as that of", WANT, {**WANT, "label": "fs1-OST0004", "device": OTHER})


@pytest.mark.parametrize("case", BAD, ids=[f"{case['path']}-{case['says'][:24]}" for case in BAD])
def test_a_bad_entry_is_named_by_its_path(case):
    with pytest.raises(BadValue) as told:
        wants_from_options([{**WANT, **case["change"]}], "containers")
    assert told.value.path == f"containers[0].{case['path']}" and case["says"] in str(told.value)
    assert "c2VjcmV0" not in str(told.value)


def test_each_container_has_its_own_and_a_file_holds_one_key():
    with pytest.raises(BadValue, match=r"containers\[1\].device: .* is that of containers\[0\], too"):
        wants_from_options([WANT, {**WANT, "label": "fs1-OST0004"}], "containers")
    second = {**GIVEN, "label": "fs1-OST0004", "device": OTHER, "key": base64.b64encode(WRONG).decode()}
    with pytest.raises(BadValue, match=r"containers\[1\].key_file: .* with another key"):
        wants_from_options([GIVEN, second], "containers")
    assert len(wants_from_options([GIVEN, {**second, "key": GIVEN["key"]}], "containers")) == 2


# -- the last moment --------------------------------------------------------------------------------------------------


def at_last(made, action, change, words):
    """A change between the plan and one step: that step is refused, and does nothing."""
    target = resource(made)
    steps = {step.action: step for step in target.plan(target.have(made)).steps}
    change(made)
    before = len(made.calls)
    with pytest.raises(Refused, match=words):
        target.check_step(steps[action], made)
    assert len(made.calls) == before


def test_a_device_that_is_no_longer_blank_is_not_formatted():
    at_last(node(), "format", lambda made: setattr(made.disks[RAW], "holds", "data"), "not proven blank")


def test_a_path_that_leads_elsewhere_is_not_formatted():
    at_last(node(), "format", lambda made: setattr(made.disks[RAW], "number", "8:80"), "Something renames devices")


@pytest.mark.parametrize("keys", [{}, {FILE: WRONG}, {FILE: b"x"}])
def test_a_key_that_cannot_be_read_back_formats_nothing(keys):
    at_last(node(), "format", lambda made: setattr(made, "keys", keys), "its key cannot be read back")


def test_a_container_that_appears_is_not_formatted_over():
    at_last(node(), "format", lambda made: made.containers.update({RAW: container()}), "labelled 'fs1-OST0003'.* now")


@pytest.mark.parametrize("action", ["zero the end of", "zero the start of"])
@pytest.mark.parametrize("holds", ["target", "half", "ext4"])
def test_zeros_never_reach_what_somebody_has_written(action, holds):
    """A container that says it is new, and holds something: a header that was restored from elsewhere."""
    made = node(containers={RAW: container(subsystem="lustre-new")}, opened={LABEL: RAW})
    made.disks[NAME] = made.containers[RAW].inner
    at_last(made, action, lambda made: setattr(made.disks[NAME], "holds", holds), "Do NOT wipe it")


@pytest.mark.parametrize("action", ["zero the end of", "zero the start of", "mark"])
def test_zeros_never_reach_a_container_that_is_ready(action):
    made = node(containers={RAW: container(subsystem="lustre-new")}, opened={LABEL: RAW})
    made.disks[NAME] = made.containers[RAW].inner
    at_last(
        made, action, lambda made: setattr(made.containers[RAW], "subsystem", "lustre"), "no new container any more"
    )


def test_a_copy_is_made_of_a_ready_container_alone():
    made = node(containers={RAW: container()}, opened={LABEL: RAW})
    made.disks[NAME] = made.containers[RAW].inner
    gone = {"subsystem": "lustre-new"}
    at_last(made, "back up the header of", lambda made: vars(made.containers[RAW]).update(gone), "not marked as ready")


def test_a_key_file_that_appears_is_not_written_over():
    target = resource(made := node(keys={}), GIVEN)
    step = target.plan(target.have(made)).steps[0]
    made.keys[FILE] = WRONG
    with pytest.raises(Refused, match="somebody has just put a file there"):
        target.check_step(step, made)


def test_crypttab_that_somebody_else_changed_is_not_written_over():
    at_last(node(), "boot", lambda made: setattr(made, "crypttab", "x /dev/y\n"), "somebody else has just changed it")


def test_a_wrong_key_file_is_told_and_harms_nothing():
    made = node(containers={RAW: container()}, keys={FILE: WRONG})
    with pytest.raises(ToolError, match=r"No key available.*find the one that belongs to it"):
        run(made)
    assert made.containers == {RAW: container()} and not made.opened


def test_a_half_made_container_needs_the_consent_again():
    refused(node(containers={RAW: container(subsystem="lustre-new")}), "ended half-way", {**WANT, "format": False})


# -- standby, and a look ----------------------------------------------------------------------------------------------

STANDBY = {"label": LABEL, "device": RAW, "key_file": FILE, "standby": True}


@pytest.mark.parametrize("there", [{}, {RAW: container(subsystem="lustre-new")}])
def test_a_partner_waits_for_the_container_of_the_first_server(there):
    made = node(containers=there)
    outcome = run(made, STANDBY)
    assert not outcome.changed and [drift.object for drift in outcome.plan.drift] == [OBJECT]
    planned = run(made, STANDBY, check=True).plan
    assert "open" in [step.action for step in planned.steps] and not planned.drift
    assert not any(step.destructive for step in planned.steps)


def test_a_partner_opens_it_and_keeps_key_and_copy_of_its_own():
    made = node(keys={}, containers={RAW: container()})
    run(made, {**STANDBY, "key": GIVEN["key"]})
    assert made.opened == {LABEL: RAW} and made.keys == {FILE: KEY} and COPY in made.copies and made.crypttab == LINE
    assert made.containers[RAW].inner.holds == "target"


def test_a_look_needs_no_key_and_a_run_without_it_is_refused():
    named = {**WANT, "key_name": "ost3"}
    made = node(keys={})
    planned = run(made, named, check=True)
    assert [step.action for step in planned.plan.steps][:2] == ["keep", "format"]
    with pytest.raises(Refused, match=r"the key was not given, only its name.*lustre_luks_keys"):
        run(made, named)
    assert not made.calls and not made.writes


def test_a_missing_key_file_of_an_open_container_is_drift_or_kept():
    made = converged()
    made.keys.clear()
    outcome = run(made)
    assert not outcome.changed and outcome.plan.drift[0].found == "no key file"
    assert [step.action for step in run(made, GIVEN).plan.steps] == ["keep", "try"]


# -- crypttab ---------------------------------------------------------------------------------------------------------

FOREIGN = "# names\nswap /dev/sdz9 /dev/urandom swap\n\todd   /dev/sdy\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", LINE),
        (FOREIGN, FOREIGN + LINE),
        (FOREIGN.rstrip("\n"), FOREIGN + LINE),
        (f"{LABEL}\t{RAW}  {FILE} nofail,luks,discard\n{FOREIGN}", None),
        (f"{LABEL} {RAW} {FILE} luks\n{FOREIGN}", LINE + FOREIGN),
        (f"{LABEL} {RAW} none discard,luks\n", f"{LABEL} {RAW} {FILE} luks,nofail,discard\n"),
        (f"{LABEL} {RAW}\n", LINE),
        (f"{LABEL} /dev/sdd {FILE} luks,nofail\n", LINE),
        (f"{LABEL} UUID=11-22 {FILE} luks,nofail\n", None),
        (f"{LABEL} UUID=11-22 none luks\n", f"{LABEL} UUID=11-22 {FILE} luks,nofail\n"),
        (LINE + FOREIGN + LINE, LINE + FOREIGN),
    ],
)
def test_our_line_is_repaired_and_all_else_kept(before, after):
    made = node(containers={RAW: container()}, copies={COPY: header(LABEL, uuid="11-22")}, crypttab=before)
    run(made)
    assert made.crypttab == (before if after is None else after)
    assert not run(made).changed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{LABEL} /dev/sde none\n", f"the line of {LABEL} is for /dev/sde"),
        (f"{LABEL} /dev/gone none\n", "/dev/gone, which does not exist"),
        (f"{LABEL} UUID=99 none\n", "is for UUID=99"),
        (f"other {RAW} none\n", "the same device"),
        ("other /dev/sdd none\n", "the same device"),
        ("other UUID=11-22 none\n", "the same device"),
    ],
)
def test_a_line_of_somebody_else_is_not_changed(line, words):
    refused(node(containers={RAW: container()}, crypttab=line), words)


def test_a_node_without_systemd_is_not_told_to_reload():
    made = node(systemd=False, generator=False)
    assert "reload" not in [step.action for step in run(made).plan.steps]
