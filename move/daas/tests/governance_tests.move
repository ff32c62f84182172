/// Promises of `daas::governance`.
#[test_only]
module daas::governance_tests;

use daas::version;
use daas::governance::{
    Self,
    Governance,
    GovernanceCap,
    PackageFrozen,
    UpgradeAuthorized,
    UpgradeProposed,
    UpgradeVetoCap,
    UpgradeVetoed
};
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::clock::{Self, Clock};
use sui::event;
use sui::package::{Self, UpgradeCap, UpgradeTicket};
use sui::test_scenario::{Self, Scenario};

const PUBLISHER: address = @0xAD;
const PACKAGE: address = @0xDA;
const START_MS: u64 = 5_000;
const DAY: u64 = 86_400_000;
const NINETY_DAYS: u64 = 7_776_000_000;

/// What the publisher has after publishing, and the clock.
public struct Setup {
    scenario: Scenario,
    governance: Governance,
    cap: GovernanceCap,
    veto: UpgradeVetoCap,
    clock: Clock,
}

fun published(): Setup {
    let mut scenario = test_scenario::begin(PUBLISHER);
    governance::init_for_testing(scenario.ctx());
    scenario.next_tx(PUBLISHER);
    let mut clock = clock::create_for_testing(scenario.ctx());
    clock.set_for_testing(START_MS);
    let governance = scenario.take_shared<Governance>();
    let cap = scenario.take_from_sender<GovernanceCap>();
    let veto = scenario.take_from_sender<UpgradeVetoCap>();
    Setup { scenario, governance, cap, veto, clock }
}

fun upgrade_cap(self: &mut Setup, package: address): UpgradeCap {
    package::test_publish(package.to_id(), self.scenario.ctx())
}

/// `published`, and the governance holds a cap that can authorize.
fun governed(): Setup {
    let mut self = published();
    let cap = self.upgrade_cap(PACKAGE);
    self.governance.hand_over_for_testing(cap);
    self
}

fun digest(): vector<u8> { vector::tabulate!(32, |i| i as u8) }

fun hand_over(self: &mut Setup, package: address) {
    let upgrade_cap = self.upgrade_cap(package);
    let Setup { governance, cap, .. } = self;
    governance.hand_over(cap, upgrade_cap);
}

fun set_first_timelock(self: &mut Setup, timelock_ms: u64) {
    let Setup { governance, cap, .. } = self;
    governance.set_first_timelock(cap, timelock_ms);
}

fun lengthen_timelock(self: &mut Setup, timelock_ms: u64) {
    let Setup { governance, cap, .. } = self;
    governance.lengthen_timelock(cap, timelock_ms);
}

fun propose(self: &mut Setup) { self.propose_digest(digest()) }

fun propose_digest(self: &mut Setup, digest: vector<u8>) {
    let Setup { governance, cap, clock, .. } = self;
    governance.propose_upgrade(cap, digest, clock);
}

fun veto(self: &mut Setup) {
    let Setup { governance, veto, .. } = self;
    governance.veto_upgrade(veto);
}

fun authorize(self: &mut Setup): UpgradeTicket {
    let Setup { governance, cap, clock, .. } = self;
    governance.authorize_upgrade(cap, clock)
}

fun freeze_package(self: &mut Setup) {
    let Setup { governance, cap, .. } = self;
    governance.freeze_package(cap);
}

fun end(self: Setup) {
    unit_test::destroy(self);
}

#[test]
fun publishing_makes_one_governance_without_an_upgrade_cap() {
    let setup = published();
    assert_eq!(setup.governance.timelock_ms(), DAY);
    assert!(!setup.governance.is_frozen());
    assert!(!test_scenario::has_most_recent_for_sender<GovernanceCap>(&setup.scenario));
    assert!(!test_scenario::has_most_recent_for_sender<UpgradeVetoCap>(&setup.scenario));
    assert!(!test_scenario::has_most_recent_shared<Governance>());
    setup.end();
}

#[test]
fun the_cap_of_this_package_is_taken() {
    let mut setup = published();
    setup.hand_over(@daas);
    setup.propose();
    assert_eq!(event::events_by_type<UpgradeProposed>().length(), 1);
    setup.end();
}

#[test, expected_failure(abort_code = governance::EWrongPackage)]
fun the_cap_of_another_package_is_refused() {
    let mut setup = published();
    setup.hand_over(PACKAGE);
    abort
}

#[test, expected_failure(abort_code = governance::ECapPresent)]
fun an_upgrade_cap_is_handed_over_once() {
    let mut setup = governed();
    setup.hand_over(@daas);
    abort
}

