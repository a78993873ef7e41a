# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How lsvcgssd decides about one client that wants a context."""

from __future__ import annotations

import dataclasses
import socket
import time
from typing import Any

from .. import secret_token
from ..keyring import Keyring
from ._log import Say

FAILURE = 0xD0000
SERVICES = {"lustre_mgs": "MGS", "lustre_mds": "MDS", "lustre_oss": "OSS"}


@dataclasses.dataclass
class Acceptor:
    """Which mechanisms are served, and with what."""

    mechanisms: set[str]
    keyring: Keyring
    say: Say
    host: str = ""  # the name that the services' principals carry, where one was found

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """``{"major": 0, "expire", "mech", "token"}``, or only the error."""
        mech = request.get("mech", "")
        if mech not in self.mechanisms:
            self.say(f"ERROR: mechanism {mech} is not enabled, request from {request.get('nid')}")
            return {"major": FAILURE}
        if mech == "krb5":
            from ._krb5_server import accept

            return accept(request, self.say)
        if mech == "sk":
            return self._shared_key(request)
        return {"major": 0, "expire": int(time.time()) + 3600, "mech": "gssnull", "token": ""}

    def _shared_key(self, request: dict[str, Any]) -> dict[str, Any]:
        target, nid = request["target"], request["nid"]
        description = secret_token.server_key(target, request["fsname"], request["nodemap"])
        payload = self.keyring.read(description)
        if payload is None:
            self.say(f"ERROR: no key {description} is loaded, which {nid} needs")
            return {"major": FAILURE}
        try:
            token, seconds = secret_token.accept(payload, request["token"], target, request["nodemap"])
        except secret_token.Refused as error:
            self.say(f"ERROR: {nid} for {target}: {error}")
            return {"major": FAILURE}
        return {"major": 0, "expire": int(time.time()) + seconds, "mech": "sk", "token": token}


def name_of(nid: str) -> str:
    """The name that the reverse lookup of a NID's address gives, "" when there is none."""
    try:
        return socket.gethostbyaddr(nid.rpartition("@")[0])[0].lower()
    except OSError:
        return ""
