# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The few calls of MIT's GSS-API library that a negotiation needs, with its own error texts."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int, c_size_t, c_uint32, c_void_p
from typing import Any

LIBRARY = "libgssapi_krb5.so.2"
_COMPLETE, _CONTINUE = 0, 1
_MUTUAL, _INTEGRITY, _CONFIDENTIALITY = 2, 32, 16
_INITIATE, _ACCEPT = 1, 2
ENCTYPES = {
    17: "aes128-cts-hmac-sha1-96", 18: "aes256-cts-hmac-sha1-96", 19: "aes128-cts-hmac-sha256-128",
    20: "aes256-cts-hmac-sha384-192",
}  # fmt: skip


class GssError(Exception):
    """``str`` is what the library says: of the major and of the minor status."""


class _Oid(ctypes.Structure):
    _fields_ = [("length", c_uint32), ("elements", c_void_p)]


class _Buffer(ctypes.Structure):
    _fields_ = [("length", c_size_t), ("value", c_void_p)]

    def bytes(self) -> bytes:
        return ctypes.string_at(self.value, self.length) if self.value else b""


class _BufferSet(ctypes.Structure):
    _fields_ = [("count", c_size_t), ("elements", POINTER(_Buffer))]


def _oid(text: str) -> _Oid:
    data = bytes.fromhex(text)
    kept = ctypes.create_string_buffer(data, len(data))
    found = _Oid(len(data), ctypes.cast(kept, c_void_p))
    found.kept = kept  # the structure has only an address
    return found


_KRB5 = _oid("2a864886f712010202")
_HOSTBASED = _oid("2a864886f71201020104")
_SESSION_KEY = _oid("2a864886f7120102020505")


def _library() -> Any:
    return ctypes.CDLL(LIBRARY)


class Gss:
    """One side's calls; everything made is released with ``close``."""

    def __init__(self) -> None:
        self._lib = _library()
        self._context = c_void_p()
        self._cred = c_void_p()
        self._names: list[c_void_p] = []
        self.lifetime = 0

    def close(self) -> None:
        minor = c_uint32()
        if self._context:
            self._lib.gss_delete_sec_context(byref(minor), byref(self._context), None)
        if self._cred:
            self._lib.gss_release_cred(byref(minor), byref(self._cred))
        for name in self._names:
            self._lib.gss_release_name(byref(minor), byref(name))

    def _must(self, major: int, minor: c_uint32) -> int:
        status = major & 0xFFFFFFFF
        if status & 0xFFFF0000:
            raise GssError(f"{self._text(status, 1)} - {self._text(minor.value, 2)}")
        return status

    def _text(self, code: int, kind: int) -> str:
        found, more, minor = [], c_uint32(), c_uint32()
        while True:
            part = _Buffer()
            self._lib.gss_display_status(
                byref(minor), c_uint32(code), c_int(kind), byref(_KRB5), byref(more), byref(part)
            )
            found.append(part.bytes().decode(errors="replace"))
            self._lib.gss_release_buffer(byref(minor), byref(part))
            if not more.value:
                return " ".join(found)

    def _name(self, service: str) -> c_void_p:
        minor, name = c_uint32(), c_void_p()
        text = service.encode()
        buffer = _Buffer(len(text), ctypes.cast(ctypes.c_char_p(text), c_void_p))
        self._must(self._lib.gss_import_name(byref(minor), byref(buffer), byref(_HOSTBASED), byref(name)), minor)
        self._names.append(name)
        return name

    def acquire(self, service: str | None) -> str:
        """Credentials to accept for a service (its entry of the keytab), or those of the ticket cache; the name in them."""
        minor, lifetime = c_uint32(), c_uint32()
        name = self._name(service) if service else c_void_p()
        usage = c_int(_ACCEPT if service else _INITIATE)
        major = self._lib.gss_acquire_cred(
            byref(minor), name, c_uint32(0xFFFFFFFF), None, usage, byref(self._cred), None, byref(lifetime)
        )
        self._must(major, minor)
        if service:
            return service
        owner = c_void_p()
        major = self._lib.gss_inquire_cred(byref(minor), self._cred, byref(owner), byref(lifetime), None, None)
        self._must(major, minor)
        self._names.append(owner)
        self.lifetime = lifetime.value
        return self._shown(owner)

    def _shown(self, name: c_void_p) -> str:
        minor, text = c_uint32(), _Buffer()
        self._must(self._lib.gss_display_name(byref(minor), name, byref(text), None), minor)
        found = text.bytes().decode(errors="replace")
        self._lib.gss_release_buffer(byref(minor), byref(text))
        return found

    def initiate(self, service: str, answer: bytes = b"") -> bytes:
        """The first token for ``SERVICE@HOST``, or with the server's answer the end of the negotiation."""
        minor, out, lifetime = c_uint32(), _Buffer(), c_uint32()
        name = self._names[-1] if answer else self._name(service)
        incoming = _Buffer(len(answer), ctypes.cast(ctypes.c_char_p(answer), c_void_p))
        major = self._lib.gss_init_sec_context(
            byref(minor), self._cred, byref(self._context), name, byref(_KRB5),
            c_uint32(_MUTUAL | _INTEGRITY | _CONFIDENTIALITY), c_uint32(0), None, byref(incoming) if answer else None, None,
            byref(out), None, byref(lifetime),
        )  # fmt: skip
        self._must(major, minor)
        self.lifetime = lifetime.value
        return self._taken(out)

    def accept(self, token: bytes) -> tuple[str, bytes]:
        """(the client's principal, the answer for it)."""
        minor, out, lifetime, source = c_uint32(), _Buffer(), c_uint32(), c_void_p()
        incoming = _Buffer(len(token), ctypes.cast(ctypes.c_char_p(token), c_void_p))
        major = self._lib.gss_accept_sec_context(
            byref(minor), byref(self._context), self._cred, byref(incoming), None, byref(source), None, byref(out), None,
            byref(lifetime), None,
        )  # fmt: skip
        self._must(major, minor)
        self._names.append(source)
        self.lifetime = lifetime.value
        return self._shown(source), self._taken(out)

    def _taken(self, buffer: _Buffer) -> bytes:
        found, minor = buffer.bytes(), c_uint32()
        self._lib.gss_release_buffer(byref(minor), byref(buffer))
        return found

    def mechanism(self) -> str:
        """``krb5 (aes256-cts-hmac-sha384-192)``: with the encryption of the session key."""
        minor, found = c_uint32(), POINTER(_BufferSet)()
        major = self._lib.gss_inquire_sec_context_by_oid(byref(minor), self._context, byref(_SESSION_KEY), byref(found))
        self._must(major, minor)
        number = 0
        if found and found.contents.count > 1:
            for byte in reversed(found.contents.elements[1].bytes()):  # the last arc of the object identifier
                if number and not byte & 0x80:
                    break
                number = number or byte
        self._lib.gss_release_buffer_set(byref(minor), byref(found))
        return f"krb5 ({ENCTYPES.get(number, f'etype {number}')})"