#[test]
fun the_timelock_is_chosen_freely_before_the_cap_is_handed_over() {
    let mut setup = published();
    vector[1_000, NINETY_DAYS, DAY - 1].do!(|timelock_ms| {
        setup.set_first_timelock(timelock_ms);
        assert_eq!(setup.governance.timelock_ms(), timelock_ms);
    });
    setup.end();
}

#[test, expected_failure(abort_code = governance::ETimelockBounds)]
fun the_first_timelock_is_not_below_a_second() {
    let mut setup = published();
    setup.set_first_timelock(999);
    abort
}

#[test, expected_failure(abort_code = governance::ETimelockBounds)]
fun the_first_timelock_is_not_above_ninety_days() {
    let mut setup = published();
    setup.set_first_timelock(NINETY_DAYS + 1);
    abort
}

#[test, expected_failure(abort_code = governance::ECapPresent)]
fun the_timelock_cannot_be_chosen_again_once_the_cap_is_there() {
    let mut setup = governed();
    setup.set_first_timelock(DAY);
    abort
}

#[test]
fun the_timelock_becomes_longer() {
    let mut setup = governed();
    vector[DAY, DAY + 1, NINETY_DAYS].do!(|timelock_ms| {
        setup.lengthen_timelock(timelock_ms);
        assert_eq!(setup.governance.timelock_ms(), timelock_ms);
    });
    setup.end();
}

#[test, expected_failure(abort_code = governance::ETimelockBounds)]
fun the_timelock_never_becomes_shorter() {
    let mut setup = governed();
    setup.lengthen_timelock(DAY - 1);
    abort
}

#[test, expected_failure(abort_code = governance::ETimelockBounds)]
fun the_timelock_never_exceeds_ninety_days() {
    let mut setup = governed();
    setup.lengthen_timelock(NINETY_DAYS + 1);
    abort
}

#[test, expected_failure(abort_code = governance::ECapMissing)]
fun nothing_is_proposed_without_the_upgrade_cap() {
    let mut setup = published();
    setup.propose();
    abort
}

#[test, expected_failure(abort_code = governance::EDigestLength)]
fun a_digest_has_no_31_bytes() {
    let mut setup = governed();
    setup.propose_digest(vector::tabulate!(31, |_| 1));
    abort
}

#[test, expected_failure(abort_code = governance::EDigestLength)]
fun a_digest_has_no_33_bytes() {
    let mut setup = governed();
    setup.propose_digest(vector::tabulate!(33, |_| 1));
    abort
}

#[test, expected_failure(abort_code = governance::EProposalOpen)]
fun one_upgrade_is_proposed_at_a_time() {
    let mut setup = governed();
    setup.propose();
    setup.propose();
    abort
}

#[test]
fun an_upgrade_is_proposed_in_public_and_authorized_when_its_timelock_has_run() {
    let mut setup = governed();
    setup.propose();
    let mut bytes = bcs::to_bytes(&digest());
    bytes.append(bcs::to_bytes(&(START_MS + DAY)));
    assert_eq!(bcs::to_bytes(&event::events_by_type<UpgradeProposed>()), with_length_1(bytes));
    setup.clock.increment_for_testing(DAY);
    let ticket = setup.authorize();
    assert_eq!(ticket.package(), PACKAGE.to_id());
    assert_eq!(*ticket.digest(), digest());
    assert_eq!(ticket.policy(), package::compatible_policy());
    assert_eq!(bcs::to_bytes(&event::events_by_type<UpgradeAuthorized>()), with_length_1(bcs::to_bytes(&digest())));
    setup.governance.commit_upgrade(ticket.test_upgrade());
    // The cap is whole again: the next upgrade can be proposed and authorized.
    setup.propose();
    setup.clock.increment_for_testing(DAY);
    let ticket = setup.authorize();
    assert!(ticket.package() != PACKAGE.to_id());
    setup.governance.commit_upgrade(ticket.test_upgrade());
    setup.end();
}

#[test, expected_failure(abort_code = governance::ETimelockRunning)]
fun an_upgrade_waits_for_the_last_millisecond() {
    let mut setup = governed();
    setup.propose();
    setup.clock.increment_for_testing(DAY - 1);
    let _ticket = setup.authorize();
    abort
}

#[test, expected_failure(abort_code = governance::ETimelockRunning)]
fun a_longer_timelock_holds_for_the_next_proposal() {
    let mut setup = governed();
    setup.lengthen_timelock(2 * DAY);
    setup.propose();
    setup.clock.increment_for_testing(2 * DAY - 1);
    let _ticket = setup.authorize();
    abort
}

