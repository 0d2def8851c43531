"""The key that signs what the registry says: where it lies, how it is made, and how it is exchanged.

It lies outside the data directory, because the registry is there: whoever can write into the registry must not be able
to sign. By default it is `$XDG_CONFIG_HOME/pairity/signing.key` (`~/.config/…`); PAIRITY_SIGNING_KEY names another.
The ledger of `model_registry/ledger.py` lies beside it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from model_registry.private_folder import PrivateFolder, opened
from pairity.errors import SignatureError
from pairity.settings import SIGNING_KEY_VARIABLE as VARIABLE

_FILE = "signing.key"
_NEXT = ".next"
_CONTENT = re.compile(rb"[0-9a-f]{64}\n")


@dataclass(frozen=True, slots=True)
class Key:
    """A key of 32 bytes; it is never printed. `key_id` names it and tells nothing about it."""

    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Sixteen hexadecimal digits that stand beside each signature of this key."""
        return hashlib.sha256(b"pairity signing key" + self.secret).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that signs, and all keys whose signatures count: during an exchange the next one is among them."""

    signing: Key
    accepted: tuple[Key, ...]

    def find(self, key_id: str) -> Key | None:
        """Return the accepted key of that name; None where there is none."""
        return next((key for key in self.accepted if key.key_id == key_id), None)


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """An open folder with the key: `folder`, the name of the key's file in it, and the keys."""

    folder: PrivateFolder
    name: str
    keys: Keyring


def locate_key(root: Path) -> Path:
    """Return where the key of this user lies; it need not exist. `root` is the data directory.

    Raises SignatureError where that is inside the data directory, or nobody says where the user's home is.
    """
    named = os.environ.get(VARIABLE)
    if named:
        try:
            path = Path(named).expanduser().absolute()
        except RuntimeError:
            raise SignatureError(
                f"{VARIABLE} begins with the home of a user that does not exist",
                f"name a file: {VARIABLE}=/folder/{_FILE}",
            ) from None
    else:
        configured = os.environ.get("XDG_CONFIG_HOME", "")
        try:
            base = Path(configured) if Path(configured).is_absolute() else Path.home() / ".config"
        except RuntimeError:
            raise SignatureError(
                "there is no home directory to keep the signing key in", f"name a file: {VARIABLE}=/folder/{_FILE}"
            ) from None
        path = base / "pairity" / _FILE
    data = root.resolve()
    if path.parent.resolve() == data or data in path.parent.resolve().parents:
        raise SignatureError(
            f"the signing key {path} lies inside the data directory {root}, whose writers it must not serve",
            f"move its folder elsewhere and name it: {VARIABLE}=/folder/{_FILE}",
        )
    return path


@contextmanager
def open_keys(root: Path, *, to_sign: bool = False) -> Iterator[KeyPlace]:
    """Open the folder of the key for the block, to verify or `to_sign`.

    Whoever signs makes folder and key at first use, and signs alone: others wait until the block ends, a thread of this
    process too.

    Raises SignatureError where there is no key, where others could read or exchange it, and where it is damaged; a key
    that is gone while signatures of it are known is not made anew.
    """
    path = locate_key(root)
    with _opened(path, create=to_sign) as folder:
        if folder is None:
            raise _no_key(path)
        turn = folder.take_turns("signing") if to_sign else contextlib.nullcontext()
        with turn:
            current = _read(folder, path.name)
            if current is None and to_sign:
                current = _make(folder, path)
            if current is None:
                raise _no_key(path)
            following = _read(folder, path.name + _NEXT)
            accepted = (current,) if following is None else (current, following)
            yield KeyPlace(folder, path.name, Keyring(current, accepted))


def begin_exchange(place: KeyPlace) -> KeyPlace:
    """Return the place with keys of which the next one signs and both count; an interrupted exchange goes on."""
    if len(place.keys.accepted) == 1:
        place.folder.create(place.name + _NEXT, _render(secrets.token_bytes(32)))
    following = _read(place.folder, place.name + _NEXT)
    assert following is not None
    return replace(place, keys=Keyring(following, (place.keys.signing, following)))


def finish_exchange(place: KeyPlace) -> None:
    """Let the next key take the place of the present one, which is gone afterwards."""
    place.folder.rename(place.name + _NEXT, place.name)


def _no_key(path: Path) -> SignatureError:
    return SignatureError(
        f"there is no signing key at {path}: nothing that is registered can be verified",
        f"put the key back, or name it with {VARIABLE}; training makes one where there was none",
    )


@contextmanager
def _opened(path: Path, *, create: bool) -> Iterator[PrivateFolder | None]:
    try:
        with opened(path.parent, create=create) as folder:
            yield folder
    except OSError as error:
        raise SignatureError(
            f"the folder of the signing key, {path.parent}, cannot be used: {error.strerror or error}",
            f"make it writable, or name another file: {VARIABLE}=/folder/{_FILE}",
        ) from error


def _read(folder: PrivateFolder, name: str) -> Key | None:
    content = folder.read(name)
    if content is None:
        return None
    if not _CONTENT.fullmatch(content):
        raise SignatureError(
            f"{folder.path / name} is no signing key: 64 hexadecimal digits and a line feed are expected",
            "restore it from a copy; or remove it and the ledgers beside it, and sign the versions again",
        )
    return Key(bytes.fromhex(content.decode()))


def _make(folder: PrivateFolder, path: Path) -> Key:
    left = [name for name in folder.list_names() if name.startswith(f"{path.name}.ledger-")]
    if left:
        raise SignatureError(
            f"the signing key {path} is gone, and {left[0]} beside it was made with it",
            "restore the key from a copy; or remove the ledgers too, and sign versions again with pairity models sign",
        )
    folder.create(path.name, _render(secrets.token_bytes(32)))  # where another process was faster, its key counts
    key = _read(folder, path.name)
    assert key is not None
    return key


def _render(secret: bytes) -> bytes:
    return secret.hex().encode() + b"\n"
