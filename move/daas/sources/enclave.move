/// Enclave slots and the boots that registered into them.
///
/// Invariants: a slot has at most one current boot, and a boot that has ended never becomes current again; a signature of
/// an enclave is checked by `verify_current` or `verify_recorded` and nowhere else; records of boots are never removed,
/// so that evidence can be judged as long as there is a stake to lose.
module daas::enclave;

use daas::binding::EnclaveBinding;
use daas::claims::{Self, Attested, Document};
use daas::cluster::{AdminCap, Cluster};
use daas::heads::{Self, ChainHead};
use daas::queue::{Self, Mailbox};
use daas::stake::{Self, StakeKey, StakePool};
use daas::statements;
use daas::version;
use daas::wire::{Self, Message};
use std::hash::sha2_256;
use sui::balance::{Self, Balance};
use sui::clock::Clock;
use sui::coin::Coin;
use sui::dynamic_field as df;
use sui::ed25519;
use sui::nitro_attestation::NitroAttestationDocument;
use sui::sui::SUI;
use sui::table::{Self, Table};

#[error]
const EWrongCluster: vector<u8> = b"The slot belongs to another cluster";
#[error]
const ENotAdmitted: vector<u8> = b"The cluster's admin has not admitted this operator";
#[error]
const ENotOperator: vector<u8> = b"Only the operator of the slot may do this";
#[error]
const EInsufficientStake: vector<u8> = b"The operator's stake for this slot is below the cluster's minimum: deposit more";
#[error]
const EBootIdUsed: vector<u8> = b"A boot of this id is recorded in the slot";
#[error]
const ENoCurrentBoot: vector<u8> = b"The slot has no current boot: register one";
#[error]
const EWrongBoot: vector<u8> = b"This is not the slot's current boot";
#[error]
const EBootExpired: vector<u8> = b"The boot's registration has expired: it needed a heartbeat";
#[error]
const EVersionInvalid: vector<u8> = b"The image version of this boot is revoked or below min_version";
#[error]
const EUnknownBoot: vector<u8> = b"The slot has no record of this boot";
#[error]
const EBadSignature: vector<u8> = b"The signature does not verify under the receipt key of this boot";
#[error]
const EKeyChanged: vector<u8> = b"A heartbeat must repeat boot id, receipt key and TLS key of the current boot";
#[error]
const EWrongEnclave: vector<u8> = b"The signed statement is about another slot";

const SLOT_CREATED: u8 = 20;
const BOOT_REGISTERED: u8 = 21;
const BOOT_ATTESTED: u8 = 22;
const BOOT_ENDED: u8 = 23;
const HANDOFF_RECORDED: u8 = 24;

/// Why a boot ended.
const SUPERSEDED: u8 = 1;
const DRAINED: u8 = 2;
const HANDED_OFF: u8 = 3;
const SLASHED: u8 = 4;

public struct Enclave has key {
    id: UID,
    version: u64,
    cluster: ID,
    operator: address,
    /// Registrations so far; part of the nonce, so that no document serves twice.
    generation: u64,
    last_attested_ms: u64,
    current: Option<Boot>,
    ended: Table<vector<u8>, Boot>,
    /// Counts the request keys; 0 before the first.
    request_key_id: u64,
    mailbox: Mailbox,
    /// Highest revision of etcd in a settlement or journal anchor: no boot may start from less.
    revision: u64,
    journal: Option<JournalAnchor>,
    earnings: Balance<SUI>,
    slash_epoch: u64,
    slashed_in_epoch: u64,
}

public struct Boot has copy, drop, store {
    boot_id: vector<u8>,
    generation: u64,
    public_key: vector<u8>,
    tls_spki_sha256: vector<u8>,
    request_key_sha256: vector<u8>,
    policy_version: u64,
    attested_at_ms: u64,
    expires_at_ms: u64,
    /// 0 while the boot is current.
    end_reason: u8,
    /// Newest anchored tree head of the boot's log; size 0 before the first.
    log_size: u64,
    log_root: vector<u8>,
    /// Bit per kind of misbehaviour that this boot was slashed for.
    slashed: u8,
}

