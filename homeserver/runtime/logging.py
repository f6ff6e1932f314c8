"""Structured logs on standard error: lines for people, or one JSON object a line.

Modules take their logger from ``structlog.get_logger(__name__)`` and log an event with fields:
``log.info("room_created", room_id=room_id)``. What is bound by :func:`bind_request` goes into every
line of that request. What Twisted and libraries log through their own systems ends up here too.
"""

from __future__ import annotations

import json
import logging
import sys
from contextlib import AbstractContextManager
from typing import Any, BinaryIO, Final

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.failure import Failure
from zope.interface import implementer

from homeserver.runtime.config.sections import LogSection

_LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_TWISTED_LEVELS: Final = {
    LogLevel.debug: logging.DEBUG,
    # "Starting factory", "Timing out client" and their like are of no interest to operators.
    LogLevel.info: logging.DEBUG,
    LogLevel.warn: logging.WARNING,
    LogLevel.error: logging.ERROR,
    LogLevel.critical: logging.ERROR,
}


def configure_logging(section: LogSection, stream: BinaryIO | None = None) -> None:
    """Send the process's logs to ``stream``, standard error unless told otherwise.

    A call below the level costs one call of an empty function.
    """
    level = _LEVELS[section.level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _add_name,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *_renderers(section),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(stream or sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=max(level, logging.WARNING), force=True)
    logging.captureWarnings(True)


def begin_twisted_logging() -> None:
    """Send what Twisted logs, from now on and so far, to the configured logs. Once a process."""
    globalLogBeginner.beginLoggingTo([TwistedLogObserver()], redirectStandardIO=False)


def bind_request(request_id: str) -> AbstractContextManager[None]:
    """A context in which every line carries ``request_id``."""
    return structlog.contextvars.bound_contextvars(request_id=request_id)


@implementer(ILogObserver)
class TwistedLogObserver:
    """Passes on what Twisted logs."""

    def __call__(self, event: LogEvent) -> None:
        level = _TWISTED_LEVELS.get(event.get("log_level", LogLevel.info), logging.INFO)
        fields: dict[str, Any] = {}
        failure = event.get("log_failure")
        if isinstance(failure, Failure) and failure.value is not None:
            fields["exc_info"] = failure.value
        elif event.get("isError"):
            return  # It says that a failure follows, of which nobody took notice.
        logger = structlog.get_logger(str(event.get("log_namespace", "twisted")))
        logger.log(level, formatEvent(event) or "unhandled_failure", **fields)


class _LibraryHandler(logging.Handler):
    """Passes on what libraries log through the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        structlog.get_logger(record.name).log(record.levelno, record.getMessage(), **fields)


def _add_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    if logger.name is not None:
        event["logger"] = logger.name
    return event


def _renderers(section: LogSection) -> list[Processor]:
    if section.format == "json":
        return [structlog.processors.format_exc_info, _render_json]
    # Tracebacks without the values of variables: some are secret.
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    return [console, _encode]


def _render_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    try:
        return msgspec.json.encode(event, enc_hook=repr)
    except (OverflowError, TypeError, ValueError):
        # Odd values, such as lone surrogates out of a request's path, must not cost the line.
        return json.dumps(event, default=repr, skipkeys=True).encode("ascii")


def _encode(_logger: WrappedLogger, _method: str, line: Any) -> bytes:
    return str(line).encode("utf-8", "backslashreplace")
