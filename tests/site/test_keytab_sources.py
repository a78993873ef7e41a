# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Keys of a realm that is somebody else's: by kadmin over the network, and from files that were made elsewhere."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .recorded import Run
from .rehearsed import HERE, until
from .secured import SWITCHED, Secured, secured

pytestmark = pytest.mark.long
CLIENT = "lustre_root/client1.lab.example@LAB.EXAMPLE"
ADMIN = "lustre/admin@LAB.EXAMPLE"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured("src", "realm", tmp_path_factory.mktemp("realm") / "inventory") as site:
        yield site


def secure(one: Secured, source: dict[str, Any], **variables: Any) -> Run:
    """The roll-out with keys from there, and nothing of the description's own realm."""
    realm = {"realm": "LAB.EXAMPLE", "kdcs": ["mds1"], "domain": "lab.example", **source}
    run = one.site.playbook("secure", "-e", json.dumps({"lustre_kerberos": realm, **variables}))
    assert run.code == 0 and not run.failures, run.told()
    until(lambda: one.missing("krb5i"), SWITCHED)
    return run


def keytab(one: Secured, host: str) -> list[str]:
    return one.site.sh(host, "klist -k /etc/krb5.keytab | awk '$1 ~ /^[0-9]+$/ {print $2}' | sort -u").split()


def lost(one: Secured) -> None:
    """The client has lost its keytab and its tickets."""
    one.site.sh("client1", "rm -f /etc/krb5.keytab /tmp/krb5cc_0")


def test_a_database_without_its_master_key_is_told_as_that(one: Secured) -> None:
    """As a run leaves it that was ended while it made the database: the KDC does not start, and would not say why."""
    playbook = str(HERE / "playbooks" / "kdc.yml")
    assert one.site.playbook(playbook).code == 0
    kept = one.site.sh(one.mgs, "sha256sum /var/lib/krb5kdc/principal")
    one.site.sh(one.mgs, "mv /etc/krb5kdc/stash /root/stash")
    run = one.site.playbook(playbook)
    message = " ".join(run.failures[one.mgs].split())
    assert "/var/lib/krb5kdc/principal is there, and its master key (/etc/krb5kdc/stash) is not" in message, run.told()
    one.site.sh(one.mgs, "mv /root/stash /etc/krb5kdc/stash")
    again = one.site.playbook(playbook)
    assert again.code == 0 and again.changed == {one.mgs: 0}, again.told()
    assert one.site.sh(one.mgs, "sha256sum /var/lib/krb5kdc/principal") == kept


def test_a_realm_that_is_administered_by_kadmin(one: Secured) -> None:
    for command in (
        f"kadmin.local addprinc -randkey {ADMIN}",
        f"kadmin.local ktadd -k /root/admin.keytab {ADMIN}",
        f"grep -q '{ADMIN}' /etc/krb5kdc/kadm5.acl || echo '{ADMIN} *e' >> /etc/krb5kdc/kadm5.acl",
        "systemctl restart krb5-admin-server",
    ):
        one.site.sh(one.mgs, command)
    lost(one)
    source = {"source": "kadmin", "admin_server": "mds1.lab.example"}
    variables = {
        "lustre_kerberos_admin_host": "mds1",
        "lustre_kerberos_admin": ADMIN,
        "lustre_kerberos_admin_keytab": "/root/admin.keytab",
    }
    with one.working():
        secure(one, source, **variables)
        one.renewed()
    assert keytab(one, "client1") == [CLIENT]
    assert one.site.sh("client1", "stat -c '%a %U' /etc/krb5.keytab") == "600 root"
    again = secure(one, source, **variables)
    assert again.changed == dict.fromkeys(one.site.hosts, 0), again.told()


def test_keytabs_that_were_made_elsewhere(one: Secured, tmp_path: Path) -> None:
    for host in one.site.hosts:
        (tmp_path / f"{host}.keytab").write_bytes(_bytes(one, host))
    one.site.sh(
        "client1",
        "printf 'addent -password -p other/thing@ELSE -k 1 -e aes256-cts\\nx\\nwkt /root/other\\nq\\n' | ktutil",
    )
    lost(one)
    one.site.sh("client1", "cp /root/other /etc/krb5.keytab && chmod 600 /etc/krb5.keytab")
    source = {"source": "files", "files": str(tmp_path)}
    with one.working():
        secure(one, source)
        one.renewed()
    assert keytab(one, "client1") == sorted([CLIENT, "other/thing@ELSE"]), "what others keep there stays"
    again = secure(one, source)
    assert again.changed == dict.fromkeys(one.site.hosts, 0), again.told()


def test_a_file_without_the_key_of_its_host_is_told_and_nothing_is_touched(one: Secured, tmp_path: Path) -> None:
    for host in one.site.hosts:
        (tmp_path / f"{host}.keytab").write_bytes(_bytes(one, one.mgs))
    lost(one)
    before = one.connections()
    realm = {
        "realm": "LAB.EXAMPLE",
        "kdcs": ["mds1"],
        "domain": "lab.example",
        "source": "files",
        "files": str(tmp_path),
    }
    run = one.site.playbook("secure", "-e", json.dumps({"lustre_kerberos": realm}))
    assert run.code != 0 and CLIENT.partition("@")[0] in run.failures["client1"], run.told()
    assert one.connections() == before
    assert one.site.sh("client1", "test -e /etc/krb5.keytab", code=None) == "" and keytab_free(one)
    secure(one, {"source": "own"})


def keytab_free(one: Secured) -> bool:
    """Whether the client has no key of another host."""
    return not any(
        "mds1" in name for name in one.site.sh("client1", "klist -k /etc/krb5.keytab 2>&1", code=None).split()
    )


def _bytes(one: Secured, host: str) -> bytes:
    return base64.b64decode(one.site.sh(host, "base64 -w0 /etc/krb5.keytab"))