public struct JournalAnchor has copy, drop, store {
    revision: u64,
    root: vector<u8>,
}

public struct RequestKeyField has copy, drop, store {}

public struct SlotCreated has copy, drop {
    kind: u8,
    enclave: ID,
    operator: address,
}

public struct BootRegistered has copy, drop {
    kind: u8,
    enclave: ID,
    boot: Boot,
    request_key_id: u64,
    request_key: vector<u8>,
}

/// A heartbeat. `request_key` is empty when it has not changed.
public struct BootAttested has copy, drop {
    kind: u8,
    enclave: ID,
    boot_id: vector<u8>,
    policy_version: u64,
    attested_at_ms: u64,
    expires_at_ms: u64,
    request_key_id: u64,
    request_key: vector<u8>,
}

public struct BootEnded has copy, drop {
    kind: u8,
    enclave: ID,
    boot_id: vector<u8>,
    reason: u8,
}

public struct HandoffRecorded has copy, drop {
    kind: u8,
    enclave: ID,
    boot_id: vector<u8>,
    to_enclave: address,
    to_boot_id: vector<u8>,
    revision: u64,
    root: vector<u8>,
}

/// An admitted operator: an empty slot, under whose id the operator then stakes; `share_slot` follows in the same
/// transaction. Aborts: `EWrongVersion`, `ENotAdmitted`.
public fun create_slot(cluster: &mut Cluster, ctx: &mut TxContext): Enclave {
    cluster.check_version();
    let operator = ctx.sender();
    assert!(cluster.is_admitted(operator), ENotAdmitted);
    let id = object::new(ctx);
    let enclave = id.to_inner();
    let self = Enclave {
        id,
        version: version::current(),
        cluster: cluster.id(),
        operator,
        generation: 0,
        last_attested_ms: 0,
        current: option::none(),
        ended: table::new(ctx),
        request_key_id: 0,
        mailbox: queue::new(enclave, ctx),
        revision: 0,
        journal: option::none(),
        earnings: balance::zero(),
        slash_epoch: 0,
        slashed_in_epoch: 0,
    };
    cluster.record_with_mailbox(SlotCreated { kind: SLOT_CREATED, enclave, operator }, enclave, self.mailbox.head());
    self
}

/// Whoever has made the slot.
public fun share_slot(self: Enclave) { transfer::share_object(self) }

/// The operator: a new boot becomes current, the one before ends. `document` is the result of Sui's
/// `nitro_attestation::load_nitro_attestation` in the same transaction. Aborts: `ENotOperator`, `EInsufficientStake`,
/// `EBootIdUsed`, `EWrongCluster`, those of `daas::claims` and `daas::binding`.
public fun register(
    self: &mut Enclave,
    cluster: &mut Cluster,
    pool: &StakePool,
    document: NitroAttestationDocument,
    request_key: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    self.register_document(cluster, pool, &claims::read(&document), request_key, clock, ctx)
}

/// The operator: shows that the current boot is still there, and brings its new request key when it has one (else
/// `request_key` is empty). Aborts: `ENotOperator`, `EInsufficientStake`, `ENoCurrentBoot`, `EKeyChanged`, `EWrongCluster`, those of
/// `daas::claims` and `daas::binding`.
public fun heartbeat(
    self: &mut Enclave,
    cluster: &mut Cluster,
    pool: &StakePool,
    document: NitroAttestationDocument,
    request_key: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    self.heartbeat_document(cluster, pool, &claims::read(&document), request_key, clock, ctx)
}

