"""Whose certificates are believed."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen
class Trust:
    """The certificate authorities in a PEM file, or those of the operating system.

    Without ``verify`` any certificate will do, which is for tests and closed networks only.
    """

    ca_file: Path | None = None
    verify: bool = True
