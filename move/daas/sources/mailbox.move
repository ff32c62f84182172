/// Requests through the chain: accepted with token, permission, stake and fee, answered by the enclave's receipt, or
/// expired with a refund.
///
/// Invariants: what is accepted has passed every check of `refusal`, the same that `check_request` answers from; a batch
/// is accepted whole or not at all; a fee goes to the operator when the request settles, back to the requester when it
/// expires or settles with 504, and nowhere else.
module daas::mailbox;

use daas::access::{Self, AccessToken};
use daas::cluster::Cluster;
use daas::command::{Command, Payload};
use daas::enclave::Enclave;
use daas::grant;
use daas::heads;
use daas::queue::{Self, Settled};
use daas::settlement;
use daas::stake::{Self, StakePool};
use std::string::String;
use sui::clock::Clock;
use sui::coin::Coin;
use sui::event;
use sui::sui::SUI;

#[error]
const EInvalidSealToken: vector<u8> = b"The access token is of another cluster or owner, expired or revoked";
#[error]
const EUnauthorizedRequest: vector<u8> = b"No grant of the access token covers this request";
#[error]
const EInsufficientStake: vector<u8> = b"Writing needs a stake of at least the cluster's minimum: deposit one";
#[error]
const ENoCurrentBoot: vector<u8> = b"The slot has no valid current boot and takes no requests";
#[error]
const EOperatorStake: vector<u8> = b"The operator's stake is below the cluster's minimum or unbonding: the slot takes no requests";
#[error]
const EUnknownRequestKey: vector<u8> = b"The request is encrypted to a request key that the slot no longer has, or never had";
#[error]
const EMailboxFull: vector<u8> = b"Too many requests are pending in this mailbox: try again later";
#[error]
const EDuplicateRequest: vector<u8> = b"The requester has used this request id already";
#[error]
const EDeadlineTooSoon: vector<u8> = b"The deadline leaves less time than the cluster's minimum";
#[error]
const EDeadlineTooLate: vector<u8> = b"The deadline is further away than the cluster's maximum";
#[error]
const EFeeTooLow: vector<u8> = b"The fee is below the least for this priority and size";
#[error]
const EPaymentTooSmall: vector<u8> = b"The coin holds less than the fees of the requests";
#[error]
const EBatchSize: vector<u8> = b"A batch has 1 to 128 requests";
#[error]
const ENotOverdue: vector<u8> = b"The request can still be answered: it expires at its deadline plus the settlement grace";
#[error]
const ERetained: vector<u8> = b"Until the retention time has passed only the requester may close the record";

/// Two events a request; a transaction may have 1,024.
const MAX_BATCH: u64 = 128;
/// The request key before the newest stays usable, so that a rotation refunds nobody's request.
const REQUEST_KEYS_KEPT: u64 = 2;

const K8S_API_REQUEST: u8 = 64;
const REQUEST_EXPIRED: u8 = 66;

const ACCEPTED: u8 = 0;
const INVALID_SEAL_TOKEN: u8 = 1;
const UNAUTHORIZED_REQUEST: u8 = 2;
const INSUFFICIENT_STAKE: u8 = 3;
const NO_CURRENT_BOOT: u8 = 4;
const UNKNOWN_REQUEST_KEY: u8 = 5;
const MAILBOX_FULL: u8 = 6;
const DUPLICATE_REQUEST: u8 = 7;
const DEADLINE_TOO_SOON: u8 = 8;
const DEADLINE_TOO_LATE: u8 = 9;
const FEE_TOO_LOW: u8 = 10;
const OPERATOR_STAKE: u8 = 11;

public struct K8sAPIRequest has copy, drop {
    kind: u8,
    mailbox_seq: u64,
    requester: address,
    token: ID,
    request_id: vector<u8>,
    request_digest: vector<u8>,
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    deadline_ms: u64,
    priority: u8,
    deliver: bool,
    fee: u64,
    request_key_id: u64,
    /// Node id of the requester's own worker that the request is placed on.
    placement: Option<String>,
    payload: Payload,
}

