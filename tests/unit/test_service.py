"""systemd units: one process reads them all, and lnet.service is handled with care."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lustre.core.plugins.module_utils._cli import systemctl
from ansible_collections.lustre.core.plugins.module_utils._engine import converge
from ansible_collections.lustre.core.plugins.module_utils._errors import (
    BadValue,
    NotConverged,
    Refused,
    ToolError,
    UnknownOutput,
)
from ansible_collections.lustre.core.plugins.module_utils._resources.service import ServiceResource

DROP_IN = "/etc/systemd/system/lnet.service.d/50-lustre-core.conf"


def unit(name, load="loaded", file_state="enabled", active="active", drop_ins="", result="success"):
    return (
        f"Result={result}\nId={name}\nLoadState={load}\nActiveState={active}\nSubState=exited\n"
        f"DropInPaths={drop_ins}\nUnitFileState={file_state}\n"
    )


def shows(*units, names=("lnet.service",)):
    return (systemctl.show_argv(names), "\n".join(units))


def service(*wants, loaded=False, coming=()):
    return ServiceResource.from_options(wants or [{"name": "lnet.service"}], coming=coming, exists=lambda path: loaded)


def test_converged_costs_one_process_for_all_units(fake):
    names = ("lnet.service", "chrony.service")
    run = fake([shows(unit("lnet.service"), unit("chrony.service"), names=names)])
    outcome = converge(service({"name": "lnet"}, {"name": "chrony.service", "started": None}), run)
    assert not outcome.changed
    assert outcome.after["services"][0] == {
        "name": "lnet.service", "exists": True, "enabled": True, "started": True, "active": "active"
    }  # fmt: skip


def test_enabled_and_started_and_seen_to_be(fake):
    down = shows(unit("lnet.service", file_state="disabled", active="inactive"))
    run = fake([
        down,
        (("systemctl", "enable", "--", "lnet.service"), (0, "", "Created symlink ...\n")),
        (("systemctl", "start", "--", "lnet.service"), ""),
        shows(unit("lnet.service")),
    ])  # fmt: skip
    outcome = converge(service(), run)
    assert [step.reason for step in outcome.plan.steps] == ["it is disabled", "it is inactive"]
    assert run.timeouts[2] == 900
    checked = converge(service(), fake([down]), check_mode=True)
    assert checked.plan == outcome.plan


def test_a_failed_unit_says_how_and_where_to_look(fake):
    failed = shows(unit("lnet.service", active="failed", result="exit-code"))
    argv = ("systemctl", "start", "--", "lnet.service")
    with pytest.raises(ToolError, match=r"journalctl -u lnet\.service"):
        converge(service(), fake([failed, (argv, (1, "", "Job for lnet.service failed.\n"))]))
    assert "failed (exit-code)" in converge(service(), fake([failed]), check_mode=True).plan.steps[0].reason


def test_a_start_that_does_nothing_is_an_error(fake):
    down = shows(unit("lnet.service", active="inactive", drop_ins=DROP_IN))
    with pytest.raises(NotConverged):
        converge(service(loaded=True), fake([down, (("systemctl", "start", "--", "lnet.service"), ""), down]))


def test_the_packaged_unit_is_not_started_over_a_loaded_module(fake):
    down = shows(unit("lnet.service", active="inactive"))
    with pytest.raises(Refused, match="the packaged unit does nothing then"):
        converge(service(loaded=True), fake([down]), check_mode=True)
    assert converge(service(loaded=True, coming=["lnet.service"]), fake([down]), check_mode=True).changed
    ordered = shows(unit("lnet.service", active="inactive", drop_ins=f"/run/x.conf {DROP_IN}"))
    assert converge(service(loaded=True), fake([ordered]), check_mode=True).changed


def test_lnet_is_never_stopped():
    with pytest.raises(BadValue, match="unloads the Lustre modules"):
        service({"name": "lnet.service", "started": False})


def test_what_is_not_there(fake):
    missing = shows(unit("lnet.service", load="not-found", file_state="", active="inactive"))
    with pytest.raises(Refused, match="systemd knows no such unit"):
        converge(service(), fake([missing]))
    planned = converge(service(coming=["lnet.service"]), fake([missing]), check_mode=True)
    assert [step.action for step in planned.plan.steps] == ["enable", "start"]
    gone = shows(unit("x.service", load="not-found", file_state="", active="inactive"), names=("x.service",))
    assert not converge(service({"name": "x.service", "enabled": False, "started": False}), fake([gone])).changed


def test_a_masked_unit_is_somebodys_decision(fake):
    masked = shows(unit("lnet.service", load="masked", file_state="masked", active="inactive"))
    with pytest.raises(Refused, match=r"systemctl unmask lnet\.service"):
        converge(service(), fake([masked]))
    # what an earlier resource sets up does not unmask it: the plan says what a run would say
    coming = ServiceResource(service().wants, ["lnet.service"])
    with pytest.raises(Refused, match=r"systemctl unmask lnet\.service"):
        converge(coming, fake([masked]), check_mode=True)


def test_stopping_another_unit_is_disruptive(fake):
    want = service({"name": "zfs-import-scan.service", "enabled": False, "started": False})
    plan = converge(
        want, fake([shows(unit("zfs-import-scan.service"), names=("zfs-import-scan.service",))]), check_mode=True
    ).plan
    assert [(step.action, step.disruptive) for step in plan.steps] == [("disable", False), ("stop", True)]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": ""}, "services[0].name"),
        ({"name": "a b.service"}, "services[0].name"),
        ({"name": "lnet.device"}, "services[0].name"),
        ({"name": "lnet", "enabled": "often"}, "services[0].enabled"),
        ({"name": "lnet", "state": "started"}, "services[0].state"),
    ],
)
def test_unusable_value(options, says):
    with pytest.raises(BadValue) as bad:
        service(options)
    assert says in str(bad.value)


def test_a_unit_named_twice():
    with pytest.raises(BadValue, match=r"services\[1\]\.name: lnet.service is there twice"):
        service({"name": "lnet"}, {"name": "lnet.service"})


def test_systemd_that_does_not_answer(fake):
    with pytest.raises(ToolError, match="Is systemd running"):
        converge(service(), fake([(shows()[0], (1, "", "System has not been booted with systemd as init system\n"))]))
    with pytest.raises(UnknownOutput):
        converge(service(), fake([(shows()[0], unit("a.service") + "\n" + unit("b.service"))]))


@given(st.text(max_size=200))
def test_any_text_gives_units_or_a_typed_error(text):
    with contextlib.suppress(UnknownOutput):
        systemctl.parse_show(text)


@pytest.mark.parametrize(
    ("path", "unit_name"),
    [
        ("/mnt/fs1", "mnt-fs1.mount"),
        ("/", "-.mount"),
        ("/lustre/fs1/ost0003/", "lustre-fs1-ost0003.mount"),
        ("/mnt/my-fs", "mnt-my\\x2dfs.mount"),
        ("/.hidden/.x", "\\x2ehidden-.x.mount"),
        ("/mnt/a b", "mnt-a\\x20b.mount"),
        ("/mnt/ä", "mnt-\\xc3\\xa4.mount"),
    ],
)
def test_unit_names_as_systemd_escape_makes_them(path, unit_name):
    assert systemctl.unit_of_path(path, "mount") == unit_name
