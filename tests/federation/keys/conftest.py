"""Two servers that know nothing of each other yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clock import FakeClock
from tests.federation.key_servers import HERE, THERE, KeyServer, Network, Setting


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(Network(), FakeClock(), tmp_path)


@pytest.fixture
def here(setting: Setting) -> KeyServer:
    return KeyServer(setting, HERE)


@pytest.fixture
def there(setting: Setting) -> KeyServer:
    return KeyServer(setting, THERE)
