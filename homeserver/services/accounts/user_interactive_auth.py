"""User-interactive authentication: a request proves in stages that it may be carried out.

Client-server API, "User-Interactive Authentication API". Whoever offers an operation names the
flows; the stages are in :mod:`homeserver.services.accounts.uia_stages`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import attrs

from homeserver.domain.canonical_json import JsonObject
from homeserver.domain.errors import BadJson, Forbidden, MatrixError, Unauthorized, Unknown
from homeserver.domain.identifiers import UserId
from homeserver.ports.accounts.uia_sessions import UiaSessionStore
from homeserver.ports.clock import Clock
from homeserver.services.accounts.uia_session_ids import Operation, UiaSession, UiaSessionIds

Flow = tuple[str, ...]
"""The types of the stages to complete, in order."""


class UserInteractiveAuthRequired(MatrixError):
    """The request needs (further) authentication; ``failure`` says why a stage failed, if one did.

    On the first round the body is the challenge alone, without ``errcode``.
    """

    errcode = "M_UNAUTHORIZED"
    status = 401
    default_message = "User-interactive authentication is required"

    def __init__(self, challenge: JsonObject, failure: MatrixError | None = None) -> None:
        super().__init__(None if failure is None else failure.message)
        self.challenge = challenge
        self.failure = failure

    def body(self) -> dict[str, Any]:
        """The flows, and the error of a stage that failed."""
        return {**(self.failure.body() if self.failure is not None else {}), **self.challenge}


@attrs.frozen(slots=True)
class Attempt:
    """An attempt on a stage: the ``auth`` object, and the session and user it is made for."""

    credentials: JsonObject
    session: UiaSession
    user_id: UserId | None


class Stage(Protocol):
    """A kind of proof."""

    type: str

    def params(self) -> JsonObject | None:
        """What a client needs to know to complete the stage, if anything."""
        ...

    async def complete(self, attempt: Attempt) -> str:
        """Check the proof; the answer says what was proved, for the operation to use.

        Raises Forbidden or Unauthorized for a proof that fails; the client may try again.
        """
        ...


@attrs.frozen(slots=True)
class Authorisation:
    """A flow was completed. ``proved`` has the answer of each of its stages."""

    session_id: str
    proved: Mapping[str, str]


class UserInteractiveAuth:
    """Takes requests through the stages of a flow."""

    def __init__(
        self,
        stages: Iterable[Stage],
        session_ids: UiaSessionIds,
        sessions: UiaSessionStore,
        clock: Clock,
    ) -> None:
        self._stages = {stage.type: stage for stage in stages}
        self._session_ids = session_ids
        self._sessions = sessions
        self._clock = clock

    async def authorise(
        self, operation: Operation, flows: Sequence[Flow], auth: JsonObject | None
    ) -> Authorisation:
        """Authorise an operation by what its request has under ``auth``.

        Returns once a flow is complete. Raises UserInteractiveAuthRequired until then, BadJson for
        a malformed ``auth``, and any error of a stage that is not about the proof (LimitExceeded,
        UserDeactivated, ...).
        """
        now_ms = self._clock.now_ms()
        if auth is None:
            raise self._challenge(flows, self._session_ids.begin(operation, now_ms))
        kind, session_id = _optional_text(auth, "type"), _optional_text(auth, "session")
        if session_id is None:
            session = self._session_ids.begin(operation, now_ms)
        else:
            resumed = self._session_ids.resume(session_id, operation, now_ms)
            if resumed is None:
                session = self._session_ids.begin(operation, now_ms)
                raise self._challenge(
                    flows,
                    session,
                    {},
                    Forbidden("The session has expired or is for another request"),
                )
            session = resumed
        # While no flow has a second stage, no session has anything to remember.
        remembers = any(len(flow) > 1 for flow in flows)
        completed = await self._sessions.completed(session.id, now_ms) if remembers else {}
        if kind is not None and kind not in completed:
            await self._attempt(kind, flows, completed, Attempt(auth, session, operation.user_id))
        if not _is_complete(flows, completed):
            raise self._challenge(flows, session, completed)
        if remembers:
            await self._sessions.forget(session.id)
        return Authorisation(session.id, completed)

    async def _attempt(
        self, kind: str, flows: Sequence[Flow], completed: dict[str, str], attempt: Attempt
    ) -> None:
        """Try a stage and add it to ``completed``."""
        session = attempt.session
        if not any(flow[: len(completed) + 1] == (*completed, kind) for flow in flows):
            failure = Unknown("This stage is not the next of any flow")
            raise self._challenge(flows, session, completed, failure)
        try:
            proved = await self._stages[kind].complete(attempt)
        except (Forbidden, Unauthorized) as error:
            raise self._challenge(flows, session, completed, error) from error
        completed[kind] = proved
        if not _is_complete(flows, completed):
            await self._sessions.save(
                session.id, completed, session.expires_ts, self._clock.now_ms()
            )

    def _challenge(
        self,
        flows: Sequence[Flow],
        session: UiaSession,
        completed: Mapping[str, str] | None = None,
        failure: MatrixError | None = None,
    ) -> UserInteractiveAuthRequired:
        """The answer that asks for a stage; ``completed`` is None when none was tried."""
        types = dict.fromkeys(kind for flow in flows for kind in flow)
        params = {kind: self._stages[kind].params() for kind in types}
        challenge: JsonObject = {
            "flows": [{"stages": list(flow)} for flow in flows],
            "params": {kind: value for kind, value in params.items() if value is not None},
            "session": session.id,
        }
        if completed is not None:
            challenge["completed"] = list(completed)
        return UserInteractiveAuthRequired(challenge, failure)


def _is_complete(flows: Sequence[Flow], completed: Mapping[str, str]) -> bool:
    return tuple(completed) in flows


def _optional_text(auth: JsonObject, name: str) -> str | None:
    value = auth.get(name)
    if value is not None and not isinstance(value, str):
        raise BadJson(f"`auth.{name}` must be a string")
    return value
