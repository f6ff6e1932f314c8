"""What a scenario raises when the homeserver falls short."""

from __future__ import annotations


class ScenarioFailed(Exception):
    """The homeserver did something that no client should see."""
