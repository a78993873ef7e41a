"""The zpool resource: what is imported, made, refused; never forced."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import zpool as cli
from ansible_collections.lustre.core.plugins.module_utils._cli.devfiles import Ends, Node
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotConverged,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.zpool import ZpoolResource
from tests.unit import target_support as support
from tests.unit.fake_runner import load_cases, load_transcript
from tests.unit.hypotheses import examples
from tests.unit.models.disk_model import Disk
from tests.unit.models.pool_model import PoolModel

BAD = load_cases("zpool_bad")

A, B = "/dev/disk/by-id/wwn-a", "/dev/disk/by-id/wwn-b"
DISKS = [(A, "sda", "8:0"), (B, "sdb", "8:16")]
POOL = {"name": "ost4pool", "vdevs": [{"type": "mirror", "devices": [A, B]}]}
LIST = ["zpool", "list", "-H", "-o", "name,health"]
IMPORT = ["zpool", "import", "-d", "/dev/disk/by-id"]
CREATE = [
    "zpool",
    "create",
    "-o",
    "multihost=on",
    "-o",
    "cachefile=none",
    "-O",
    "canmount=off",
    "ost4pool",
    "mirror",
    A,
    B,
]
SET_ROOT = (["zfs", "set", "canmount=off", "ost4pool"], "")
NONE = (IMPORT, (0, "", "no pools available to import\n"))
STATUS = """  pool: ost4pool
 state: ONLINE
config:

\tNAME                                STATE     READ WRITE CKSUM
\tost4pool                            ONLINE       0     0     0
\t  mirror-0                          ONLINE       0     0     0
\t    {a}  ONLINE       0     0     0
\t    {b}  ONLINE       0     0     0

errors: No known data errors
"""
EXPORTED = """   pool: ost4pool
     id: 13480459234002345
  state: ONLINE
 action: The pool can be imported using its name or numeric identifier.
 config:

