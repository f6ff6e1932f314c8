"""matrix-js-sdk: the stories under js/stories/, each told by a Node.js process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.node import PROJECT, Node

STORIES = sorted((PROJECT / "stories").glob("*.mjs"))
STORY_LIMIT = 60.0


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.stem)
def test_story(homeserver: str, node: Node, story: Path) -> None:
    node.run(
        str(story),
        cwd=PROJECT,
        environment={"HOMESERVER_URL": homeserver},
        limit=STORY_LIMIT,
    )
