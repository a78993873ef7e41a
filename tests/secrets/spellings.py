# Copyright: lustre.core contributors
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a secret may stand in a text: as it is, in hexadecimal, in base64, in an escape. Each is looked for."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass

#: Fewer bytes stand in many a file by chance, and say nothing.
LEAST = 8
#: Bytes of a long secret that are looked for: dumps break lines after 16 of them, and base64 often after 48.
PIECE = 16


@dataclass(frozen=True)
class Secret:
    """``name`` is what a finding says; ``value`` never leaves this package."""

    name: str
    value: bytes

    def __post_init__(self) -> None:
        if len(self.value) < LEAST:
            raise ValueError(f"the secret {self.name} has {len(self.value)} bytes; fewer than {LEAST} prove nothing")


def spellings(value: bytes) -> dict[str, bytes]:
    """Kind of spelling to the bytes that show it; of a long secret, those of its first PIECE bytes."""
    piece = value[:PIECE]
    pairs = [f"{byte:02x}" for byte in piece]
    words = [piece[start : start + 2].hex() for start in range(0, len(piece) - len(piece) % 2, 2)]
    found = {
        "as it is": piece,
        "hexadecimal": piece.hex().encode(),
        "hexadecimal, upper case": piece.hex().upper().encode(),
        "hexadecimal, in pairs": " ".join(pairs).encode(),
        "hexadecimal, in pairs, upper case": " ".join(pairs).upper().encode(),
        "hexadecimal, with colons": ":".join(pairs).encode(),
        "hexadecimal, in words": " ".join(words).encode(),
        "escaped": "".join(f"\\x{pair}" for pair in pairs).encode(),
        "escaped by Python": repr(piece)[2:-1].encode(),
        "escaped for a URL": urllib.parse.quote_from_bytes(piece).encode(),
    }
    text = _text(piece)
    if text is not None:
        found["escaped by JSON"] = json.dumps(text)[1:-1].encode()
        found["in UTF-16"] = text.encode("utf-16-le")
    for name, variant in _base64(piece).items():
        found[name] = variant
    return found


def _text(piece: bytes) -> str | None:
    try:
        return piece.decode()
    except UnicodeDecodeError:
        return None


def _base64(piece: bytes) -> dict[str, bytes]:
    """base64 of a text that holds the secret looks different for each of three places; only whole letters are kept."""
    found = {}
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + piece)
        # letters that also carry bits of the bytes before and behind are dropped
        start = (before * 8 + 5) // 6
        letters = whole[start : (before + len(piece)) * 8 // 6]
        found[f"base64, place {before}"] = letters
        found[f"base64 for URLs, place {before}"] = letters.translate(bytes.maketrans(b"+/", b"-_"))
    return found


class Finder:
    """Looks for all spellings of all secrets at once."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        self._wanted: dict[bytes, str] = {}
        for secret in secrets:
            for kind, spelling in spellings(secret.value).items():
                self._wanted.setdefault(spelling, f"{secret.name} ({kind})")
        if not self._wanted:
            raise ValueError("there is no secret to look for: such a search finds nothing and proves nothing")
        self.longest = max(map(len, self._wanted))

    def find(self, data: bytes) -> list[str]:
        """Names of the secrets that stand in ``data``, with how they are spelled."""
        return sorted({name for spelling, name in self._wanted.items() if spelling in data})