\tost4pool                     ONLINE
\t  mirror-0                   ONLINE
\t    wwn-a                    ONLINE
\t    wwn-b                    ONLINE
"""
LAST_USED_ELSEWHERE = EXPORTED.replace(
    " action: The pool can be imported using its name or numeric identifier.\n",
    "status: The pool was last accessed by another system.\n"
    " action: The pool can be imported using its name or numeric identifier and\n\tthe '-f' flag.\n"
    "   see: https://openzfs.github.io/openzfs-docs/msg/ZFS-8000-EY\n",
)
ACTIVE_ELSEWHERE = EXPORTED.replace("state: ONLINE", "state: UNAVAIL").replace(
    " action: The pool can be imported using its name or numeric identifier.\n",
    "status: The pool is currently imported by another system.\n"
    " action: The pool must be exported from oss2 (hostid=7f0101)\n\tbefore it can be safely imported.\n",
)


@pytest.fixture
def files():
    made = support.FakeFiles()
    for disk in DISKS:
        made.add_disk(*disk)
    made.texts["/etc/hostid"] = b"\xdb\xcf\xd0\x0f"
    return made


def resource(files, *pools):
    return ZpoolResource.from_options([dict(pool) for pool in pools or (POOL,)], files=files)


def pools(*names, health="ONLINE"):
    return (LIST, "".join(f"{name}\t{health}\n" for name in names))


def converged(name="ost4pool", members=(f"{A}-part1", f"{B}-part1"), health="ONLINE", **values):
    found = {"multihost": "on", "cachefile": "none", "canmount": "off", **values}
    keys = [key for key in found if key != "canmount"]
    return [
        pools(name, health=health),
        (
            ["zpool", "get", "-Hp", "-o", "name,property,value", ",".join(keys), name],
            "".join(f"{name}\t{k}\t{found[k]}\n" for k in keys),
        ),
        (
            ["zfs", "get", "-Hp", "-o", "name,property,value", "canmount", name],
            f"{name}\tcanmount\t{found['canmount']}\n",
        ),
        (["zpool", "status", "-P", name], STATUS.format(a=members[0], b=members[1])),
    ]


@pytest.mark.parametrize("case", BAD, ids=[f"{case['path']}-{case['says'][:20]}" for case in BAD])
def test_a_bad_description_is_named_by_its_path(case):
    with pytest.raises(BadValue) as told:
        ZpoolResource.from_options([{**POOL, **case["change"]}])
    assert told.value.path == f"pools[0].{case['path']}"
    assert case["says"] in str(told.value)


def test_a_device_belongs_to_one_pool():
    with pytest.raises(BadValue, match=r"pools\[1\]: /dev/disk/by-id/wwn-a is in pools\[0\]"):
        ZpoolResource.from_options([POOL, {"name": "other", "vdevs": [{"devices": [A]}]}])


def test_no_pools_cost_nothing(fake, files):
    assert not converge(ZpoolResource.from_options([], files=files), fake([])).changed


def test_a_converged_pool_costs_four_processes(fake, files):
    run = fake(converged())
    outcome = converge(resource(files), run)
    assert not outcome.changed and not outcome.plan.drift and run.count == 4
    assert outcome.after["hostid"] == "0fd0cfdb"
    assert outcome.after["pools"][0]["devices"] == [f"{A}-part1", f"{B}-part1"]


def test_a_pool_is_made_of_devices_proven_blank_twice(fake, files):
    probes = support.blank_probes(DISKS)
    run = fake([pools(), NONE, *probes, pools(), *probes, (CREATE, ""), *converged()])
    outcome = converge(resource(files, {**POOL, "create": True}), run)
    assert outcome.changed and outcome.plan.steps[0].destructive
    assert "-f" not in outcome.plan.steps[0].argv


def test_check_mode_plans_the_same_and_makes_nothing(fake, files):
    run = fake([pools(), NONE, *support.blank_probes(DISKS)])
    outcome = converge(resource(files, {**POOL, "create": True}), run, check_mode=True)
    assert [list(step.argv) for step in outcome.plan.steps] == [CREATE]


def test_every_class_of_device_in_the_order_that_zpool_needs(fake, files):
    names = "cache spare log special data".split()
    disks = [
        (f"/dev/mapper/{name}{n}", f"dm-{place}{n}", f"25{n}:{place}")
        for place, name in enumerate(names)
        for n in (0, 1)
    ]
    for disk in disks:
        files.add_disk(*disk)
    types = ["cache", "spare", "log mirror", "special mirror", "raidz"]
    vdevs = [
        {"type": kind, "devices": [f"/dev/mapper/{name}0", f"/dev/mapper/{name}1"]} for kind, name in zip(types, names)
    ]
    pool = {
        "name": "p", "vdevs": vdevs, "create": True, "properties": {"ashift": 12, "autotrim": True, "multihost": False},
        "filesystem_properties": {"compression": "lz4"},
    }  # fmt: skip
    calls = [pools(), (["zpool", "import", "-d", "/dev/mapper"], NONE[1]), *support.blank_probes(disks)]
    target = resource(files, pool)
    plan = target.plan(target.have(fake(calls)))
    assert " ".join(plan.steps[0].argv) == (
        "zpool create -o multihost=off -o cachefile=none -o ashift=12 -o autotrim=on -O canmount=off -O compression=lz4 p "
        "raidz /dev/mapper/data0 /dev/mapper/data1 special mirror /dev/mapper/special0 /dev/mapper/special1 "
        "log mirror /dev/mapper/log0 /dev/mapper/log1 spare /dev/mapper/spare0 /dev/mapper/spare1 "
        "cache /dev/mapper/cache0 /dev/mapper/cache1"
    )


def test_without_consent_nothing_is_probed(fake, files):
    target = resource(files)
    have = target.have(fake([pools(), NONE]))
    with pytest.raises(Refused, match=r"`create: true`.*ost4pool, of /dev/disk/by-id/wwn-a, /dev/disk/by-id/wwn-b"):
        target.plan(have)


@pytest.mark.parametrize("place", [0, 1])
def test_one_device_that_is_not_blank_stops_the_pool(place, fake, files):
    files.contents[DISKS[place][0]] = Ends(support.GIB, 7)
    target = resource(files, {**POOL, "create": True})
    have = target.have(fake([pools(), NONE, *support.blank_probes(DISKS)]))
    with pytest.raises(Refused, match=f"{DISKS[place][0]} is not proven blank"):
        target.plan(have)


def test_one_disk_under_two_names_makes_no_mirror(fake, files):
    files.add_disk(B, "sda", "8:0")
    target = resource(files, {**POOL, "create": True})
    calls = support.blank_probes([DISKS[0], (B, "sda", "8:0")])
    with pytest.raises(Refused, match="one and the same device"):
        target.plan(target.have(fake([pools(), NONE, *calls])))


def test_a_path_that_leads_elsewhere_at_the_last_moment_stops_the_pool(fake, files):
    target = resource(files, {**POOL, "create": True})
    plan = target.plan(target.have(fake([pools(), NONE, *support.blank_probes(DISKS)])))
    files.add_disk("/dev/mapper/c", "sdc", "8:32")
    files.nodes[B] = Node("/dev/sdc", "8:32")
    later = support.blank_probes([DISKS[0], (B, "sdc", "8:32")])
    with pytest.raises(Refused, match="wwn-b leads to /dev/sdc"):
        target.check_step(plan.steps[0], fake([pools(), *later]))


def test_a_pool_that_appears_at_the_last_moment_stops_the_step(fake, files):
    target = resource(files, {**POOL, "create": True})
    plan = target.plan(target.have(fake([pools(), NONE, *support.blank_probes(DISKS)])))
    with pytest.raises(Refused, match="imported since the plan"):
        target.check_step(plan.steps[0], fake([pools("ost4pool")]))


def test_a_pool_that_is_not_there_after_all_is_an_error(fake, files):
    probes = support.blank_probes(DISKS)
    run = fake([pools(), NONE, *probes, pools(), *probes, (CREATE, ""), pools(), NONE, *probes])
    with pytest.raises(NotConverged):
        converge(resource(files, {**POOL, "create": True}), run)


def test_what_zpool_itself_refuses_is_told_and_not_forced(fake, files):
    probes = support.blank_probes(DISKS)
    said = (1, "", "invalid vdev specification\nuse '-f' to override the following errors:\n/dev/sda is in use\n")
    run = fake([pools(), NONE, *probes, pools(), *probes, (CREATE, said)])
    with pytest.raises(ToolError, match="never forced here"):
        converge(resource(files, {**POOL, "create": True}), run)


# -- import -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("create", [True, False])
def test_an_exported_pool_is_imported_without_force(create, fake, files):
    words = [*IMPORT, "-o", "multihost=on", "-o", "cachefile=none", "ost4pool"]
    run = fake([pools("other"), (IMPORT, EXPORTED), (words, ""), SET_ROOT, *converged()])
    outcome = converge(resource(files, {**POOL, "create": create}), run)
    assert [step.action for step in outcome.plan.steps] == ["import", "set"]
    assert outcome.before["pools"][0]["importable"] and outcome.after["pools"][0]["imported"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAST_USED_ELSEWHERE, r"last accessed by another system.*never forced"),
        (ACTIVE_ELSEWHERE, r"must be exported from oss2 \(hostid=7f0101\) before it can be safely imported"),
        (EXPORTED + EXPORTED, "2 pools of this name"),
    ],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_pool_of_another_node_is_neither_imported_nor_made_anew(text, words, create, fake, files):
    target = resource(files, {**POOL, "create": create})
    with pytest.raises(Refused, match=words):
        target.plan(target.have(fake([pools(), (IMPORT, text)])))


def test_an_import_that_is_forbidden_is_refused(fake, files):
    target = resource(files, {**POOL, "import": False})
    with pytest.raises(Refused, match="`import: false` forbids it"):
        target.plan(target.have(fake([pools(), (IMPORT, EXPORTED)])))


@pytest.mark.parametrize(
    "answer",
    [(1, "", "cannot discover pools: permission denied\n"), (1, EXPORTED, ""), (0, EXPORTED, "warning\n"), (0, "", "")],
)
def test_an_unclear_search_for_pools_stops(answer, fake, files):
    with pytest.raises((ToolError, UnknownOutput)):
        resource(files, {**POOL, "create": True}).have(fake([pools(), (IMPORT, answer)]))


def test_a_pool_without_devices_must_be_there(fake, files):
    bare = {"name": "ost4pool"}
    assert not converge(resource(files, bare), fake(converged())).plan.drift
    target = resource(files, bare)
    with pytest.raises(Refused, match=r"the usual places.*List its vdevs"):
        target.plan(target.have(fake([pools(), (["zpool", "import"], NONE[1])])))
    words = ["zpool", "import", "-o", "multihost=on", "-o", "cachefile=none", "ost4pool"]
    assert converge(
        resource(files, bare), fake([pools(), (["zpool", "import"], EXPORTED), (words, ""), SET_ROOT, *converged()])
    ).changed


# -- host id ----------------------------------------------------------------------------------------------------------


def test_a_host_id_is_made_first_where_there_is_none(fake, files):
    del files.texts["/etc/hostid"]
    target = resource(files, {**POOL, "create": True})
    plan = target.plan(target.have(fake([pools(), NONE, *support.blank_probes(DISKS)])))
    assert [step.argv[0] for step in plan.steps] == ["zgenhostid", "zpool"]


@pytest.mark.parametrize("data", [b"\0\0\0\0", b"", b"\1\2\3", b"00bab10c\n"])
def test_a_useless_host_id_is_refused(data, fake, files):
    files.texts["/etc/hostid"] = data
    target = resource(files)
    with pytest.raises(Refused, match="no usable host id"):
        target.plan(target.have(fake(converged())))


def test_the_kernel_modules_own_host_id_counts(fake, files):
    del files.texts["/etc/hostid"]
    files.texts["/sys/module/spl/parameters/spl_hostid"] = "8323329\n"
    outcome = converge(resource(files), fake(converged()))
    assert not outcome.changed and outcome.after["hostid"] == "007f0101"


def test_an_unguarded_pool_needs_no_host_id(fake, files):
    del files.texts["/etc/hostid"]
    outcome = converge(resource(files, {**POOL, "properties": {"multihost": False}}), fake(converged(multihost="off")))
    assert not outcome.changed and outcome.after["hostid"] is None


# -- drift ------------------------------------------------------------------------------------------------------------


def test_properties_are_set_one_by_one(fake, files):
    run = fake(
        [
            *converged(multihost="off", cachefile="-", canmount="on"),
            (["zpool", "set", "multihost=on", "ost4pool"], ""),
            (["zpool", "set", "cachefile=none", "ost4pool"], ""),
            (["zfs", "set", "canmount=off", "ost4pool"], ""),
            *converged(),
        ]
    )
    assert len(converge(resource(files), run).plan.steps) == 3


def test_what_is_fixed_at_creation_and_health_are_drift(fake, files):
    pool = {**POOL, "properties": {"ashift": 12}}
    outcome = converge(resource(files, pool), fake(converged(health="DEGRADED", ashift="9")))
    assert not outcome.changed
    assert [(d.object, d.found, d.wanted) for d in outcome.plan.drift] == [
        ("ost4pool: ashift", "9", "12"), ("ost4pool: health", "DEGRADED", "ONLINE"),
    ]  # fmt: skip


def test_sizes_are_compared_as_numbers(fake, files):
    calls = converged()
    calls[2] = (
        ["zfs", "get", "-Hp", "-o", "name,property,value", "canmount,recordsize", "ost4pool"],
        "ost4pool\tcanmount\toff\nost4pool\trecordsize\t1048576\n",
    )
    assert not converge(resource(files, {**POOL, "filesystem_properties": {"recordsize": "1M"}}), fake(calls)).changed


@pytest.mark.parametrize("members", [(A, B), (f"{A}-part1", "/dev/sdb"), ("/dev/sdb", "/dev/sda")])
def test_members_are_known_under_any_of_their_names(members, fake, files):
    assert not converge(resource(files), fake(converged(members=members))).plan.drift


def test_other_members_are_drift_and_never_changed(fake, files):
    outcome = converge(resource(files), fake(converged(members=(f"{A}-part1", "/dev/disk/by-id/wwn-c-part1"))))
    assert not outcome.changed
    assert outcome.plan.drift[0].found == f"without {B} and with /dev/disk/by-id/wwn-c-part1"


@pytest.mark.parametrize("number", range(4))
def test_a_tool_that_fails_stops_everything(number, fake, files):
    calls = converged()[: number + 1]
    calls[number] = (calls[number][0], (1, "", "internal error\n"))
    with pytest.raises(ToolError):
        resource(files).have(fake(calls))


# -- parsers ----------------------------------------------------------------------------------------------------------


def test_the_recorded_status():
    text = load_transcript("zfs/zpool-list").out
    status = text[text.index("  pool:") :].replace("  vdf ", "  /dev/vdf1 ")
    assert cli.parse_status(status) == {"ostpool": ("/dev/vdf1",)}


def test_a_lost_member_is_known_by_what_it_was():
    text = STATUS.format(a=f"{A}-part1", b="1234567890123 UNAVAIL      0     0     0  was /dev/disk/by-id/wwn-b-part1")
    text = text.replace("wwn-b-part1  ONLINE       0     0     0", "wwn-b-part1")
    assert cli.parse_status(text)["ost4pool"] == (f"{A}-part1", f"{B}-part1")


@examples(60)
@given(
    st.integers(0, 400), st.integers(0, 60), st.text(max_size=6), st.sampled_from([STATUS, EXPORTED, ACTIVE_ELSEWHERE])
)
def test_a_mutilated_answer_is_parsed_whole_or_unknown(at, length, text, base):
    broken = base[:at] + text + base[at + length :]
    for parse in (cli.parse_status, cli.parse_importable):
        try:
            parse(broken)
        except UnknownOutput:
            continue


ENCRYPTED = {"encryption": "aes-256-gcm", "keyformat": "raw", "keylocation": "file:///etc/lustre/keys/ost4pool"}


def test_a_new_pool_may_be_encrypted_and_an_old_one_is_only_shown():
    """Encryption of the root dataset, which its datasets inherit: given at creation, never set later."""
    want = {**POOL, "create": True, "filesystem_properties": ENCRYPTED}
    model = PoolModel()
    for number, device in enumerate((A, B)):
        model.disks[device] = Disk(f"sd{'ab'[number]}", f"8:{16 * number}", "")

    def made():
        return ZpoolResource.from_options([want], files=model)

    outcome = converge(made(), model)
    (create,) = [step for step in outcome.plan.steps if step.action == "create"]
    assert all(f"{key}={value}" in create.argv for key, value in ENCRYPTED.items())
    again = converge(made(), model)
    assert not again.changed and not again.plan.drift
    model.pools["ost4pool"].options.update(encryption="off", keyformat="none", keylocation="none")
    shown = converge(made(), model)
    assert not shown.changed and [drift.object for drift in shown.plan.drift] == [
        f"ost4pool: {key}" for key in ENCRYPTED
    ]
