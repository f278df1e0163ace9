"""Names that tell nothing: everything about an item that a browser receives is made with the study's secret salt.

Whatever is derived from public values alone (title, time, seed, atlas) can be computed by anybody, and then tells the
role of an item. The salt is the one thing of a study that its seed does not determine.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator
from itertools import count

_N_HEX = 32


def new_salt() -> str:
    """A fresh secret of 64 hex digits."""
    return secrets.token_hex(32)


def salt_digest(salt: str) -> str:
    """What may be told of a salt: its SHA-256, or "" for no salt."""
    return hashlib.sha256(salt.encode("utf-8", "backslashreplace")).hexdigest() if salt else ""


def keyed_digest(salt: str, *parts: str | int) -> bytes:
    """HMAC-SHA256 of the parts under the salt: 32 bytes, random to whoever does not have the salt."""
    message = "/".join(str(part) for part in parts)
    return hmac.digest(salt.encode(), message.encode(), "sha256")


def item_ids(salt: str) -> Iterator[str]:
    """Endless different ids of 16 hex digits; the same salt gives the same ones."""
    for number in count():
        yield keyed_digest(salt, "item", number).hex()[:16]


def picture_name(salt: str, item_id: str, place: int) -> str:
    """Under which a browser gets the picture at this place of the item, 32 hex digits.

    The same picture has another name in every item, so a repeat cannot be known by its addresses.
    """
    return keyed_digest(salt, "picture", item_id, place).hex()[:_N_HEX]
