"""Errors of the Matrix APIs, raised where they are found and mapped to answers once.

Client-server API, "Standard error response" and "Error codes". Every class fixes an
``errcode`` and an HTTP status; an instance adds a message for people and, where the
specification names them, further fields of the answer.
"""

from __future__ import annotations

from typing import Any, ClassVar


class MatrixError(Exception):
    """An error that a client or server is told about.

    ``fields`` are merged into the JSON body beside ``errcode`` and ``error``.
    """

    errcode: ClassVar[str] = "M_UNKNOWN"
    status: ClassVar[int] = 400
    default_message: ClassVar[str] = "The request failed"

    def __init__(self, message: str | None = None, **fields: Any) -> None:
        self.message = message if message is not None else self.default_message
        self.fields = fields
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        """The JSON object that the client receives."""
        return {"errcode": self.errcode, "error": self.message, **self.fields}


class Unknown(MatrixError):
    pass


class AliasExists(Unknown):
    status = 409
    default_message = "The room alias already exists"


class InternalError(MatrixError):
    status = 500
    default_message = "Internal server error"


class Forbidden(MatrixError):
    errcode = "M_FORBIDDEN"
    status = 403
    default_message = "You are not allowed to do this"


class InviteBlocked(MatrixError):
    """The invited user accepts no invites."""

    errcode = "M_INVITE_BLOCKED"
    status = 403
    default_message = "The user does not accept invites"


class LoginFailed(Forbidden):
    default_message = "Invalid username or password"


class MissingToken(MatrixError):
    errcode = "M_MISSING_TOKEN"
    status = 401
    default_message = "Missing access token"


class UnknownToken(MatrixError):
    """The access token is not, or no longer, valid; ``soft_logout`` keeps the device."""

    errcode = "M_UNKNOWN_TOKEN"
    status = 401
    default_message = "Unrecognised access token"

    def __init__(self, message: str | None = None, *, soft_logout: bool = False) -> None:
        super().__init__(message, **({"soft_logout": True} if soft_logout else {}))


class UserLocked(MatrixError):
    errcode = "M_USER_LOCKED"
    status = 401
    default_message = "This account is locked"


class UserSuspended(MatrixError):
    errcode = "M_USER_SUSPENDED"
    status = 403
    default_message = "This account is suspended"


class UserDeactivated(MatrixError):
    errcode = "M_USER_DEACTIVATED"
    status = 403
    default_message = "This account has been deactivated"


class BadJson(MatrixError):
    errcode = "M_BAD_JSON"
    default_message = "The JSON does not have the expected form"


class NotJson(MatrixError):
    errcode = "M_NOT_JSON"
    default_message = "The request body is not valid JSON"


class NotFound(MatrixError):
    errcode = "M_NOT_FOUND"
    status = 404
    default_message = "Not found"


class Unrecognized(MatrixError):
    errcode = "M_UNRECOGNIZED"
    status = 404
    default_message = "Unrecognized request"


class MethodNotAllowed(Unrecognized):
    status = 405
    default_message = "The endpoint does not support this method"


class LimitExceeded(MatrixError):
    """Too many requests; ``retry_after_ms`` also becomes the ``Retry-After`` header."""

    errcode = "M_LIMIT_EXCEEDED"
    status = 429
    default_message = "Too many requests"

    def __init__(self, retry_after_ms: int, message: str | None = None) -> None:
        super().__init__(message, retry_after_ms=retry_after_ms)
        self.retry_after_ms = retry_after_ms


class Overloaded(LimitExceeded):
    """The server sheds this kind of request for now."""

    status = 503
    default_message = "The server is overloaded, try again later"


class DatabaseUnavailable(Overloaded):
    default_message = "The database is not available, try again later"


class ResourceLimitExceeded(MatrixError):
    errcode = "M_RESOURCE_LIMIT_EXCEEDED"
    status = 403


class StorageFull(MatrixError):
    errcode = "M_RESOURCE_LIMIT_EXCEEDED"
    status = 507
    default_message = "The server has no storage left"


