"""Grants: whether a session's scope and its token both allow what a request asks for.

Invariant: a request passes only if the scope *and* the token allow it; RBAC, made from the token alone, comes after
and can only refuse more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from daas_enclave.authority import Snapshot, Token
from daas_enclave.refusal import Refused
from daas_enclave.request_info import RequestInfo
from daas_enclave.sessions import Session, user_name
from daas_protocol.grant import Grant

MAX_DECISIONS: Final = 512
"""Remembered per session; a client that asks for more different things starts over."""
APPLY: Final = "application/apply-patch"
"""Beginning of the content types of server-side apply, which creates what is not there."""


def authorize(session: Session, token: Token, snapshot: Snapshot, info: RequestInfo, content_type: str) -> None:
    """Raises Refused (403) unless scope and token allow the request."""
    may_create = info.verb == "update" or (info.verb == "patch" and content_type.startswith(APPLY))
    key = (info.group, info.resource, info.subresource, info.grant_verb, info.namespace, "+" if may_create else "")
    if session.decided_by is not snapshot or len(session.decisions) > MAX_DECISIONS:
        session.decisions.clear()
        session.decided_by = snapshot
    allowed = session.decisions.get(key)
    if allowed is None:
        allowed = session.decisions[key] = _decide(session.scope, token.grants, info, may_create)
    if not allowed:
        raise _forbidden(session, token, info)


def _decide(scope: Iterable[Grant], grants: Iterable[Grant], info: RequestInfo, may_create: bool) -> bool:
    if not (grants_allow(scope, info, info.grant_verb) and grants_allow(grants, info, info.grant_verb)):
        return False
    # RBAC refuses an apply that creates when the *token* lacks create. It does not know the scope; this line does.
    return not (may_create and grants_allow(grants, info, "create") and not grants_allow(scope, info, "create"))


def grants_allow(grants: Iterable[Grant], info: RequestInfo, verb: str) -> bool:
    """Whether one of them covers the request with this verb."""
    namespace = info.namespace or None
    return any(grant.allows(info.group, info.resource, info.subresource, verb, namespace) for grant in grants)


def _forbidden(session: Session, token: Token, info: RequestInfo) -> Refused:
    """Worded like the API server's own, with what is missing where."""
    verb = info.grant_verb
    if grants_allow(session.scope, info, verb) and grants_allow(token.grants, info, verb):
        verb = "create"
    in_token = grants_allow(token.grants, info, verb)
    cause = "ScopeDenied" if in_token else "GrantDenied"
    lacking = "the session's scope" if in_token else f"token 0x{token.token_id.hex()}"
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f'in the namespace "{info.namespace}"' if info.namespace else "at the cluster scope"
    named = f"{info.resource}{'.' + info.group if info.group else ''}{f' {info.name!r}' if info.name else ''}"
    return Refused(
        403,
        cause,
        f'{named} is forbidden: User "{user_name(session.owner)}" cannot {verb} resource "{resource}" '
        f'in API group "{info.group}" {where}: {lacking} does not grant it',
    )