/// In no chain; `approved` is always true, because a refusal aborts.
public struct K8sValidationResult has copy, drop {
    enclave: ID,
    mailbox_seq: u64,
    requester: address,
    request_id: vector<u8>,
    approved: bool,
}

public struct RequestExpired has copy, drop {
    kind: u8,
    mailbox_seq: u64,
    requester: address,
    request_id: vector<u8>,
    refunded: u64,
    slashed: u64,
    expired_at_ms: u64,
}

/// The token's owner. The fee is taken from `payment` into escrow. Returns the request's sequence in the mailbox.
/// Aborts: one name for each reason of `check_request`, `EPaymentTooSmall`, `EWrongCluster`, `EWrongPool`,
/// `EWrongVersion`.
public fun execute_kubectl_command(
    enclave: &mut Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    command: Command,
    payment: &mut Coin<SUI>,
    clock: &Clock,
    ctx: &TxContext,
): u64 {
    accept(enclave, cluster, pool, token, command, option::none(), payment, clock, ctx)
}

/// The token's owner: all of the requests or none, in their order. Returns the sequence of the first. Aborts: as
/// `execute_kubectl_command`, `EBatchSize`.
public fun execute_kubectl_batch(
    enclave: &mut Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    commands: vector<Command>,
    payment: &mut Coin<SUI>,
    clock: &Clock,
    ctx: &TxContext,
): u64 {
    assert!(!commands.is_empty() && commands.length() <= MAX_BATCH, EBatchSize);
    let first = enclave.mailbox().next_seq();
    commands.do!(|command| {
        accept(enclave, cluster, pool, token, command, option::none(), payment, clock, ctx);
    });
    first
}

/// As `execute_kubectl_command`, for the worker that the scheduler has chosen.
public(package) fun execute_placed(
    enclave: &mut Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    command: Command,
    node_id: String,
    payment: &mut Coin<SUI>,
    clock: &Clock,
    ctx: &TxContext,
): u64 {
    accept(enclave, cluster, pool, token, command, option::some(node_id), payment, clock, ctx)
}

/// Anyone, in a simulation: the name of the error with which `execute_kubectl_command` of `requester` would abort, empty
/// when it would be accepted. Aborts: `EWrongCluster`, `EWrongPool`, `EWrongVersion`.
public fun check_request(
    enclave: &Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    command: &Command,
    requester: address,
    clock: &Clock,
): String {
    let names = vector[
        b"",
        b"EInvalidSealToken",
        b"EUnauthorizedRequest",
        b"EInsufficientStake",
        b"ENoCurrentBoot",
        b"EUnknownRequestKey",
        b"EMailboxFull",
        b"EDuplicateRequest",
        b"EDeadlineTooSoon",
        b"EDeadlineTooLate",
        b"EFeeTooLow",
        b"EOperatorStake",
    ];
    names[refusal(enclave, cluster, pool, token, command, requester, clock) as u64].to_string()
}

/// Anyone with the enclave's signed Receipt or ReceiptBatch. `request_ids`: one for each receipt; `deliveries`: for each
/// the encrypted answer when its receipt has a delivery digest, else empty. A single receipt that does not fit aborts by
/// name; in a batch it is skipped with an event, and the others settle. An answer 504 gives the fee back. See `daas::settlement` for the aborts.
public fun store_k8s_response(
    enclave: &mut Enclave,
    cluster: &Cluster,
    request_ids: vector<vector<u8>>,
    deliveries: vector<vector<u8>>,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    settlement::settle(enclave, cluster, request_ids, deliveries, message, signature, clock, ctx)
}