#[test, expected_failure(abort_code = governance::ENoProposal)]
fun an_upgrade_is_authorized_once() {
    let mut setup = governed();
    setup.propose();
    setup.clock.increment_for_testing(DAY);
    let ticket = setup.authorize();
    setup.governance.commit_upgrade(ticket.test_upgrade());
    let _ticket = setup.authorize();
    abort
}

#[test, expected_failure(abort_code = governance::ECapMissing)]
fun nothing_is_authorized_without_the_upgrade_cap() {
    let mut setup = published();
    let _ticket = setup.authorize();
    abort
}

#[test]
fun a_vetoed_upgrade_makes_room_for_another() {
    let mut setup = governed();
    setup.propose();
    setup.veto();
    assert_eq!(bcs::to_bytes(&event::events_by_type<UpgradeVetoed>()), with_length_1(bcs::to_bytes(&digest())));
    setup.propose();
    assert_eq!(event::events_by_type<UpgradeProposed>().length(), 2);
    setup.end();
}

#[test, expected_failure(abort_code = governance::ENoProposal)]
fun a_vetoed_upgrade_is_never_authorized() {
    let mut setup = governed();
    setup.propose();
    setup.veto();
    setup.clock.increment_for_testing(DAY);
    let _ticket = setup.authorize();
    abort
}

#[test, expected_failure(abort_code = governance::ENoProposal)]
fun nothing_is_vetoed_where_nothing_is_proposed() {
    let mut setup = governed();
    setup.veto();
    abort
}

#[test, expected_failure(abort_code = governance::ECapMissing)]
fun the_receipt_of_a_foreign_upgrade_finds_no_cap() {
    let mut setup = published();
    let mut foreign = setup.upgrade_cap(PACKAGE);
    let ticket = foreign.authorize(package::compatible_policy(), digest());
    setup.governance.commit_upgrade(ticket.test_upgrade());
    abort
}

#[test, expected_failure(abort_code = package::EWrongUpgradeCap)]
fun the_receipt_of_a_foreign_upgrade_is_refused() {
    let mut setup = governed();
    let mut foreign = setup.upgrade_cap(PACKAGE);
    let ticket = foreign.authorize(package::compatible_policy(), digest());
    setup.governance.commit_upgrade(ticket.test_upgrade());
    abort
}

#[test]
fun a_frozen_package_says_so() {
    let mut setup = governed();
    assert!(!setup.governance.is_frozen());
    setup.freeze_package();
    assert!(setup.governance.is_frozen());
    assert_eq!(bcs::to_bytes(&event::events_by_type<PackageFrozen>()), with_length_1(bcs::to_bytes(&PACKAGE)));
    setup.end();
}

#[test, expected_failure(abort_code = governance::ECapMissing)]
fun a_package_is_frozen_once() {
    let mut setup = governed();
    setup.freeze_package();
    setup.freeze_package();
    abort
}

#[test, expected_failure(abort_code = governance::ECapMissing)]
fun freezing_stops_an_open_proposal() {
    let mut setup = governed();
    setup.propose();
    setup.freeze_package();
    setup.clock.increment_for_testing(DAY);
    let _ticket = setup.authorize();
    abort
}

/// BCS of a vector of the one element that has these bytes.
fun with_length_1(element: vector<u8>): vector<u8> {
    let mut bytes = vector[1];
    bytes.append(element);
    bytes
}

// Versions

fun old(): Setup {
    let mut self = published();
    self.governance.set_version(0);
    self
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_takes_no_cap() {
    let mut self = old();
    self.hand_over(PACKAGE);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_sets_no_first_timelock() {
    let mut self = old();
    self.set_first_timelock(1_000);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_lengthens_no_timelock() {
    let mut self = old();
    self.lengthen_timelock(90_000_000);
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_takes_no_proposal() {
    let mut self = old();
    self.propose();
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_takes_no_veto() {
    let mut self = old();
    self.veto();
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_authorizes_nothing() {
    let mut self = old();
    let _ticket = self.authorize();
    abort
}

#[test, expected_failure(abort_code = version::EWrongVersion)]
fun an_old_governance_freezes_nothing() {
    let mut self = old();
    self.freeze_package();
    abort
}

#[test]
fun a_migrated_governance_works_again() {
    let mut self = old();
    let Setup { governance, cap, .. } = &mut self;
    governance.migrate(cap);
    self.set_first_timelock(1_000);
    assert!(self.governance.timelock_ms() == 1_000);
    unit_test::destroy(self);
}

#[test, expected_failure(abort_code = version::ENothingToMigrate)]
fun a_governance_is_migrated_once() {
    let mut self = published();
    let Setup { governance, cap, .. } = &mut self;
    governance.migrate(cap);
    abort
}
