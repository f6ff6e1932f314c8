"""What clients ask before they know anybody."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from homeserver.api.server.capabilities import CapabilitiesApi
from homeserver.api.server.operations import OperationsApi
from homeserver.api.server.third_party_networks import ThirdPartyNetworksApi
from homeserver.api.server.versions import VersionsApi
from homeserver.api.server.well_known import WellKnown, WellKnownApi
from homeserver.http.routes import Api
from homeserver.ports.database import Transaction
from homeserver.runtime.config import Config
from homeserver.runtime.metrics import CONTENT_TYPE
from homeserver.runtime.wiring.foundation import Foundation

# Proposals that clients look for by name, and that work here.
UNSTABLE_FEATURES = (
    "org.matrix.msc3391",
    "org.matrix.msc3916.stable",
    "org.matrix.simplified_msc3575",
    "uk.tcpip.msc4133",
    "uk.tcpip.msc4133.stable",
)

# Those that the configuration can switch off.
DELAYED_EVENTS = ("org.matrix.msc4140", "org.matrix.msc4486")
RTC_TRANSPORTS = ("org.matrix.msc4143",)


def build_discovery(on: Foundation) -> list[Api]:
    """Versions, capabilities, well-known documents, health and metrics."""
    config = on.config
    known = config.well_known
    contacts = tuple(
        {k: v for k, v in msgspec.to_builtins(contact).items() if v is not None}
        for contact in known.support_contacts
    )

    async def check() -> None:
        await on.database.read(_sign_of_life)

    return [
        VersionsApi(_unstable_features(config)),
        CapabilitiesApi(config.rooms.default_version, login_tokens=True),
        WellKnownApi(
            WellKnown(
                client_base_url=known.client_base_url or config.public_baseurl,
                client_extra=known.client_extra,
                rtc_foci=config.matrix_rtc.transports,
                server=known.server,
                support_page=known.support_page,
                support_contacts=contacts,
            )
        ),
        ThirdPartyNetworksApi(),
        OperationsApi(
            check,
            on.metrics.render if config.metrics.enabled else None,
            CONTENT_TYPE,
            config.metrics.allow_from,
        ),
    ]


def _unstable_features(config: Config) -> Iterator[str]:
    yield from UNSTABLE_FEATURES
    if config.delayed_events.enabled:
        yield from DELAYED_EVENTS
    if config.matrix_rtc.transports:
        yield from RTC_TRANSPORTS


def _sign_of_life(tx: Transaction) -> None:
    tx.one("SELECT 1")
