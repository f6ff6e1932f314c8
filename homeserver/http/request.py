"""A request as handlers see it: parsed, authenticated, independent of the transport."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Final, Protocol, TypeVar
from urllib.parse import unquote_plus

import msgspec

from homeserver.domain.errors import (
    BadJson,
    InvalidParam,
    MissingParam,
    MissingToken,
    NotJson,
    Unauthorized,
)
from homeserver.domain.identifiers import DeviceId, ServerName, UserId
from homeserver.domain.requester import Requester
from homeserver.http.json_depth import is_deeper

DEFAULT_JSON_DEPTH: Final = 100
"""How many arrays and objects may lie within each other."""

Model = TypeVar("Model", bound=msgspec.Struct)


class RequestHeaders(Protocol):
    """The headers of a request, by lower-case name."""

    def get(self, name: str, /) -> str | None:
        """The last value of a header."""
        ...

    def get_all(self, name: str, /) -> Sequence[str]:
        """Every value of a header, in order."""
        ...


class Request:
    """One request.

    ``parameters`` holds the values of the path template, percent-decoded. ``content`` is the body,
    spooled to disk when large; JSON in it may nest ``json_depth`` deep. ``address`` is the client's
    IP address. ``raw_target`` is path and query as they arrived; by default as they are here.
    """

    __slots__ = (
        "_object",
        "_origin",
        "_query",
        "_raw_target",
        "_requester",
        "address",
        "content",
        "content_length",
        "headers",
        "id",
        "json_depth",
        "method",
        "parameters",
        "path",
        "query_string",
        "received_ms",
    )

    def __init__(
        self,
        *,
        method: str,
        path: str,
        parameters: dict[str, str],
        query_string: str,
        headers: RequestHeaders,
        content: BinaryIO,
        content_length: int,
        address: str,
        received_ms: int,
        id: str,
        json_depth: int = DEFAULT_JSON_DEPTH,
        raw_target: bytes | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.parameters = parameters
        self.query_string = query_string
        self.headers = headers
        self.content = content
        self.content_length = content_length
        self.address = address
        self.received_ms = received_ms
        self.id = id
        self.json_depth = json_depth
        self._raw_target = raw_target
        self._query: dict[str, list[str]] | None = None
        self._object: dict[str, Any] | None = None
        self._requester: Requester | None = None
        self._origin: ServerName | None = None

    @property
    def requester(self) -> Requester:
        """Who makes the request; MissingToken on a public operation."""
        if self._requester is None:
            raise MissingToken()
        return self._requester

    @property
    def requester_or_none(self) -> Requester | None:
        """Who makes the request, if they said."""
        return self._requester

    def authenticate_as(self, requester: Requester) -> None:
        """Note who makes the request (called once, by the dispatcher)."""
        self._requester = requester

    @property
    def origin(self) -> ServerName:
        """The server that makes the request; Unauthorized on an operation for anybody else."""
        if self._origin is None:
            raise Unauthorized()
        return self._origin

    def authenticate_origin(self, origin: ServerName) -> None:
        """Note which server makes the request (called once, by the dispatcher)."""
        self._origin = origin

    @property
    def target(self) -> str:
        """The path and the query as they arrived, which is what servers sign."""
        if self._raw_target is not None:
            return self._raw_target.decode("ascii")
        return f"{self.path}?{self.query_string}" if self.query_string else self.path

    @property
    def user_id(self) -> UserId:
        """The requesting user."""
        return self.requester.user_id

    @property
    def device_id(self) -> DeviceId | None:
        """The requesting device."""
        return self.requester.device_id

    @property
    def query(self) -> dict[str, list[str]]:
        """All query parameters."""
        if self._query is None:
            self._query = _parse_query(self.query_string)
        return self._query

    def query_value(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        values = self.query.get(name)
        return values[0] if values else None

    def query_as(self, model: type[Model]) -> Model:
        """The query as a typed model; InvalidParam or MissingParam when it does not fit."""
        lists = _list_fields(model)
        values = {k: v if k in lists else v[0] for k, v in self.query.items()}
        try:
            return msgspec.convert(values, model, strict=False)
        except msgspec.ValidationError as error:
            raise _parameter_error(error, InvalidParam) from None

    def body_bytes(self) -> bytes:
        """The whole body. For JSON; uploads read ``content`` piecemeal."""
        self.content.seek(0)
        return self.content.read()

    def body_as(self, model: type[Model]) -> Model:
        """The JSON body as a typed model; no body counts as {}. NotJson, BadJson, MissingParam."""
        decoded: Model = self._decode(_decoder(model))
        return decoded

    def body_object(self) -> dict[str, Any]:
        """The JSON body, which must be an object; no body counts as {}. NotJson, BadJson.

        It is decoded once: whoever asks again gets the same dict.
        """
        if self._object is None:
            value = self._decode(_any_value)
            if not isinstance(value, dict):
                raise BadJson("The body must be a JSON object")
            self._object = value
        return self._object

    def body_members(self) -> dict[str, msgspec.Raw]:
        """The members of the JSON body, which must be an object, as they came: whether they can be
        read, and how deep they are, is not known yet. No body counts as {}. NotJson, BadJson."""
        try:
            return _members.decode(self.body_bytes() or b"{}")
        except msgspec.ValidationError as error:
            raise _parameter_error(error, BadJson) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise NotJson() from None
        except RecursionError:
            raise _too_deep() from None

    def part_of_body(self, part: msgspec.Raw) -> Any:
        """A part of the JSON body, which may nest as deep as a whole one. NotJson, BadJson."""
        return self._read(bytes(part), _any_value)

    def _decode(self, decoder: msgspec.json.Decoder[Any]) -> Any:
        return self._read(self.body_bytes() or b"{}", decoder)

    def _read(self, body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
        try:
            decoded = decoder.decode(body)
        except msgspec.ValidationError as error:
            raise _parameter_error(error, BadJson) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise NotJson() from None
        except RecursionError:
            raise _too_deep() from None
        if is_deeper(body, self.json_depth):
            raise _too_deep()
        return decoded


_any_value: Final = msgspec.json.Decoder[Any]()
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


# Filters are sent with every request, and always the same few.
_unquote = lru_cache(maxsize=1024)(unquote_plus)


def _parse_query(text: str) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = _unquote(name), _unquote(value)
        if name:
            query.setdefault(name, []).append(value)
    return query


@lru_cache(maxsize=512)
def _decoder(model: type[Model]) -> msgspec.json.Decoder[Model]:
    return msgspec.json.Decoder(model)


@lru_cache(maxsize=512)
def _list_fields(model: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(
        field.encode_name
        for field in msgspec.structs.fields(model)
        if "list[" in str(field.type) or "List[" in str(field.type)
    )


def _too_deep() -> BadJson:
    return BadJson("The JSON is nested too deeply")


def _parameter_error(
    error: msgspec.ValidationError, otherwise: type[BadJson] | type[InvalidParam]
) -> MissingParam | BadJson | InvalidParam:
    message = str(error)
    if "missing required field" in message:
        return MissingParam(message)
    return otherwise(message)
