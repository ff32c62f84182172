/// Access tokens ("Seal tokens"): who may ask a cluster for what.
///
/// Invariants: a token acts for the address that it was issued to and cannot be transferred; the cluster's record of it,
/// not the object, says whether it still counts, so that revoking needs nothing from its owner. Tokens and session epochs
/// are on the state chain: the enclave decides from the same facts as the contract.
module daas::access;

use daas::cluster::{AdminCap, Cluster};
use daas::grant::{Self, Grant};
use std::string::String;
use sui::clock::Clock;
use sui::display;
use sui::dynamic_field as df;
use sui::package;

#[error]
const EGrantCount: vector<u8> = b"A token has 1 to 32 grants";
#[error]
const ECommitmentLength: vector<u8> = b"The commitment of a token has 32 bytes";
#[error]
const EExpiry: vector<u8> = b"The token must expire after now and within two years";
#[error]
const ETokenUnknown: vector<u8> = b"The cluster has no such token";
#[error]
const ETokenRevoked: vector<u8> = b"The token is revoked already";
#[error]
const EWrongOwner: vector<u8> = b"The token belongs to another address";

/// Tokens are read by every request, and one who needs more can have a second.
const MAX_GRANTS: u64 = 32;
const COMMITMENT_BYTES: u64 = 32;
const MAX_LIFE_MS: u64 = 63_072_000_000;

const TOKEN_ISSUED: u8 = 10;
const TOKEN_REVOKED: u8 = 11;
const SESSIONS_ENDED: u8 = 12;

public struct ACCESS has drop {}

/// Without `store`: only this module could move it, and none of its functions does.
public struct AccessToken has key {
    id: UID,
    cluster: ID,
    owner: address,
    grants: vector<Grant>,
    /// SHA-256 of whatever its issuer wants to prove later; the original design had a secret here in clear.
    commitment: vector<u8>,
    expires_at_ms: u64,
}

public struct TokenKey has copy, drop, store { token: ID }

/// Kept after revocation, so that the same token cannot come back.
public struct TokenRecord has copy, drop, store {
    revoked: bool,
}

public struct SessionKey has copy, drop, store { owner: address }

public struct TokenIssued has copy, drop {
    kind: u8,
    token: ID,
    owner: address,
    grants: vector<Grant>,
    commitment: vector<u8>,
    expires_at_ms: u64,
}

public struct TokenRevoked has copy, drop {
    kind: u8,
    token: ID,
}

/// Sessions of `owner` with an epoch below `session_epoch` count no longer.
public struct SessionsEnded has copy, drop {
    kind: u8,
    owner: address,
    session_epoch: u64,
}

fun init(otw: ACCESS, ctx: &mut TxContext) {
    let publisher = package::claim(otw, ctx);
    let mut display = display::new_with_fields<AccessToken>(
        &publisher,
        vector[b"name".to_string(), b"description".to_string()],
        vector[
            b"DaaS access token".to_string(),
            b"Access of {owner} to cluster {cluster}; not transferable".to_string(),
        ],
        ctx,
    );
    display.update_version();
    transfer::public_transfer(display, ctx.sender());
    transfer::public_transfer(publisher, ctx.sender());
}

/// The admin. `owner` gets the token. Returns its id. Aborts: `EWrongCap`, `EGrantCount`, `ECommitmentLength`, `EExpiry`,
/// those of `daas::grant::parse`.
public fun issue(
    cluster: &mut Cluster,
    cap: &AdminCap,
    owner: address,
    grants: vector<String>,
    commitment: vector<u8>,
    expires_at_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): ID {
    let token = new(cluster, cap, owner, grants, commitment, expires_at_ms, clock, ctx);
    let id = token.id.to_inner();
    transfer::transfer(token, owner);
    id
}

fun new(
    cluster: &mut Cluster,
    cap: &AdminCap,
    owner: address,
    grants: vector<String>,
    commitment: vector<u8>,
    expires_at_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): AccessToken {
    cluster.check_admin(cap);
    assert!(!grants.is_empty() && grants.length() <= MAX_GRANTS, EGrantCount);
    assert!(commitment.length() == COMMITMENT_BYTES, ECommitmentLength);
    let now = clock.timestamp_ms();
    assert!(expires_at_ms > now && expires_at_ms - now <= MAX_LIFE_MS, EExpiry);
    let grants = grants.map!(|text| grant::parse(&text));
    let id = object::new(ctx);
    let token = id.to_inner();
    df::add(cluster.uid_mut(), TokenKey { token }, TokenRecord { revoked: false });
    cluster.record(TokenIssued { kind: TOKEN_ISSUED, token, owner, grants, commitment, expires_at_ms });
    AccessToken { id, cluster: cluster.id(), owner, grants, commitment, expires_at_ms }
}