/// Anyone with the boot's signed Drain: the boot ends, and the next one need not wait. Aborts: `EWrongEnclave`, those of
/// `verify_current` and `daas::statements`.
public fun drain(
    self: &mut Enclave,
    cluster: &mut Cluster,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
) {
    let statement = statements::parse_drain(&wire::parse_message(&message));
    self.check_about(statement.enclave_id());
    self.verify_current(cluster, statement.boot_id(), &message, &signature, clock);
    self.raise_revision(statement.revision());
    self.end_current(cluster, DRAINED);
}

/// Anyone with the boot's signed Handoff. When it is for the same slot, the boot ends as if drained; when it is for
/// another one it goes on. Aborts: as `drain`.
public fun handoff(
    self: &mut Enclave,
    cluster: &mut Cluster,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
) {
    let statement = statements::parse_handoff(&wire::parse_message(&message));
    self.check_about(statement.enclave_id());
    let boot_id = *statement.boot_id();
    self.verify_current(cluster, &boot_id, &message, &signature, clock);
    let enclave = self.id.to_inner();
    let to_enclave = statement.to_enclave_id();
    let revision = statement.revision();
    cluster.record_with_mailbox(
        HandoffRecorded {
            kind: HANDOFF_RECORDED,
            enclave,
            boot_id,
            to_enclave,
            to_boot_id: *statement.to_boot_id(),
            revision,
            root: *statement.root(),
        },
        enclave,
        self.mailbox.head(),
    );
    self.raise_revision(revision);
    if (to_enclave == enclave.to_address()) self.end_current(cluster, HANDED_OFF);
}

/// Anyone: both heads as they are now, for the enclave's light client. Aborts: `EWrongCluster`, `EWrongVersion`.
public fun beacon(self: &Enclave, cluster: &Cluster, clock: &Clock) {
    self.check(cluster);
    let enclave = self.id.to_inner();
    heads::emit_beacon(clock.timestamp_ms(), cluster.id(), cluster.state(), enclave, self.mailbox.head());
}

/// The operator: what settled requests have paid. Aborts: `ENotOperator`, `EWrongVersion`.
public fun withdraw_earnings(self: &mut Enclave, ctx: &mut TxContext): Coin<SUI> {
    version::check(self.version);
    self.check_operator(ctx);
    self.earnings.withdraw_all().into_coin(ctx)
}

/// The admin, after an upgrade of the package. Aborts: `EWrongCap`, `ENothingToMigrate`.
public fun migrate(self: &mut Enclave, cap: &AdminCap) {
    daas::cluster::check_cap_of(cap, self.cluster);
    self.version = version::migrated(self.version);
}

/// For results: `message` (BCS IntentMessage) is signed by the slot's current boot, which has neither expired nor lost
/// its version. `boot_id` is the one that the message names. Returns the parsed message. Aborts: `EWrongCluster`,
/// `EWrongVersion`, `ENoCurrentBoot`, `EWrongBoot`, `EBootExpired`, `EVersionInvalid`, `EBadSignature`, those of
/// `daas::wire::parse_message`.
public fun verify_current(
    self: &Enclave,
    cluster: &Cluster,
    boot_id: &vector<u8>,
    message: &vector<u8>,
    signature: &vector<u8>,
    clock: &Clock,
): Message {
    self.check(cluster);
    assert!(self.current.is_some(), ENoCurrentBoot);
    let boot = self.current.borrow();
    assert!(boot.boot_id == *boot_id, EWrongBoot);
    assert!(clock.timestamp_ms() < boot.expires_at_ms, EBootExpired);
    assert!(cluster.is_policy_valid(boot.policy_version), EVersionInvalid);
    verify(boot, message, signature)
}

/// For evidence: `message` is signed by a boot of this slot, ended or not. Returns the parsed message. Aborts:
/// `EUnknownBoot`, `EBadSignature`, those of `daas::wire::parse_message`.
public fun verify_recorded(
    self: &Enclave,
    boot_id: &vector<u8>,
    message: &vector<u8>,
    signature: &vector<u8>,
): Message {
    assert!(self.has_boot(boot_id), EUnknownBoot);
    verify(self.boot(boot_id), message, signature)
}

