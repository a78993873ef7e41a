# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table of what protects the connections of a site."""

from __future__ import annotations

from ansible_collections.lustre.core.plugins.plugin_utils._security_report import security_table


def connection(kind, flavor="skpi", in_force=True, local=False):
    return {"type": kind, "flavor": flavor, "in_force": in_force, "local": local}


def test_hosts_that_are_alike_share_their_lines() -> None:
    client = {"imports": [connection("mdc"), connection("osc"), connection("osc"), connection("mgc", "null", None)]}
    server = {"imports": [connection("osp"), connection("osp", "null", None, local=True)]}
    assert security_table({"client1": client, "client2": client, "mds1": server}).splitlines() == [
        "Security: every connection that rules speak of is as described.",
        "",
        "HOST              CONNECTIONS TO  FLAVOR  HOW MANY",
        "client1, client2  MDTs            skpi    1",
        "client1, client2  OSTs            skpi    2",
        "client1, client2  the MGS         null    1, no rule speaks of them",
        "mds1              other servers   skpi    1",
    ]


def test_what_is_not_in_force_and_who_was_not_asked_is_told() -> None:
    client = {"imports": [connection("osc"), connection("osc", "null", False)]}
    text = security_table({"client1": client, "client2": None, "client3": {"unreachable": True}})
    assert text.startswith("Security: 1 connection not as described.")
    assert "client1  OSTs            null    1, not as described" in text
    assert text.endswith("Not asked: client2, client3.")


def test_a_site_without_connections_is_no_error() -> None:
    assert (
        security_table({"mds1": {"imports": []}}) == "Security: every connection that rules speak of is as described."
    )
