"""The file of the server's signing keys: lines of algorithm, version and seed.

    ed25519 a_1 <seed in unpadded Base64>

The first key signs; the others are still published, so that a key can be replaced.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from homeserver.domain.signing import ALGORITHM, SigningKey
from homeserver.runtime.config import ConfigError
from homeserver.runtime.private_files import create_private_file

_FIRST_VERSION = "a_1"


def read_signing_keys(path: Path) -> tuple[SigningKey, ...]:
    """The keys in the file, at least one. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ConfigError(str(path), None, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), None, None, "is not a file of signing keys") from error
    keys = tuple(
        _parse_key(line, path, number)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    )
    if not keys:
        raise ConfigError(str(path), None, None, "holds no signing key")
    return keys


def new_signing_key() -> SigningKey:
    """A key for a server that has none yet."""
    return SigningKey.generate(_FIRST_VERSION)


def write_signing_key(path: Path, key: SigningKey) -> None:
    """Make the file, with one key. Raises FileExistsError when there is one, or OSError."""
    algorithm, _, version = key.key_id.partition(":")
    create_private_file(path, f"{algorithm} {version} {key.seed_base64}\n")


def ensure_signing_keys(path: Path) -> tuple[SigningKey, ...]:
    """The keys in the file, which is made with a new key when there is none.

    Raises ConfigError for a file that is there and not right.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # made by another process of ours at the same moment
            write_signing_key(path, new_signing_key())
    return read_signing_keys(path)


def _parse_key(line: str, path: Path, number: int) -> SigningKey:
    try:
        algorithm, version, seed = line.split()
        if algorithm != ALGORITHM:
            raise ValueError("another algorithm")
        return SigningKey.from_seed(version, seed)
    except ValueError as error:
        # The line holds a secret, so it is not shown.
        reason = f"line {number} is not `ed25519 VERSION SEED`, the seed being 32 bytes in Base64"
        raise ConfigError(str(path), None, None, reason) from error
