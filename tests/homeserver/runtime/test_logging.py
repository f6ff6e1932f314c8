"""Structured logs: their lines, their context, and what is passed on from elsewhere."""

from __future__ import annotations

import gc
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger, globalLogPublisher

from homeserver.runtime.config.sections import LogSection
from homeserver.runtime.logging import TwistedLogObserver, bind_request, configure_logging


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers, root.level = handlers, level
    logging.captureWarnings(False)


def configured(stream: io.BytesIO, **section: Any) -> None:
    configure_logging(LogSection(**section), stream)


def json_lines(stream: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_json_line_holds_the_event_its_fields_and_where_it_comes_from() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    structlog.get_logger("homeserver.rooms").info("room_created", room_id="!a:b", size=3)
    (line,) = json_lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "room_created",
        "level": "info",
        "logger": "homeserver.rooms",
        "room_id": "!a:b",
        "size": 3,
    }


def test_lines_below_the_level_are_left_out() -> None:
    stream = io.BytesIO()
    configured(stream, format="json", level="warning")
    logger = structlog.get_logger("homeserver")
    logger.info("unimportant")
    logger.warning("important")
    assert [line["event"] for line in json_lines(stream)] == ["important"]


def test_every_line_of_a_request_carries_its_id() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    logger = structlog.get_logger("homeserver")
    with bind_request("r1"):
        logger.info("inside")
    logger.info("outside")
    assert [line.get("request_id") for line in json_lines(stream)] == ["r1", None]


def test_an_exception_comes_with_its_traceback_on_one_json_line() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    try:
        raise RuntimeError("broken")
    except RuntimeError as error:
        structlog.get_logger("homeserver").error("failed", exc_info=error)
    (line,) = json_lines(stream)
    assert "RuntimeError: broken" in line["exception"]


def test_a_traceback_for_people_does_not_show_the_values_of_variables() -> None:
    stream = io.BytesIO()
    configured(stream, format="console")
    password = "hunter-2"
    try:
        raise RuntimeError(len(password))
    except RuntimeError as error:
        structlog.get_logger("homeserver").error("failed", exc_info=error)
    output = stream.getvalue().decode()
    assert "RuntimeError: 8" in output
    assert password not in output


def test_a_value_that_is_not_json_is_written_as_its_repr() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    structlog.get_logger("homeserver").info("odd", value=object, lone="\ud800")
    (line,) = json_lines(stream)
    assert line["value"] == "<class 'object'>"


def test_a_line_for_people_reads_as_text() -> None:
    stream = io.BytesIO()
    configured(stream, format="console")
    structlog.get_logger("homeserver.rooms").info("room_created", room_id="!a:b")
    output = stream.getvalue().decode()
    assert "room_created" in output
    assert "room_id=!a:b" in output


def test_a_failure_that_twisted_logs_arrives_with_its_traceback() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    twisted = Logger(namespace="twisted.internet.defer", observer=TwistedLogObserver())
    try:
        raise ValueError("lost")
    except ValueError:
        twisted.failure("Unhandled error in Deferred")
    (line,) = json_lines(stream)
    assert line["logger"] == "twisted.internet.defer"
    assert line["level"] == "error"
    assert "ValueError: lost" in line["exception"]


def test_the_chatter_of_twisted_is_for_debugging() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    twisted = Logger(namespace="twisted.web", observer=TwistedLogObserver())
    twisted.info("Starting factory {factory}", factory="x")
    assert json_lines(stream) == []


def test_warnings_of_libraries_arrive_too() -> None:
    stream = io.BytesIO()
    configured(stream, format="json")
    logging.getLogger("some.library").warning("%s is deprecated", "this")
    logging.getLogger("some.library").info("chatter")
    (line,) = json_lines(stream)
    assert (line["event"], line["logger"]) == ("this is deprecated", "some.library")


def test_what_fails_in_the_background_is_logged_with_where_it_failed() -> None:
    async def work() -> None:
        await succeed(None)
        raise ValueError("lost")

    stream = io.BytesIO()
    configured(stream, format="json")
    observer = TwistedLogObserver()
    globalLogPublisher.addObserver(observer)
    try:
        Deferred.fromCoroutine(work())
        gc.collect()
    finally:
        globalLogPublisher.removeObserver(observer)
    (line,) = json_lines(stream)
    assert line["level"] == "error"
    assert line["event"] == "unhandled_failure"
    assert "ValueError: lost" in line["exception"]
    assert "in work" in line["exception"]
