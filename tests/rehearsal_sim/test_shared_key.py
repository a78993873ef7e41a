# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Key files and the programs around them: what is written, changed, loaded and refused, and who convinces whom."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from lustre_sim import secret_token, shared_key
from lustre_sim.keyring import Keyring
from lustre_sim.shared_key import CLIENT, MGS, SERVER, SharedKey
from lustre_sim.tools import keyctl, lgss_sk, lsvcgssd
from lustre_sim.tools._accept import FAILURE, Acceptor
from lustre_sim.tools._krb5_client import proper


@pytest.fixture
def host(tmp_path: Path) -> SimpleNamespace:
    """What a tool knows of its host."""
    folders = {name: str(tmp_path / name) for name in ("site_dir", "persistent_dir", "runtime_dir")}
    os.mkdir(folders["site_dir"])
    (tmp_path / "site_dir/settings.json").write_text('{"prime_seconds": 0}')
    return SimpleNamespace(**folders)


def run(tool: Any, host: SimpleNamespace, *argv: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    return tool.main(list(argv), io.StringIO(), out, err, host), out.getvalue(), err.getvalue()


def test_a_servers_key_becomes_a_clients(host: SimpleNamespace, tmp_path: Path) -> None:
    path = str(tmp_path / "key")
    assert run(lgss_sk, host, "-t", "server", "-f", "fs1", "-n", "bio", "-e", "3600", "-w", path)[0] == 0
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o400 and os.path.getsize(path) == 2407
    before = shared_key.read(path, pytest.fail)
    rc, out, _ = run(lgss_sk, host, "-t", "client", "-m", path)
    assert (rc, out) == (0, "Generating DH parameters, this can take a while...\n")
    after = shared_key.read(path, pytest.fail)
    assert (after.key, after.nodemap, after.expire) == (before.key, "bio", 3600)
    assert after.types == CLIENT and len(after.prime) == 256 and not before.prime
    assert run(lgss_sk, host, "-m", path, "-n", "other")[0] == 0
    assert shared_key.read(path, pytest.fail).prime == after.prime, "only what was asked for is changed"


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["-f", "fs1"], "error: missing --type"),
        (["-t", "client"], "error: missing --fsname or --mgsnids"),
        (["-t", "mgs", "-f", "fs1"], "error: missing --mgsnids for key of type mgs"),
        (["-t", "server", "-f", "fs1", "-i", "MD5"], "error: invalid HMAC algorithm specified"),
        (["-t", "server", "-f", "much-too-long"], "error: fsname too long"),
        (["-t", "server", "-f", "fs1", "-e", "soon"], "error: invalid expire 'soon'"),
        (["-t", "server", "-f", "fs1", "-d", "/nonexistent"], "error: opening '/nonexistent': No such file"),
    ],
)
def test_what_is_not_written(host: SimpleNamespace, tmp_path: Path, argv: list[str], text: str) -> None:
    rc, _, err = run(lgss_sk, host, *argv, "-w", str(tmp_path / "key"))
    assert rc == 1 and err.startswith(text) and not (tmp_path / "key").exists()


def test_a_readable_file_is_only_warned_of(host: SimpleNamespace, tmp_path: Path) -> None:
    path = str(tmp_path / "key")
    shared_key.write(path, SharedKey(types=SERVER, fsname="fs1", key=b"k" * 32))
    os.chmod(path, 0o644)
    rc, _, err = run(lgss_sk, host, "-l", path)
    assert (rc, err) == (0, f"warning: secret key '{path}' has insecure file mode 0100644\n")


