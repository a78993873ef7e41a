# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filter packages_asked, with the tables that the role lustre_packages ships."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.lustre.core.plugins.filter.packages import FilterModule
from tests.unit.site_support import ROOT

asked = FilterModule().filters()["packages_asked"]
VARS = ROOT / "roles" / "lustre_packages" / "vars" / "main"
TABLES = {
    family: yaml.safe_load((VARS / f"{family}.yml").read_text())[f"__lustre_packages_{family}"]
    for family in ("debian", "redhat", "suse")
}


def test_a_client() -> None:
    found = asked(TABLES, "client", [], version="2.17.0", repositories=["file:/srv"], directory="")
    assert found["families"]["debian"] == {
        "packages": ["lustre-client-modules-{kernel}", "lustre-client-utils"],
        "requires": [],
        "opposite": ["lustre-server-utils", "lustre-server-modules-*"],
        "kernel": TABLES["debian"]["kernel"]["hold"],
    }
    assert found["families"]["suse"]["packages"] == ["lustre-client-kmp-default", "lustre-client"]
    assert found["families"]["suse"]["kernel"] == []
    assert {key: found[key] for key in ("version", "repositories", "directory", "kernel", "dkms")} == {
        "version": "2.17.0",
        "repositories": ["file:/srv"],
        "directory": "",
        "kernel": "",
        "dkms": False,
    }
    assert found["modules"] == ["lnet", "lustre"]
    assert (found["basics"], found["managed"]) == (["time", "updatedb"], [])


def test_a_server_with_both_backends_another_kernel_and_more() -> None:
    found = asked(
        TABLES, "server", ["zfs", "ldiskfs"], extra=["lustre-iokit"], kernel="5.14.0-1", hold_kernel="no",
        managed={"time": "yes", "updatedb": False},
    )  # fmt: skip
    redhat = found["families"]["redhat"]
    assert redhat["packages"] == TABLES["redhat"]["sets"]["server_ldiskfs_zfs"]["packages"]
    assert redhat["requires"] == ["zfs", "kmod-zfs", "lustre-iokit", "kernel-{kernel}"]
    assert redhat["opposite"] == TABLES["redhat"]["opposite"]["server"]
    assert redhat["kernel"] == []
    assert found["modules"] == ["lnet", "lustre", "mgs", "mdt", "ofd", "osd_zfs", "osd_ldiskfs"]
    assert found["basics"] == ["time", "updatedb", "hostid"]
    assert found["managed"] == ["time"]


@pytest.mark.parametrize(("kind", "luks", "needs"), [("server", True, 1), ("server", False, 0), ("client", True, 0)])
def test_servers_with_containers_need_cryptsetup(kind: str, luks: bool, needs: int) -> None:
    families = asked(TABLES, kind, ["ldiskfs"] if kind == "server" else [], luks=luks)["families"]
    assert families["debian"]["requires"] == ["cryptsetup-bin"] * needs
    assert families["redhat"]["requires"] == ["cryptsetup"] * needs


@pytest.mark.parametrize(
    ("kind", "backends", "dkms", "says"),
    [
        ("server", ["ldiskfs"], True, "as a server on ldiskfs built by DKMS:"),
        ("server", ["zfs", "ldiskfs"], True, "as a server on zfs and ldiskfs built by DKMS:"),
    ],
)
def test_what_a_family_does_not_have_is_said(kind: str, backends: list[str], dkms: bool, says: str) -> None:
    found = asked(TABLES, kind, backends, dkms=dkms)["families"]
    assert says in found["debian"]["unavailable"]
    assert "packages" not in found["debian"]
    assert "unavailable" in found["suse"]
    assert "unavailable" not in found["redhat"]


@pytest.mark.parametrize("given", ["true", True, "yes", 1])
def test_truth_is_read_as_ansible_reads_it(given: Any) -> None:
    """Extra variables on the command line are text."""
    assert asked(TABLES, "client", dkms=given)["families"]["debian"]["packages"][0] == "lustre-client-modules-dkms"
    assert asked(TABLES, "client", dkms="false")["dkms"] is False
