"""The configuration: a TOML file, read once into a frozen value.

``load_config`` reads it; everything else takes the values it needs from the :class:`Config`.
"""

from __future__ import annotations

from homeserver.runtime.config.config import Config
from homeserver.runtime.config.error import ConfigError
from homeserver.runtime.config.reading import load_config, parse_config

__all__ = ["Config", "ConfigError", "load_config", "parse_config"]