def test_keys_of_a_mount(host: SimpleNamespace, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    folder.mkdir()
    shared_key.write(str(folder / "a"), SharedKey(types=SERVER, fsname="fs1", key=b"k" * 32))
    said: list[str] = []
    keyring = Keyring.of(host)
    assert shared_key.load_path(str(folder), False, keyring, said.append, 0) == ""
    assert list(keyring.serials()) == ["lustre:fs1:default"] and not said
    os.chmod(folder / "a", 0o600)
    assert shared_key.load_path(str(folder), True, keyring, said.append, 0) == ""
    assert "into a client key" in said[0] and shared_key.read(str(folder / "a"), said.append).types == CLIENT
    (folder / "b").write_text("no key")
    assert shared_key.load_path(str(folder), True, keyring, said.append, 0) == "Invalid argument"
    assert "does not have a complete key" in said[-1]


def test_loaded_keys_are_seen_and_taken_away(host: SimpleNamespace) -> None:
    SharedKey(types=SERVER | CLIENT | MGS, fsname="fs1", mgs_nids=("10.0.0.1@tcp2",), key=b"k" * 32).load(
        Keyring.of(host)
    )
    names = ["lustre:fs1:default", "lustre:MGS:default", "lustre:fs1", "lustre:MGC10.0.0.1@tcp2"]
    assert re.findall(r"user: (\S+)", run(keyctl, host, "show", "@u")[1]) == names
    rc, serial, _ = run(keyctl, host, "search", "@u", "user", "lustre:fs1")
    assert rc == 0
    assert run(keyctl, host, "unlink", serial.strip(), "@u")[0] == 0
    assert run(keyctl, host, "search", "@u", "user", "lustre:fs1")[::2] == (
        1,
        "keyctl_search: Required key not available\n",
    )
    assert run(keyctl, host, "purge", "user", "lustre:MGS:default")[1] == "user 'lustre:MGS:default'\npurged 1 keys\n"
    assert run(keyctl, host, "purge", "user", "lustre:MGS:default")[1] == "purged 0 keys\n"
    path = Path(host.runtime_dir) / "keyring"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and list(json.loads(path.read_text())) == [names[0], names[3]]


def test_a_key_that_is_loaded_again_keeps_its_number(host: SimpleNamespace) -> None:
    keyring = Keyring.of(host)
    assert keyring.add("lustre:fs1", b"one") == keyring.add("lustre:fs1", b"two")
    assert keyring.read("lustre:fs1") == b"two"


def test_a_token_proves_the_key_and_nothing_else() -> None:
    server = SharedKey(types=SERVER, fsname="fs1", key=b"k" * 32, expire=3600)
    client = SharedKey(types=CLIENT, fsname="fs1", key=b"k" * 32, prime=b"p" * 256)
    token = secret_token.offer(client.packed(), "fs1-MDT0000")
    assert b"kkkk" not in base64.b64decode(token)
    answer, seconds = secret_token.accept(server.packed(), token, "fs1-MDT0000", "default")
    assert seconds == 3600 and secret_token.confirmed(client.packed(), token, "fs1-MDT0000", answer)
    assert not secret_token.confirmed(client.packed(), token, "fs1-MDT0000", "00" * 32)
    for wrong in ("fs1-OST0000", "fs1-MDT0001"):
        with pytest.raises(secret_token.Refused, match="HMAC"):
            secret_token.accept(server.packed(), token, wrong, "default")
    with pytest.raises(secret_token.Refused, match="no token"):
        secret_token.accept(server.packed(), "AAAA", "fs1-MDT0000", "default")
    with pytest.raises(secret_token.Refused, match="no prime"):
        secret_token.offer(server.packed(), "fs1-MDT0000")
    with pytest.raises(secret_token.Refused, match="none of a server"):
        secret_token.accept(client.packed(), token, "fs1-MDT0000", "default")


def test_a_daemon_takes_only_what_it_was_started_for(host: SimpleNamespace) -> None:
    said: list[str] = []
    acceptor = Acceptor({"gssnull"}, Keyring.of(host), said.append)
    assert acceptor.answer({"mech": "sk", "nid": "1@tcp"}) == {"major": FAILURE} and "not enabled" in said[-1]
    assert acceptor.answer({"mech": "gssnull"})["mech"] == "gssnull"
    rc, _, err = run(lsvcgssd, host, "-h")
    assert rc == 1 and err.startswith("lsvcgssd: invalid option -- 'h'\nusage: lsvcgssd")


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        (["host/c.lab@R", "lustre_root/c.lab@R", "lustre_root@R"], "lustre_root/c.lab@R"),
        (["nfs/c.lab@R", "host/c.lab@R"], "host/c.lab@R"),
        (["lustre_root@R"], "lustre_root@R"),
        (["lustre_root/other.lab@R"], None),
        (["lustre_root/c.lab@OTHER"], None),
        (["lustre_oss/c.lab@R", "lustre_mds/c.lab@R"], "lustre_mds/c.lab@R"),
        ([], None),
    ],
)
def test_which_entry_stands_for_root(entries: list[str], wanted: str | None) -> None:
    assert proper(entries, ["", "c.lab"], "R") == wanted