/// The admin. Aborts: `EWrongCap`, `ETokenUnknown`, `ETokenRevoked`.
public fun revoke(cluster: &mut Cluster, cap: &AdminCap, token: ID) {
    cluster.check_admin(cap);
    cluster.set_revoked(token);
}

/// The token's owner gives it up: the object is deleted, the record of its revocation stays. A token that was revoked
/// already is only deleted. Aborts: `EWrongVersion`, `EWrongOwner`, `ETokenUnknown` for a token of another cluster.
public fun surrender(cluster: &mut Cluster, token: AccessToken, ctx: &TxContext) {
    cluster.check_version();
    assert!(token.owner == ctx.sender(), EWrongOwner);
    let AccessToken { id, .. } = token;
    let token = id.to_inner();
    id.delete();
    if (!cluster.is_revoked(token)) cluster.set_revoked(token);
}

/// A token's owner, with any token of this cluster, valid or not: every session that he has signed before ends. Without a
/// token nobody has sessions, and strangers could fill the chain that every enclave replays. Aborts: `EWrongVersion`,
/// `EWrongOwner`, `ETokenUnknown`.
public fun end_sessions(cluster: &mut Cluster, token: &AccessToken, ctx: &TxContext) {
    cluster.check_version();
    let owner = ctx.sender();
    assert!(token.owner == owner, EWrongOwner);
    assert!(token.cluster == cluster.id(), ETokenUnknown);
    let session_epoch = cluster.session_epoch(owner) + 1;
    let key = SessionKey { owner };
    if (session_epoch == 1) {
        df::add(cluster.uid_mut(), key, session_epoch);
    } else {
        *df::borrow_mut(cluster.uid_mut(), key) = session_epoch;
    };
    cluster.record(SessionsEnded { kind: SESSIONS_ENDED, owner, session_epoch });
}

/// 0 until the address first ends its sessions.
public fun session_epoch(cluster: &Cluster, owner: address): u64 {
    let key = SessionKey { owner };
    if (df::exists_(cluster.uid(), key)) *df::borrow(cluster.uid(), key) else 0
}

/// Whether the token is of this cluster, not revoked and not expired.
public fun is_valid_seal_token(cluster: &Cluster, token: &AccessToken, clock: &Clock): bool {
    token.cluster == cluster.id() && !cluster.is_revoked(token.id.to_inner()) &&
    clock.timestamp_ms() < token.expires_at_ms
}

/// Whether one of the token's grants covers the request; empty `subresource`: the resource itself, empty `namespace`: not
/// in a namespace. Says nothing about the token's validity.
public fun has_permission(
    token: &AccessToken,
    verb: &String,
    group: &String,
    resource: &String,
    subresource: &String,
    namespace: &String,
): bool {
    token.grants.any!(|grant| grant.allows(group, resource, subresource, verb, namespace))
}

public fun token_id(self: &AccessToken): ID { self.id.to_inner() }

public fun owner(self: &AccessToken): address { self.owner }

public fun grants(self: &AccessToken): &vector<Grant> { &self.grants }

public fun commitment(self: &AccessToken): &vector<u8> { &self.commitment }

public fun expires_at_ms(self: &AccessToken): u64 { self.expires_at_ms }

/// Aborts: `ETokenUnknown`.
public fun is_revoked(cluster: &Cluster, token: ID): bool {
    let key = TokenKey { token };
    assert!(df::exists_(cluster.uid(), key), ETokenUnknown);
    df::borrow<TokenKey, TokenRecord>(cluster.uid(), key).revoked
}

fun set_revoked(cluster: &mut Cluster, token: ID) {
    let key = TokenKey { token };
    assert!(df::exists_(cluster.uid(), key), ETokenUnknown);
    let record: &mut TokenRecord = df::borrow_mut(cluster.uid_mut(), key);
    assert!(!record.revoked, ETokenRevoked);
    record.revoked = true;
    cluster.record(TokenRevoked { kind: TOKEN_REVOKED, token });
}

use fun session_epoch as Cluster.session_epoch;
use fun is_revoked as Cluster.is_revoked;
use fun set_revoked as Cluster.set_revoked;

#[test_only]
public fun issue_for_testing(
    cluster: &mut Cluster,
    cap: &AdminCap,
    owner: address,
    grants: vector<String>,
    commitment: vector<u8>,
    expires_at_ms: u64,
    clock: &Clock,
    ctx: &mut TxContext,
): AccessToken {
    new(cluster, cap, owner, grants, commitment, expires_at_ms, clock, ctx)
}

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(ACCESS {}, ctx) }
