"""The page about operations."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from homeserver.http.answers import EMPTY, Answer
from homeserver.http.request import Request
from homeserver.http.routes import Access, RateClass, Route, client, route, unstable
from homeserver.runtime.coverage import render_coverage

ROOT = Path(__file__).parents[3]
COMMAND = "python -m homeserver.runtime.coverage > docs/coverage.md"


async def nothing(request: Request) -> Answer:
    return EMPTY


def rows(*routes: Route) -> list[str]:
    return [line for line in render_coverage(routes).splitlines() if "`/" in line]


def test_an_operation_is_shown_with_all_there_is_to_know() -> None:
    join = route(
        "POST",
        client("/rooms/{roomId}/join"),
        nothing,
        access=Access.GUEST,
        rate=RateClass.JOIN,
        section="Joining rooms",
    )
    assert rows(join) == [
        "| POST | `/_matrix/client/{v3,r0}/rooms/{roomId}/join` | guest | join | Joining rooms |"
    ]


def test_other_paths_of_an_operation_have_lines_of_their_own() -> None:
    paths = client("/a", "v1") + unstable("/a", "org.x")
    (row,) = rows(route("GET", paths, nothing, section=""))
    assert "| `/_matrix/client/v1/a`<br>`/_matrix/client/unstable/org.x/a` |" in row


def test_operations_of_an_area_stand_together_whatever_their_version() -> None:
    shown = rows(
        route("GET", client("/b"), nothing, section=""),
        route("PUT", client("/a", "v1"), nothing, section=""),
        route("GET", client("/a"), nothing, section=""),
    )
    assert [row.split("`")[1].rpartition("/")[2] for row in shown] == ["a", "a", "b"]
    assert [row.split(" ")[1] for row in shown] == ["GET", "PUT", "GET"]


def test_the_page_in_docs_is_up_to_date() -> None:
    page = subprocess.run(
        [sys.executable, "-m", "homeserver.runtime.coverage"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    written = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert written == page, f"the routes have changed; write the page anew: {COMMAND}"