/// Whether the slot takes requests: it has a current boot, not expired, of a version that counts.
public fun is_serving(self: &Enclave, cluster: &Cluster, clock: &Clock): bool {
    self.current.is_some_and!(|boot| {
        clock.timestamp_ms() < boot.expires_at_ms && cluster.is_policy_valid(boot.policy_version)
    })
}

/// Whether the operator's stake for this slot counts and reaches the minimum. Aborts: `EWrongPool`, `EWrongVersion`.
public fun is_staked(self: &Enclave, cluster: &Cluster, pool: &StakePool): bool {
    pool.check(cluster);
    pool.stake_of(self.stake_key()) >= cluster.params().min_stake_operator()
}

public fun id(self: &Enclave): ID { self.id.to_inner() }

public fun operator(self: &Enclave): address { self.operator }

public fun cluster_id(self: &Enclave): ID { self.cluster }

public fun generation(self: &Enclave): u64 { self.generation }

public fun revision(self: &Enclave): u64 { self.revision }

public fun journal(self: &Enclave): &Option<JournalAnchor> { &self.journal }

public fun earnings(self: &Enclave): u64 { self.earnings.value() }

public fun mailbox(self: &Enclave): &Mailbox { &self.mailbox }

public fun mailbox_head(self: &Enclave): ChainHead { self.mailbox.head() }

public fun request_key_id(self: &Enclave): u64 { self.request_key_id }

/// Of the newest boot; 1,216 bytes. Aborts: `ENoCurrentBoot` before the first registration.
public fun request_key(self: &Enclave): &vector<u8> {
    assert!(self.request_key_id > 0, ENoCurrentBoot);
    df::borrow(&self.id, RequestKeyField {})
}

public fun current(self: &Enclave): &Option<Boot> { &self.current }

public fun has_boot(self: &Enclave, boot_id: &vector<u8>): bool {
    self.is_current(boot_id) || self.ended.contains(*boot_id)
}

/// Aborts: `EUnknownBoot`.
public fun boot(self: &Enclave, boot_id: &vector<u8>): &Boot {
    if (self.is_current(boot_id)) return self.current.borrow();
    assert!(self.ended.contains(*boot_id), EUnknownBoot);
    &self.ended[*boot_id]
}

public fun boot_id(self: &Boot): &vector<u8> { &self.boot_id }

public fun public_key(self: &Boot): &vector<u8> { &self.public_key }

public fun tls_spki_sha256(self: &Boot): &vector<u8> { &self.tls_spki_sha256 }

public fun boot_generation(self: &Boot): u64 { self.generation }

public fun policy_version(self: &Boot): u64 { self.policy_version }

public fun attested_at_ms(self: &Boot): u64 { self.attested_at_ms }

public fun expires_at_ms(self: &Boot): u64 { self.expires_at_ms }

public fun end_reason(self: &Boot): u8 { self.end_reason }

public fun log_size(self: &Boot): u64 { self.log_size }

public fun log_root(self: &Boot): &vector<u8> { &self.log_root }

public fun journal_revision(self: &JournalAnchor): u64 { self.revision }

public fun journal_root(self: &JournalAnchor): &vector<u8> { &self.root }

/// Aborts: `EWrongVersion`, `EWrongCluster`.
public(package) fun check(self: &Enclave, cluster: &Cluster) {
    version::check(self.version);
    cluster.check_version();
    assert!(self.cluster == cluster.id(), EWrongCluster);
}

public(package) fun stake_key(self: &Enclave): StakeKey { stake::operator_key(self.operator, self.id.to_inner()) }

public(package) fun mailbox_mut(self: &mut Enclave): &mut Mailbox { &mut self.mailbox }

public(package) fun earn(self: &mut Enclave, fee: Balance<SUI>) { self.earnings.join(fee); }

public(package) fun raise_revision(self: &mut Enclave, revision: u64) { self.revision = self.revision.max(revision); }

