/// The right to upgrade this package: under a timelock of its own, with a veto, and given up for ever by `freeze_package`.
///
/// Invariant: there is one `Governance`, made when the package is published; the UpgradeCap that it is given never leaves
/// it but to be destroyed.
module daas::governance;

use std::type_name;
use sui::clock::Clock;
use sui::event;
use sui::package::{Self, UpgradeCap, UpgradeReceipt, UpgradeTicket};

#[error]
const EWrongPackage: vector<u8> = b"The UpgradeCap is of another package";
#[error]
const ECapPresent: vector<u8> = b"The UpgradeCap was handed over already";
#[error]
const ECapMissing: vector<u8> = b"There is no UpgradeCap: it was not handed over yet, or the package is frozen";
#[error]
const ETimelockBounds: vector<u8> = b"The timelock of upgrades is 1 second to 90 days, and never becomes shorter";
#[error]
const EDigestLength: vector<u8> = b"The digest of a package has 32 bytes";
#[error]
const EProposalOpen: vector<u8> = b"There is an open proposal: it must be carried out or vetoed first";
#[error]
const ENoProposal: vector<u8> = b"There is no open proposal";
#[error]
const ETimelockRunning: vector<u8> = b"The timelock of the upgrade is still running";

const DIGEST_BYTES: u64 = 32;
const MIN_TIMELOCK_MS: u64 = 1_000;
const MAX_TIMELOCK_MS: u64 = 7_776_000_000;
/// Until its holder chooses: a day.
const FIRST_TIMELOCK_MS: u64 = 86_400_000;

public struct Governance has key {
    id: UID,
    cap: Option<UpgradeCap>,
    timelock_ms: u64,
    proposal: Option<UpgradeProposal>,
    frozen: bool,
}

public struct GovernanceCap has key, store { id: UID }

/// For somebody else than the holder of `GovernanceCap`.
public struct UpgradeVetoCap has key, store { id: UID }

public struct UpgradeProposal has copy, drop, store {
    digest: vector<u8>,
    activates_at_ms: u64,
}

public struct UpgradeProposed has copy, drop { digest: vector<u8>, activates_at_ms: u64 }

public struct UpgradeVetoed has copy, drop { digest: vector<u8> }

public struct UpgradeAuthorized has copy, drop { digest: vector<u8> }

public struct PackageFrozen has copy, drop { package: ID }

fun init(ctx: &mut TxContext) {
    transfer::share_object(Governance {
        id: object::new(ctx),
        cap: option::none(),
        timelock_ms: FIRST_TIMELOCK_MS,
        proposal: option::none(),
        frozen: false,
    });
    transfer::public_transfer(GovernanceCap { id: object::new(ctx) }, ctx.sender());
    transfer::public_transfer(UpgradeVetoCap { id: object::new(ctx) }, ctx.sender());
}

/// The holder of `GovernanceCap`, once, with the first version's UpgradeCap. Aborts: `ECapPresent`, `EWrongPackage`.
public fun hand_over(self: &mut Governance, _: &GovernanceCap, cap: UpgradeCap) {
    assert!(self.cap.is_none(), ECapPresent);
    assert!(cap.package().to_address() == type_name::original_id<Governance>(), EWrongPackage);
    self.cap.fill(cap);
}

/// The holder of `GovernanceCap`; only longer. Aborts: `ETimelockBounds`.
public fun lengthen_timelock(self: &mut Governance, _: &GovernanceCap, timelock_ms: u64) {
    assert!(timelock_ms >= self.timelock_ms && timelock_ms <= MAX_TIMELOCK_MS, ETimelockBounds);
    self.timelock_ms = timelock_ms;
}

/// The holder of `GovernanceCap`, before the UpgradeCap is handed over: development networks want less than a day.
/// Aborts: `ECapPresent`, `ETimelockBounds`.
public fun set_first_timelock(self: &mut Governance, _: &GovernanceCap, timelock_ms: u64) {
    assert!(self.cap.is_none(), ECapPresent);
    assert!(timelock_ms >= MIN_TIMELOCK_MS && timelock_ms <= MAX_TIMELOCK_MS, ETimelockBounds);
    self.timelock_ms = timelock_ms;
}

/// The holder of `GovernanceCap`: the digest of the new package, as the build prints it. Aborts: `ECapMissing`,
/// `EProposalOpen`, `EDigestLength`.
public fun propose_upgrade(self: &mut Governance, _: &GovernanceCap, digest: vector<u8>, clock: &Clock) {
    assert!(self.cap.is_some(), ECapMissing);
    assert!(self.proposal.is_none(), EProposalOpen);
    assert!(digest.length() == DIGEST_BYTES, EDigestLength);
    let activates_at_ms = clock.timestamp_ms() + self.timelock_ms;
    self.proposal.fill(UpgradeProposal { digest, activates_at_ms });
    event::emit(UpgradeProposed { digest, activates_at_ms });
}

/// The holder of `UpgradeVetoCap`. Aborts: `ENoProposal`.
public fun veto_upgrade(self: &mut Governance, _: &UpgradeVetoCap) {
    assert!(self.proposal.is_some(), ENoProposal);
    let UpgradeProposal { digest, .. } = self.proposal.extract();
    event::emit(UpgradeVetoed { digest });
}

/// The holder of `GovernanceCap`, after the timelock; the ticket is used in the same transaction. Aborts: `ENoProposal`,
/// `ETimelockRunning`, `ECapMissing`.
public fun authorize_upgrade(self: &mut Governance, _: &GovernanceCap, clock: &Clock): UpgradeTicket {
    assert!(self.cap.is_some(), ECapMissing);
    assert!(self.proposal.is_some(), ENoProposal);
    let UpgradeProposal { digest, activates_at_ms } = self.proposal.extract();
    assert!(clock.timestamp_ms() >= activates_at_ms, ETimelockRunning);
    event::emit(UpgradeAuthorized { digest });
    self.cap.borrow_mut().authorize(package::compatible_policy(), digest)
}

/// Whoever has the receipt of the upgrade. Aborts: `ECapMissing`.
public fun commit_upgrade(self: &mut Governance, receipt: UpgradeReceipt) {
    assert!(self.cap.is_some(), ECapMissing);
    self.cap.borrow_mut().commit(receipt);
}

/// The holder of `GovernanceCap`: the package can never change again. Aborts: `ECapMissing`.
public fun freeze_package(self: &mut Governance, _: &GovernanceCap) {
    assert!(self.cap.is_some(), ECapMissing);
    let cap = self.cap.extract();
    event::emit(PackageFrozen { package: cap.package() });
    cap.make_immutable();
    self.frozen = true;
}

public fun timelock_ms(self: &Governance): u64 { self.timelock_ms }

/// Whether the package can never change again: not while its UpgradeCap is still in somebody's hands.
public fun is_frozen(self: &Governance): bool { self.frozen }

/// The package under test has address 0, which `sui::package` reads as "an upgrade is under way": without a cap of
/// another package no upgrade could be authorized in a test.
#[test_only]
public fun hand_over_for_testing(self: &mut Governance, cap: UpgradeCap) { self.cap.fill(cap) }

#[test_only]
public fun init_for_testing(ctx: &mut TxContext) { init(ctx) }