class InvalidParam(MatrixError):
    errcode = "M_INVALID_PARAM"
    default_message = "A parameter is invalid"


class MissingParam(MatrixError):
    errcode = "M_MISSING_PARAM"
    default_message = "A parameter is missing"


class TooLarge(MatrixError):
    errcode = "M_TOO_LARGE"
    status = 413
    default_message = "The request or entity is too large"


class UserInUse(MatrixError):
    errcode = "M_USER_IN_USE"
    default_message = "This user ID is already taken"


class InvalidUsername(MatrixError):
    errcode = "M_INVALID_USERNAME"
    default_message = "This is not a valid user name"


class WeakPassword(MatrixError):
    errcode = "M_WEAK_PASSWORD"
    default_message = "The password is too weak"


class Exclusive(MatrixError):
    errcode = "M_EXCLUSIVE"
    default_message = "The name is reserved by an application service"


class RoomInUse(MatrixError):
    errcode = "M_ROOM_IN_USE"
    default_message = "The room alias is already taken"


class InvalidRoomState(MatrixError):
    errcode = "M_INVALID_ROOM_STATE"
    default_message = "The initial state of the room is invalid"


class UnsupportedRoomVersion(MatrixError):
    errcode = "M_UNSUPPORTED_ROOM_VERSION"
    default_message = "The server does not support this room version"


class IncompatibleRoomVersion(MatrixError):
    errcode = "M_INCOMPATIBLE_ROOM_VERSION"
    default_message = "The room version is not supported by the other server"


class BadState(MatrixError):
    errcode = "M_BAD_STATE"
    default_message = "The room is not in a state that allows this"


class BadAlias(MatrixError):
    errcode = "M_BAD_ALIAS"
    default_message = "The alias does not point to this room"


class GuestAccessForbidden(MatrixError):
    errcode = "M_GUEST_ACCESS_FORBIDDEN"
    status = 403
    default_message = "Guests are not allowed to do this"


class CannotLeaveServerNoticeRoom(MatrixError):
    errcode = "M_CANNOT_LEAVE_SERVER_NOTICE_ROOM"
    status = 403


class UnableToAuthoriseJoin(MatrixError):
    errcode = "M_UNABLE_TO_AUTHORISE_JOIN"
    default_message = "This server cannot vouch for the conditions of the join"


class UnableToGrantJoin(MatrixError):
    errcode = "M_UNABLE_TO_GRANT_JOIN"
    default_message = "No local user is able to grant the join"


class NotYetUploaded(MatrixError):
    errcode = "M_NOT_YET_UPLOADED"
    status = 504
    default_message = "The content has not yet been uploaded"


class CannotOverwriteMedia(MatrixError):
    errcode = "M_CANNOT_OVERWRITE_MEDIA"
    status = 409
    default_message = "Content was already uploaded to this media ID"


class DuplicateAnnotation(MatrixError):
    errcode = "M_DUPLICATE_ANNOTATION"
    default_message = "You have already sent this reaction"


class UnknownPos(MatrixError):
    errcode = "M_UNKNOWN_POS"
    default_message = "The position is not known any more"


class WrongRoomKeysVersion(MatrixError):
    errcode = "M_WRONG_ROOM_KEYS_VERSION"
    status = 403
    default_message = "This is not the current version of the backup"


class ProfileTooLarge(MatrixError):
    errcode = "M_PROFILE_TOO_LARGE"
    default_message = "The profile would be too large"


class KeyTooLarge(MatrixError):
    errcode = "M_KEY_TOO_LARGE"
    default_message = "The name of the profile field is too long"


class Unauthorized(MatrixError):
    """Authentication of the request failed, other than by an access token."""

    errcode = "M_UNAUTHORIZED"
    status = 401


class UnableToRetrieve(MatrixError):
    """A remote server could not be reached or gave no usable answer."""

    status = 502
    default_message = "The remote server could not be reached"