public(package) fun set_journal(self: &mut Enclave, revision: u64, root: vector<u8>) {
    self.journal = option::some(JournalAnchor { revision, root });
    self.raise_revision(revision);
}

/// Aborts: `EUnknownBoot`.
public(package) fun set_log(self: &mut Enclave, boot_id: &vector<u8>, size: u64, root: vector<u8>) {
    let boot = self.boot_mut(boot_id);
    boot.log_size = size;
    boot.log_root = root;
}

/// `kind`: 0 to 7. Aborts: `EUnknownBoot`.
public(package) fun was_slashed(self: &Enclave, boot_id: &vector<u8>, kind: u8): bool {
    self.boot(boot_id).slashed & (1u8 << kind) != 0
}

/// `kind`: 0 to 7. Aborts: `EUnknownBoot`.
public(package) fun mark_slashed(self: &mut Enclave, boot_id: &vector<u8>, kind: u8) {
    let boot = self.boot_mut(boot_id);
    boot.slashed = boot.slashed | (1u8 << kind);
}

/// The boot is proved to have lied: when it is current, the slot takes no more requests.
public(package) fun end_slashed(self: &mut Enclave, cluster: &mut Cluster, boot_id: &vector<u8>) {
    if (self.is_current(boot_id)) self.end_current(cluster, SLASHED);
}

/// How much of `amount` missed deadlines may still cost in this epoch; counts it.
public(package) fun take_slash_allowance(self: &mut Enclave, amount: u64, cap: u64, ctx: &TxContext): u64 {
    if (self.slash_epoch != ctx.epoch()) {
        self.slash_epoch = ctx.epoch();
        self.slashed_in_epoch = 0;
    };
    // The cap may have been lowered since the last slash.
    let left = if (cap > self.slashed_in_epoch) cap - self.slashed_in_epoch else 0;
    let allowed = amount.min(left);
    self.slashed_in_epoch = self.slashed_in_epoch + allowed;
    allowed
}

/// `register` without the native, for any document that was verified.
public(package) fun register_document(
    self: &mut Enclave,
    cluster: &mut Cluster,
    pool: &StakePool,
    document: &Document,
    request_key: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    self.check(cluster);
    self.check_operator(ctx);
    assert!(self.is_staked(cluster, pool), EInsufficientStake);
    let attested = self.attest(cluster, document, clock);
    attested.check_request_key(&request_key);
    let binding = attested.binding();
    assert!(!self.has_boot(binding.boot_id()), EBootIdUsed);
    if (self.current.is_some()) self.end_current(cluster, SUPERSEDED);
    self.generation = self.generation + 1;
    let boot = self.new_boot(cluster, &attested, clock);
    self.current.fill(boot);
    self.store_request_key(request_key);
    let enclave = self.id.to_inner();
    let request_key_id = self.request_key_id;
    cluster.record_with_mailbox(
        BootRegistered { kind: BOOT_REGISTERED, enclave, boot, request_key_id, request_key },
        enclave,
        self.mailbox.head(),
    );
}

/// `heartbeat` without the native.
public(package) fun heartbeat_document(
    self: &mut Enclave,
    cluster: &mut Cluster,
    pool: &StakePool,
    document: &Document,
    request_key: vector<u8>,
    clock: &Clock,
    ctx: &TxContext,
) {
    self.check(cluster);
    self.check_operator(ctx);
    // Else an operator could unbond, go on with heartbeats, and serve with nothing left to lose.
    assert!(self.is_staked(cluster, pool), EInsufficientStake);
    assert!(self.current.is_some(), ENoCurrentBoot);
    let attested = self.attest(cluster, document, clock);
    let fresh = self.new_boot(cluster, &attested, clock);
    let key_changed = {
        let boot = self.current.borrow();
        assert!(fresh.is_same_boot(boot), EKeyChanged);
        boot.request_key_sha256 != fresh.request_key_sha256
    };
    if (key_changed || !request_key.is_empty()) attested.check_request_key(&request_key);
    if (key_changed) self.store_request_key(request_key);
    let boot = self.current.borrow_mut();
    boot.request_key_sha256 = fresh.request_key_sha256;
    boot.policy_version = fresh.policy_version;
    boot.attested_at_ms = fresh.attested_at_ms;
    boot.expires_at_ms = fresh.expires_at_ms;
    let enclave = self.id.to_inner();
    cluster.record_with_mailbox(
        BootAttested {
            kind: BOOT_ATTESTED,
            enclave,
            boot_id: fresh.boot_id,
            policy_version: fresh.policy_version,
            attested_at_ms: fresh.attested_at_ms,
            expires_at_ms: fresh.expires_at_ms,
            request_key_id: self.request_key_id,
            request_key: if (key_changed) request_key else vector[],
        },
        enclave,
        self.mailbox.head(),
    );
}

