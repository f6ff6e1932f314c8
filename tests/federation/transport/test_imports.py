"""What a server that never asks others does not pay for."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import sys
import federation.transport.federation_client, federation.transport.well_known
sys.exit("OpenSSL" in sys.modules or "twisted.internet.reactor" in sys.modules)
"""


def test_openssl_is_not_imported_before_the_first_request() -> None:
    assert subprocess.run([sys.executable, "-c", _PROGRAM], check=False).returncode == 0
