# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Connections to an MGS get a flavor, and lose it again: mounts first, its rule last, and nobody is cut off in between."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from .recorded import Run
from .rehearsed import until
from .secured import SWITCHED, Secured, secured

pytestmark = pytest.mark.long
FLAVOR = "skpi"
CONSENT = ["-e", json.dumps({"lustre_consent_stop": ["safe"]})]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured("mgs", "secured", tmp_path_factory.mktemp("secured") / "inventory") as site:
        yield site


def good(one: Secured, playbook: str, *words: str) -> Run:
    run = one.site.playbook(playbook, *words)
    assert run.code == 0 and not run.failures, run.told()
    return run


def to_mgs(one: Secured, host: str) -> str:
    """The flavor of a host's connection to the MGS."""
    shown = one.site.sh(host, "lctl get_param -n 'mgc.*.srpc_info'")
    (flavor,) = re.findall(r"rpc flavor:\s+(\S+)", shown)
    return flavor


def rules(one: Secured) -> list[str]:
    return re.findall(r"^_mgs\S*srpc\S*$", one.site.sh(one.mgs, "lctl get_param -n 'mgs.MGS.live.*'"), re.M)


def described(one: Secured, flavor: str) -> None:
    own = {"servers": [one.mgs], "device": "/dev/disk/by-id/scsi-mgt"}
    one.describe({"mgs": {**own, **({"flavor": flavor} if flavor else {})}})


def test_its_rule_waits_for_mounts_that_have_the_flavor(one: Secured) -> None:
    described(one, FLAVOR)
    with one.working():
        good(one, "site")
        assert to_mgs(one, "client1") == to_mgs(one, "oss1") == "null", "what is mounted stays as it is"
        run = one.site.playbook("secure")
    assert run.code != 0 and rules(one) == []
    message = " ".join(run.failures[one.mgs].split())
    assert "it would cut off oss1, client1, whose mounts do not use its flavor" in message
    assert "lustre.core.stop" in message and "lustre.core.start" in message


def test_mounted_anew_they_have_it_and_the_rule_follows(one: Secured) -> None:
    good(one, "stop", *CONSENT)
    good(one, "start")
    assert to_mgs(one, "client1") == to_mgs(one, "oss1") == FLAVOR and rules(one) == []
    with one.working():
        good(one, "secure")
    assert rules(one) == [f"_mgs.srpc.flavor.default={FLAVOR}"]
    until(lambda: one.missing(FLAVOR), SWITCHED)
    again = good(one, "secure")
    assert again.changed == dict.fromkeys(one.site.hosts, 0), again.told()
    good(one, "verify")


def test_who_comes_without_it_is_refused(one: Secured) -> None:
    one.site.sh("client1", f"umount {one.path}")
    source = one.site.sh("client1", f"awk '$2 == \"{one.path}\" {{print $1}}' /etc/fstab").strip()
    one.site.sh("client1", f"mount -t lustre {source} {one.path}", code=13)
    one.site.sh("client1", f"mount {one.path}")
    assert to_mgs(one, "client1") == FLAVOR


def test_its_rule_goes_first_and_mounts_may_follow(one: Secured) -> None:
    described(one, "")
    with one.working():
        good(one, "site")
        good(one, "secure")
    assert rules(one) == [] and to_mgs(one, "client1") == FLAVOR, "what is mounted goes on with what it has"
    good(one, "stop", *CONSENT)
    good(one, "start")
    assert to_mgs(one, "client1") == to_mgs(one, "oss1") == "null"
    again = good(one, "secure")
    assert again.changed == dict.fromkeys(one.site.hosts, 0), again.told()