fun attest(self: &mut Enclave, cluster: &Cluster, document: &Document, clock: &Clock): Attested {
    let enclave = self.id.to_inner();
    let attested = claims::check(document, cluster, enclave, self.generation, self.last_attested_ms, clock);
    self.last_attested_ms = attested.timestamp_ms();
    attested
}

fun new_boot(self: &Enclave, cluster: &Cluster, attested: &Attested, clock: &Clock): Boot {
    let binding: &EnclaveBinding = attested.binding();
    Boot {
        boot_id: *binding.boot_id(),
        generation: self.generation,
        public_key: attested.public_key(),
        tls_spki_sha256: *binding.tls_spki_sha256(),
        request_key_sha256: *binding.request_key_sha256(),
        policy_version: attested.policy_version(),
        attested_at_ms: attested.timestamp_ms(),
        expires_at_ms: clock.timestamp_ms() + cluster.params().registration_life_ms(),
        end_reason: 0,
        log_size: 0,
        log_root: sha2_256(vector[]),
        slashed: 0,
    }
}

fun is_same_boot(self: &Boot, other: &Boot): bool {
    self.boot_id == other.boot_id && self.public_key == other.public_key &&
    self.tls_spki_sha256 == other.tls_spki_sha256
}

fun store_request_key(self: &mut Enclave, request_key: vector<u8>) {
    self.request_key_id = self.request_key_id + 1;
    let _: Option<vector<u8>> = df::remove_if_exists(&mut self.id, RequestKeyField {});
    df::add(&mut self.id, RequestKeyField {}, request_key);
}

fun end_current(self: &mut Enclave, cluster: &mut Cluster, reason: u8) {
    let mut boot = self.current.extract();
    boot.end_reason = reason;
    let boot_id = boot.boot_id;
    self.ended.add(boot_id, boot);
    let enclave = self.id.to_inner();
    cluster.record_with_mailbox(
        BootEnded { kind: BOOT_ENDED, enclave, boot_id, reason },
        enclave,
        self.mailbox.head(),
    );
}

fun is_current(self: &Enclave, boot_id: &vector<u8>): bool {
    self.current.is_some_and!(|boot| boot.boot_id == *boot_id)
}

fun boot_mut(self: &mut Enclave, boot_id: &vector<u8>): &mut Boot {
    if (self.is_current(boot_id)) return self.current.borrow_mut();
    assert!(self.ended.contains(*boot_id), EUnknownBoot);
    &mut self.ended[*boot_id]
}

fun verify(boot: &Boot, message: &vector<u8>, signature: &vector<u8>): Message {
    assert!(ed25519::ed25519_verify(signature, &boot.public_key, message), EBadSignature);
    wire::parse_message(message)
}

fun check_operator(self: &Enclave, ctx: &TxContext) { assert!(self.operator == ctx.sender(), ENotOperator); }

fun check_about(self: &Enclave, enclave: address) {
    assert!(self.id.to_address() == enclave, EWrongEnclave);
}

#[test_only]
public fun set_version(self: &mut Enclave, version: u64) { self.version = version }