/// Anyone, from deadline + settlement grace on: the fee goes back, and the operator's stake pays for the silence, unless
/// the payload was off chain or the version that served then has been revoked since. Aborts: `EUnknownRequest`,
/// `ENotPending`, `ENotOverdue`, `EWrongCluster`, `EWrongPool`, `EWrongVersion`.
public fun expire(
    enclave: &mut Enclave,
    cluster: &Cluster,
    pool: &mut StakePool,
    requester: address,
    request_id: vector<u8>,
    clock: &Clock,
    ctx: &mut TxContext,
) {
    enclave.check(cluster);
    pool.check(cluster);
    let params = cluster.params();
    let key = queue::key(requester, request_id);
    let now = clock.timestamp_ms();
    let pending = enclave.mailbox().borrow_pending(key);
    assert!(now >= pending.closes_at_ms(), ENotOverdue);
    let mailbox_seq = pending.seq();
    let excused = pending.off_chain() || !cluster.is_policy_valid(pending.policy_version());
    let wanted = (pending.fee() as u128) * (params.slash_fee_factor() as u128);
    let slashed = if (excused) {
        0
    } else {
        let cap = params.slash_epoch_cap();
        let allowed = enclave.take_slash_allowance(wanted.min(cap as u128) as u64, cap, ctx);
        pool.slash(params, enclave.stake_key(), allowed, ctx.sender(), ctx)
    };
    let fee = enclave.mailbox_mut().expire(key, now);
    let body = RequestExpired {
        kind: REQUEST_EXPIRED,
        mailbox_seq,
        requester,
        request_id,
        refunded: fee.value(),
        slashed,
        expired_at_ms: now,
    };
    if (fee.value() > 0) transfer::public_transfer(fee.into_coin(ctx), requester) else fee.destroy_zero();
    enclave.mailbox_mut().advance(&body);
    heads::emit(body, cluster.id(), cluster.state(), enclave.id(), enclave.mailbox_head());
}

/// The requester: its record is no longer needed; the storage rebate goes to whoever pays for the transaction. Aborts:
/// `EUnknownRequest`, `EStillPending`, `EWrongCluster`, `EWrongVersion`.
public fun close(enclave: &mut Enclave, cluster: &Cluster, request_id: vector<u8>, ctx: &TxContext) {
    enclave.check(cluster);
    enclave.mailbox_mut().remove(queue::key(ctx.sender(), request_id));
}

/// Anyone, after the retention time. Aborts: `EUnknownRequest`, `EStillPending`, `ERetained`, `EWrongCluster`,
/// `EWrongVersion`.
public fun prune(
    enclave: &mut Enclave,
    cluster: &Cluster,
    requester: address,
    request_id: vector<u8>,
    clock: &Clock,
) {
    enclave.check(cluster);
    let ended_at_ms = enclave.mailbox_mut().remove(queue::key(requester, request_id));
    assert!(clock.timestamp_ms() >= ended_at_ms + cluster.params().retention_ms(), ERetained);
}

/// What the enclave has answered; none while the request is pending, when it expired, and when its record is gone.
public fun get_k8s_response(enclave: &Enclave, requester: address, request_id: vector<u8>): Option<Settled> {
    let outcome = enclave.mailbox().outcome(queue::key(requester, request_id));
    if (outcome.is_none()) option::none() else outcome.borrow().settlement()
}

