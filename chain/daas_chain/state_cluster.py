"""Transitions of the state chain that come from `cluster` and `access`.

Invariant: each refuses, as `ImpossibleTransition`, what the Move function could not have emitted in this state.
"""

from dataclasses import replace

from daas_protocol.grant import Grant

from .events_access import SessionsEnded, TokenIssued, TokenRevoked
from .events_cluster import (
    AnchorRetired,
    ChangeActivated,
    ChangeProposed,
    ChangeVetoed,
    ClusterCreated,
    MinVersionRaised,
    OperatorAdmitted,
    PolicyFrozen,
    PolicyRevoked,
)
from .persistent import PersistentMap
from .state_errors import ImpossibleTransition, require
from .state_view import Policy, Proposal, StateView, Token
from .values import AnchorChange, MoveGrant, PolicyChange


def created(view: StateView, body: ClusterCreated) -> StateView:
    require(view.params is None, body, "the first event of the chain", view.head.seq)
    require(body.cluster == view.cluster, body, view.cluster.hex(), body.cluster.hex())
    return replace(
        view,
        name=body.name,
        params=body.params,
        policies=view.policies.put(body.policy_version, Policy(body.pcrs)),
        newest_version=body.policy_version,
        min_version=body.policy_version,
        anchors=body.anchors,
    )


def proposed(view: StateView, body: ChangeProposed) -> StateView:
    require(body.proposal == view.next_proposal, body, f"proposal {view.next_proposal}", body.proposal)
    newest = view.newest_version
    if isinstance(body.change, PolicyChange):
        require(not view.frozen, body, "policies that are not frozen", "frozen")
        require(body.change.version > newest, body, f"a version above {newest}", body.change.version)
        newest = body.change.version
    elif isinstance(body.change, AnchorChange):
        _unknown_anchor(view, body, body.change.anchor)
    return replace(
        view,
        newest_version=newest,
        next_proposal=body.proposal + 1,
        proposals=view.proposals.put(body.proposal, Proposal(body.change, body.activates_at_ms)),
    )


def activated(view: StateView, body: ChangeActivated) -> StateView:
    proposal = _open(view, body, body.proposal)
    require(body.change == proposal.change, body, str(proposal.change), body.change)
    view = replace(view, proposals=view.proposals.without(body.proposal))
    change = proposal.change
    if isinstance(change, PolicyChange):
        require(not view.frozen, body, "policies that are not frozen", "frozen")
        return replace(view, policies=view.policies.put(change.version, Policy(change.pcrs)))
    if isinstance(change, AnchorChange):
        _unknown_anchor(view, body, change.anchor)
        return replace(view, anchors=(*view.anchors, change.anchor))
    return replace(view, params=change.params)


def vetoed(view: StateView, body: ChangeVetoed) -> StateView:
    _open(view, body, body.proposal)
    return replace(view, proposals=view.proposals.without(body.proposal))


def policy_revoked(view: StateView, body: PolicyRevoked) -> StateView:
    policy = view.policies.get(body.policy_version)
    if policy is None or policy.revoked:
        raise ImpossibleTransition("PolicyRevoked", f"policy {body.policy_version}, not revoked", policy)
    return replace(view, policies=view.policies.put(body.policy_version, replace(policy, revoked=True)))


def min_version_raised(view: StateView, body: MinVersionRaised) -> StateView:
    minimum = body.min_version
    require(minimum > view.min_version, body, f"a version above {view.min_version}", minimum)
    require(any(version >= minimum for version in view.policies), body, "a policy that stays", sorted(view.policies))
    kept: PersistentMap[int, Policy] = view.policies
    for version in view.policies:
        if version < minimum:
            kept = kept.without(version)
    return replace(view, min_version=minimum, policies=kept)


def policy_frozen(view: StateView, body: PolicyFrozen) -> StateView:
    require(not view.frozen, body, "policies that are not frozen", "frozen")
    return replace(view, frozen=True)


def anchor_retired(view: StateView, body: AnchorRetired) -> StateView:
    rest = tuple(anchor for anchor in view.anchors if anchor != body.anchor)
    require(len(rest) == len(view.anchors) - 1, body, "an accepted anchor", body.anchor.hex())
    require(bool(rest), body, "another anchor that stays", "none")
    return replace(view, anchors=rest)


def operator_admitted(view: StateView, body: OperatorAdmitted) -> StateView:
    if body.admitted:
        require(body.operator not in view.operators, body, "an address that is no operator", body.operator.hex())
        return replace(view, operators=(*view.operators, body.operator))
    require(body.operator in view.operators, body, "an operator", body.operator.hex())
    return replace(view, operators=tuple(each for each in view.operators if each != body.operator))


def token_issued(view: StateView, body: TokenIssued) -> StateView:
    require(body.token not in view.tokens, body, "a new token", body.token.hex())
    grants = tuple(_grant(grant) for grant in body.grants)
    require(bool(grants), body, "a grant at least", "none")
    token = Token(body.owner, grants, body.commitment, body.expires_at_ms)
    return replace(view, tokens=view.tokens.put(body.token, token))


def token_revoked(view: StateView, body: TokenRevoked) -> StateView:
    token = view.tokens.get(body.token)
    if token is None or token.revoked:
        raise ImpossibleTransition("TokenRevoked", "a token that is not revoked", token)
    return replace(view, tokens=view.tokens.put(body.token, replace(token, revoked=True)))


def sessions_ended(view: StateView, body: SessionsEnded) -> StateView:
    expected = view.session_epoch(body.owner) + 1
    require(body.session_epoch == expected, body, f"epoch {expected}", body.session_epoch)
    return replace(view, session_epochs=view.session_epochs.put(body.owner, body.session_epoch))


def _open(view: StateView, body: ChangeActivated | ChangeVetoed, number: int) -> Proposal:
    proposal = view.proposals.get(number)
    if proposal is None:
        raise ImpossibleTransition(type(body).__name__, "an open proposal", number)
    return proposal


def _unknown_anchor(view: StateView, body: object, anchor: bytes) -> None:
    require(anchor not in view.anchors, body, "a new anchor", anchor.hex())


def _grant(grant: MoveGrant) -> Grant:
    try:
        return grant.grant()
    except ValueError as error:
        raise ImpossibleTransition("TokenIssued", "a grant of the grammar", str(error)) from error
