# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What SSK says over the wire: each side proves that it has the shared key, without showing it.

The real mechanism agrees on a session key by Diffie-Hellman, signs each message with the shared key and refuses a peer
whose nodemap is not the key's. The proof is real here, too; there is no session to encrypt.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets

from .shared_key import CLIENT, MGS, SERVER, SharedKey


class Refused(Exception):
    """The text says why."""


def client_key(target: str, fsname: str, nid: str) -> str:
    """Under which description a client looks for its key."""
    return f"lustre:MGC{nid}" if target == "MGS" else f"lustre:{fsname}"


def server_key(target: str, fsname: str, nodemap: str) -> str:
    return f"lustre:MGS:{nodemap}" if target == "MGS" else f"lustre:{fsname}:{nodemap}"


def offer(payload: bytes, target: str) -> str:
    """The client's token. Refused when the key is none of a client, which has a prime."""
    key = SharedKey.unpacked(payload)
    if not key.types & CLIENT or not key.prime:
        raise Refused("the key has no prime: it is not a client's")
    nonce = secrets.token_hex(16)
    said = {
        "nonce": nonce,
        "nodemap": key.nodemap,
        "bits": key.prime_bits,
        "proof": _proof(key, "client", nonce, target),
    }
    return base64.b64encode(json.dumps(said).encode()).decode()


def accept(payload: bytes, token: str, target: str, nodemap: str) -> tuple[str, int]:
    """The server's answer and the seconds that the context lives; Refused for another key or nodemap."""
    key = SharedKey.unpacked(payload)
    if not key.types & (MGS if target == "MGS" else SERVER):
        raise Refused("the loaded key is none of a server")
    try:
        said = json.loads(base64.b64decode(token))
        nonce, proof = str(said["nonce"]), str(said["proof"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("no token of this mechanism") from error
    if not hmac.compare_digest(proof, _proof(key, "client", nonce, target)):
        raise Refused("HMAC verification failed: the client has another shared key")
    if said.get("nodemap") != nodemap:
        raise Refused(f"the client's key is for the nodemap {said.get('nodemap')}, its NID is in {nodemap}")
    if int(said.get("bits", 0)) < key.prime_bits:
        raise Refused(f"prime length of {said.get('bits')} bits rejected, at least {key.prime_bits} wanted")
    return _proof(key, "server", nonce, target), key.expire


def confirmed(payload: bytes, token: str, target: str, answer: str) -> bool:
    key = SharedKey.unpacked(payload)
    nonce = str(json.loads(base64.b64decode(token))["nonce"])
    return hmac.compare_digest(answer, _proof(key, "server", nonce, target))


def _proof(key: SharedKey, side: str, nonce: str, target: str) -> str:
    return hmac.new(key.key, f"{side}:{nonce}:{target}".encode(), hashlib.sha256).hexdigest()
