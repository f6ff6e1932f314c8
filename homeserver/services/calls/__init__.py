"""Calls: how they are set up, and how they end when a device is gone."""
