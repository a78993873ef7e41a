# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""lgss_keyring: what request-key starts on a client when its kernel wants a security context.

It finds the credentials (root's ticket from the keytab, or a loaded shared key), makes a token, has the kernel carry it to
the server, and tells the kernel how it went: a context, or nothing. Its words go to syslog, as recorded.
"""

from __future__ import annotations

import base64
import errno
import time
from collections.abc import Callable
from typing import Any, TextIO

from .. import secret_token
from ..faults import Faults
from ..keyring import Keyring
from ..sim_error import SimError
from ._log import to_syslog, with_place

PROGRAM = "lgss_keyring"
Place = Callable[[str, str], None]


class NoContext(Exception):
    """It ends here; everything is said."""


def main(argv: list[str], _stdin: TextIO, out: TextIO, err: TextIO, kernel: Any) -> int:
    ended = Faults.of(kernel).at_start(PROGRAM, out)
    if ended is not None:
        return ended
    realm = None
    if argv[:1] == ["-R"]:
        realm, argv = argv[1], argv[2:]
    if len(argv) < 5 or argv[0] != "create":
        err.write(f"usage: {PROGRAM} [-R REALM] create KEY TYPE DESCRIPTION CALLOUT UID GID THREAD PROCESS SESSION\n")
        return 1
    return negotiate(argv[1], argv[4], realm, kernel, with_place(to_syslog(PROGRAM)))


def negotiate(key: str, callout: str, realm: str | None, kernel: Any, say: Place) -> int:
    mech, service, nid, target, uid, own = callout.split(":")
    try:
        if mech == "krb5":
            from ._krb5_client import context
        elif mech == "sk":
            context = _shared_key
        else:
            context = _none
        expire, name = context(
            key, kernel, say, service=service, nid=nid, target=target, uid=int(uid), own=own, realm=realm
        )
        kernel.call("gss.instantiate", key=key, expire=expire, mech=name)
    except (NoContext, SimError):
        try:
            kernel.call("gss.revoke", key=key)
        except SimError:
            say("do_keyctl_update", f"revoke key {key}: Required key not available")
        return 1
    return 0


def carried(key: str, kernel: Any, say: Place, mech: str, token: str) -> dict[str, Any]:
    """The server's answer to a token; NoContext when it rejects."""
    answer: dict[str, Any] = kernel.call("gss.negotiate", key=key, token=token)
    if answer["major"]:
        say("lgssc_negotiation", f"negotiation gss error {answer['major']:x}")
        say(f"lgssc_kr_negotiate_{mech}", f"key {key}: failed to negotiation")
        say("error_kernel_key", f"unlink key {key} from -3: No such file or directory")
        raise NoContext()
    return answer


def _shared_key(key: str, kernel: Any, say: Place, *, target: str, nid: str, **_more: Any) -> tuple[int, str]:
    from ..kernel.srpc import fs_of

    description = secret_token.client_key(target, fs_of(target), nid)
    payload = Keyring.of(kernel).read(description)
    if payload is None:
        say("sk_create_cred", f"failed to find key {description}: Required key not available")
        say("prepare_and_instantiate", f"key {key}: failed to prepare credentials for user 0")
        raise SimError(errno.ENOKEY, description)
    try:
        token = secret_token.offer(payload, target)
    except secret_token.Refused as error:
        say("sk_create_cred", f"key {description}: {error}")
        raise NoContext() from error
    answer = carried(key, kernel, say, "sk", token)
    if not secret_token.confirmed(payload, token, target, answer["token"]):
        say("lgssc_kr_negotiate_sk", f"key {key}: the server does not have the shared key")
        raise NoContext()
    return int(answer["expire"]), "sk"


def _none(key: str, kernel: Any, say: Place, **_more: Any) -> tuple[int, str]:
    carried(key, kernel, say, "null", base64.b64encode(b"null").decode())
    return int(time.time()) + 3600, "gssnull"