fun accept(
    enclave: &mut Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    command: Command,
    placement: Option<String>,
    payment: &mut Coin<SUI>,
    clock: &Clock,
    ctx: &TxContext,
): u64 {
    let requester = ctx.sender();
    abort_unless_accepted(refusal(enclave, cluster, pool, token, &command, requester, clock));
    let fee = command.fee();
    assert!(payment.value() >= fee, EPaymentTooSmall);
    let request_id = command.request_id();
    let policy_version = enclave.current().borrow().policy_version();
    let mailbox_seq = enclave
        .mailbox_mut()
        .add(
            queue::key(requester, request_id),
            command.request_digest(),
            command.deadline_ms() + cluster.params().settlement_grace_ms(),
            command.deliver(),
            command.is_off_chain(),
            policy_version,
            payment.balance_mut().split(fee),
        );
    let body = K8sAPIRequest {
        kind: K8S_API_REQUEST,
        mailbox_seq,
        requester,
        token: token.token_id(),
        request_id,
        request_digest: command.request_digest(),
        verb: *command.verb(),
        group: *command.group(),
        resource: *command.resource(),
        subresource: *command.subresource(),
        namespace: *command.namespace(),
        deadline_ms: command.deadline_ms(),
        priority: command.priority(),
        deliver: command.deliver(),
        fee,
        request_key_id: command.request_key_id(),
        placement,
        payload: command.payload(),
    };
    enclave.mailbox_mut().advance(&body);
    heads::emit(body, cluster.id(), cluster.state(), enclave.id(), enclave.mailbox_head());
    event::emit(K8sValidationResult { enclave: enclave.id(), mailbox_seq, requester, request_id, approved: true });
    mailbox_seq
}

/// The first reason against the request, `ACCEPTED` when there is none.
fun refusal(
    enclave: &Enclave,
    cluster: &Cluster,
    pool: &StakePool,
    token: &AccessToken,
    command: &Command,
    requester: address,
    clock: &Clock,
): u8 {
    enclave.check(cluster);
    pool.check(cluster);
    let params = cluster.params();
    let now = clock.timestamp_ms();
    if (token.owner() != requester || !access::is_valid_seal_token(cluster, token, clock)) return INVALID_SEAL_TOKEN;
    let permitted = token.has_permission(
        command.verb(),
        command.group(),
        command.resource(),
        command.subresource(),
        command.namespace(),
    );
    if (!permitted) return UNAUTHORIZED_REQUEST;
    let staked = pool.stake_of(stake::requester_key(requester)) >= params.min_stake_requester();
    if (grant::is_write_verb(command.verb()) && !staked) return INSUFFICIENT_STAKE;
    if (!enclave.is_serving(cluster, clock)) return NO_CURRENT_BOOT;
    if (!enclave.is_staked(cluster, pool)) return OPERATOR_STAKE;
    let newest_key = enclave.request_key_id();
    let key = command.request_key_id();
    // Keys count from 1.
    if (key == 0 || key > newest_key || newest_key - key >= REQUEST_KEYS_KEPT) return UNKNOWN_REQUEST_KEY;
    let mailbox = enclave.mailbox();
    if (mailbox.pending() >= params.max_pending()) return MAILBOX_FULL;
    if (mailbox.contains(queue::key(requester, command.request_id()))) return DUPLICATE_REQUEST;
    let deadline = command.deadline_ms();
    if (deadline < now + params.min_deadline_ms()) return DEADLINE_TOO_SOON;
    if (deadline > now + params.max_deadline_ms()) return DEADLINE_TOO_LATE;
    if (command.fee() < params.min_fee(command.priority(), command.bytes_on_chain())) return FEE_TOO_LOW;
    ACCEPTED
}

fun abort_unless_accepted(reason: u8) {
    assert!(reason != INVALID_SEAL_TOKEN, EInvalidSealToken);
    assert!(reason != UNAUTHORIZED_REQUEST, EUnauthorizedRequest);
    assert!(reason != INSUFFICIENT_STAKE, EInsufficientStake);
    assert!(reason != NO_CURRENT_BOOT, ENoCurrentBoot);
    assert!(reason != UNKNOWN_REQUEST_KEY, EUnknownRequestKey);
    assert!(reason != MAILBOX_FULL, EMailboxFull);
    assert!(reason != DUPLICATE_REQUEST, EDuplicateRequest);
    assert!(reason != DEADLINE_TOO_SOON, EDeadlineTooSoon);
    assert!(reason != DEADLINE_TOO_LATE, EDeadlineTooLate);
    assert!(reason != FEE_TOO_LOW, EFeeTooLow);
    assert!(reason != OPERATOR_STAKE, EOperatorStake);
}
