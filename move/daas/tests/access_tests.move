/// Promises of `daas::access`. What a token's grants permit is in `daas::access_permission_tests`.
#[test_only]
module daas::access_tests;

use daas::access::{Self, AccessToken, SessionsEnded, TokenIssued, TokenRevoked};
use daas::chain_check::{Self, joined};
use daas::cluster::{Self, Cluster};
use daas::grant;
use daas::params;
use daas::world::{Self, World};
use std::hash::sha2_256;
use std::string::String;
use std::unit_test::{Self, assert_eq};
use sui::bcs;
use sui::display::Display;
use sui::package::Publisher;
use sui::test_scenario;

const OWNER: address = @0xA1;
const TWO_YEARS: u64 = 63_072_000_000;

fun commitment(): vector<u8> { sha2_256(b"secret") }

fun texts(list: vector<vector<u8>>): vector<String> { list.map!(|text| text.to_string()) }

/// Issues a token of OWNER that lives `life_ms`.
fun issue(world: &mut World, grants: vector<vector<u8>>, commitment: vector<u8>, life_ms: u64): AccessToken {
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    let expires_at_ms = clock.timestamp_ms() + life_ms;
    access::issue_for_testing(cluster, admin, OWNER, texts(grants), commitment, expires_at_ms, clock, ctx)
}

fun issue_one(world: &mut World): AccessToken { world.issue(vector[b"pods:read@prod"], commitment(), 1_000) }

fun revoke(world: &mut World, token: ID) {
    let (cluster, admin, _, _, _, _, _, _) = world.parts();
    access::revoke(cluster, admin, token);
}

fun surrender(world: &mut World, token: AccessToken, sender: address) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    access::surrender(cluster, token, ctx);
}

fun end_sessions(world: &mut World, token: &AccessToken, sender: address) {
    let ctx = &world.as_sender(sender);
    let (cluster, _, _, _, _, _, _, _) = world.parts();
    access::end_sessions(cluster, token, ctx);
}

fun is_valid(world: &World, token: &AccessToken): bool {
    access::is_valid_seal_token(world.cluster(), token, world.clock())
}

/// A cluster that knows none of the world's tokens.
fun other_cluster(world: &mut World): Cluster {
    let ctx = &mut world.as_sender(@0xC0);
    let (cluster, admin, veto) = cluster::create(
        b"other".to_string(), params::default(), 1, world::policy_pcrs(1), vector[world::anchor()], world.clock(), ctx,
    );
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    cluster
}

// Issue.

#[test]
fun a_token_keeps_what_it_was_issued_with_and_is_recorded() {
    let mut world = world::new();
    let grants = vector[b"pods:read@prod", b"deployments.apps:write"];
    let mark = chain_check::mark(world.cluster());
    let token = world.issue(grants, commitment(), 1_000);
    let expires_at_ms = world.now() + 1_000;
    let parsed = grants.map!(|text| grant::parse(&text.to_string()));
    assert_eq!(token.owner(), OWNER);
    assert_eq!(*token.grants(), parsed);
    assert_eq!(*token.commitment(), commitment());
    assert_eq!(token.expires_at_ms(), expires_at_ms);
    assert!(!access::is_revoked(world.cluster(), token.token_id()));
    mark.recorded<TokenIssued>(world.cluster(), joined(vector[
        x"0a",
        bcs::to_bytes(&token.token_id()),
        bcs::to_bytes(&OWNER),
        bcs::to_bytes(&parsed),
        bcs::to_bytes(&commitment()),
        bcs::to_bytes(&expires_at_ms),
    ]));
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun an_issued_token_goes_to_its_owner_and_he_can_give_it_up() {
    let mut scenario = test_scenario::begin(@0xAD);
    let clock = sui::clock::create_for_testing(scenario.ctx());
    let (mut cluster, admin, veto) = cluster::create(
        b"c".to_string(), params::default(), 1, world::policy_pcrs(1), vector[commitment()], &clock, scenario.ctx(),
    );
    let grants = texts(vector[b"*:*"]);
    let id = access::issue(&mut cluster, &admin, OWNER, grants, commitment(), 1, &clock, scenario.ctx());
    let effects = scenario.next_tx(OWNER);
    assert_eq!(effects.transferred_to_account()[&id], OWNER);
    let token = scenario.take_from_sender<AccessToken>();
    assert_eq!(token.token_id(), id);
    assert!(access::is_valid_seal_token(&cluster, &token, &clock));
    access::surrender(&mut cluster, token, scenario.ctx());
    assert_eq!(scenario.next_tx(OWNER).deleted(), vector[id]);
    assert!(access::is_revoked(&cluster, id));
    unit_test::destroy(cluster);
    unit_test::destroy(admin);
    unit_test::destroy(veto);
    unit_test::destroy(clock);
    scenario.end();
}

#[test]
fun two_tokens_of_one_owner_are_two() {
    let mut world = world::new();
    let (first, second) = (world.issue_one(), world.issue_one());
    world.revoke(first.token_id());
    assert!(!world.is_valid(&first) && world.is_valid(&second));
    unit_test::destroy(first);
    unit_test::destroy(second);
    world.destroy();
}

#[test]
fun a_token_has_up_to_32_grants() {
    let mut world = world::new();
    let token = world.issue(vector::tabulate!(32, |_| b"pods:read"), commitment(), 1_000);
    assert_eq!(token.grants().length(), 32);
    unit_test::destroy(token);
    world.destroy();
}

#[test, expected_failure(abort_code = access::EGrantCount)]
fun a_token_has_no_33_grants() {
    let mut world = world::new();
    let _token = world.issue(vector::tabulate!(33, |_| b"pods:read"), commitment(), 1_000);
    abort
}

#[test, expected_failure(abort_code = access::EGrantCount)]
fun a_token_without_grants_is_not_issued() {
    let mut world = world::new();
    let _token = world.issue(vector[], commitment(), 1_000);
    abort
}

#[test, expected_failure(abort_code = grant::EGrantVerb)]
fun one_bad_grant_among_good_ones_stops_the_token() {
    let mut world = world::new();
    let _token = world.issue(vector[b"pods:read", b"pods:exec"], commitment(), 1_000);
    abort
}

#[test, expected_failure(abort_code = access::ECommitmentLength)]
fun a_commitment_has_no_31_bytes() {
    let mut world = world::new();
    let mut short = commitment();
    short.pop_back();
    let _token = world.issue(vector[b"pods:read"], short, 1_000);
    abort
}

#[test, expected_failure(abort_code = access::ECommitmentLength)]
fun a_commitment_has_no_33_bytes() {
    let mut world = world::new();
    let mut long = commitment();
    long.push_back(0);
    let _token = world.issue(vector[b"pods:read"], long, 1_000);
    abort
}

#[test]
fun a_token_lives_from_a_millisecond_to_two_years() {
    let mut world = world::new();
    let (short, long) = (
        world.issue(vector[b"*:*"], commitment(), 1),
        world.issue(vector[b"*:*"], commitment(), TWO_YEARS),
    );
    assert!(world.is_valid(&short) && world.is_valid(&long));
    world.wait(1);
    assert!(!world.is_valid(&short) && world.is_valid(&long));
    world.wait(TWO_YEARS - 2);
    assert!(world.is_valid(&long));
    world.wait(1);
    assert!(!world.is_valid(&long));
    unit_test::destroy(short);
    unit_test::destroy(long);
    world.destroy();
}

#[test, expected_failure(abort_code = access::EExpiry)]
fun a_token_that_expires_now_is_not_issued() {
    let mut world = world::new();
    let _token = world.issue(vector[b"*:*"], commitment(), 0);
    abort
}

#[test, expected_failure(abort_code = access::EExpiry)]
fun a_token_that_expired_before_is_not_issued() {
    let mut world = world::new();
    let ctx = &mut world.as_sender(world::admin());
    let (cluster, admin, _, _, _, _, _, clock) = world.parts();
    access::issue(cluster, admin, OWNER, texts(vector[b"*:*"]), commitment(), 0, clock, ctx);
    abort
}

#[test, expected_failure(abort_code = access::EExpiry)]
fun a_token_of_more_than_two_years_is_not_issued() {
    let mut world = world::new();
    let _token = world.issue(vector[b"*:*"], commitment(), TWO_YEARS + 1);
    abort
}

// Revocation and surrender.

#[test]
fun a_token_of_another_cluster_is_not_valid() {
    let mut world = world::new();
    let token = world.issue_one();
    let other = world.other_cluster();
    assert!(world.is_valid(&token));
    assert!(!access::is_valid_seal_token(&other, &token, world.clock()));
    unit_test::destroy(other);
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun the_admin_revokes_without_the_owner() {
    let mut world = world::new();
    let token = world.issue_one();
    let mark = chain_check::mark(world.cluster());
    world.revoke(token.token_id());
    mark.recorded<TokenRevoked>(world.cluster(), joined(vector[x"0b", bcs::to_bytes(&token.token_id())]));
    assert!(access::is_revoked(world.cluster(), token.token_id()) && !world.is_valid(&token));
    unit_test::destroy(token);
    world.destroy();
}

#[test, expected_failure(abort_code = access::ETokenRevoked)]
fun a_token_is_revoked_once() {
    let mut world = world::new();
    let token = world.issue_one();
    world.revoke(token.token_id());
    world.revoke(token.token_id());
    abort
}

#[test, expected_failure(abort_code = access::ETokenUnknown)]
fun an_unknown_token_is_not_revoked() {
    let mut world = world::new();
    world.revoke(@0xBAD.to_id());
    abort
}

#[test, expected_failure(abort_code = access::ETokenUnknown)]
fun an_unknown_token_is_neither_revoked_nor_not() {
    let world = world::new();
    access::is_revoked(world.cluster(), @0xBAD.to_id());
    abort
}

#[test]
fun an_owner_gives_his_token_up() {
    let mut world = world::new();
    let token = world.issue_one();
    let id = token.token_id();
    let mark = chain_check::mark(world.cluster());
    world.surrender(token, OWNER);
    mark.recorded<TokenRevoked>(world.cluster(), joined(vector[x"0b", bcs::to_bytes(&id)]));
    assert!(access::is_revoked(world.cluster(), id));
    world.destroy();
}

#[test]
fun giving_up_a_revoked_token_records_nothing_more() {
    let mut world = world::new();
    let token = world.issue_one();
    let id = token.token_id();
    world.revoke(id);
    let mark = chain_check::mark(world.cluster());
    world.surrender(token, OWNER);
    mark.nothing_recorded(world.cluster());
    assert!(access::is_revoked(world.cluster(), id));
    world.destroy();
}

#[test, expected_failure(abort_code = access::ETokenRevoked)]
fun a_token_given_up_is_revoked_already() {
    let mut world = world::new();
    let token = world.issue_one();
    let id = token.token_id();
    world.surrender(token, OWNER);
    world.revoke(id);
    abort
}

#[test, expected_failure(abort_code = access::EWrongOwner)]
fun nobody_gives_up_the_token_of_another() {
    let mut world = world::new();
    let token = world.issue_one();
    world.surrender(token, @0xA2);
    abort
}

#[test, expected_failure(abort_code = access::ETokenUnknown)]
fun a_token_is_not_given_up_to_another_cluster() {
    let mut world = world::new();
    let token = world.issue_one();
    let mut other = world.other_cluster();
    let ctx = &world.as_sender(OWNER);
    access::surrender(&mut other, token, ctx);
    abort
}

// Sessions.

#[test]
fun ending_sessions_counts_up_for_oneself_alone() {
    let mut world = world::new();
    let token = world.issue_one();
    assert_eq!(access::session_epoch(world.cluster(), OWNER), 0);
    3u64.do!(|i| {
        let epoch = i + 1;
        let mark = chain_check::mark(world.cluster());
        world.end_sessions(&token, OWNER);
        mark.recorded<SessionsEnded>(
            world.cluster(),
            joined(vector[x"0c", bcs::to_bytes(&OWNER), bcs::to_bytes(&epoch)]),
        );
        assert_eq!(access::session_epoch(world.cluster(), OWNER), epoch);
    });
    assert_eq!(access::session_epoch(world.cluster(), @0xA2), 0);
    unit_test::destroy(token);
    world.destroy();
}

#[test]
fun sessions_end_with_a_token_that_counts_no_longer() {
    let mut world = world::new();
    let token = world.issue_one();
    world.revoke(token.token_id());
    world.wait(1_000_000);
    world.end_sessions(&token, OWNER);
    assert_eq!(access::session_epoch(world.cluster(), OWNER), 1);
    unit_test::destroy(token);
    world.destroy();
}

#[test, expected_failure(abort_code = access::EWrongOwner)]
fun nobody_ends_sessions_with_a_foreign_token() {
    let mut world = world::new();
    let token = world.issue_one();
    world.end_sessions(&token, @0xA2);
    abort
}

#[test, expected_failure(abort_code = access::ETokenUnknown)]
fun nobody_ends_sessions_in_another_cluster() {
    let mut world = world::new();
    let token = world.issue_one();
    let mut other = world.other_cluster();
    access::end_sessions(&mut other, &token, &world.as_sender(OWNER));
    abort
}

// Validity.

#[test]
fun permission_says_nothing_about_validity() {
    let mut world = world::new();
    let token = world.issue_one();
    world.revoke(token.token_id());
    let none = b"".to_string();
    let (verb, resource, namespace) = (b"get".to_string(), b"pods".to_string(), b"prod".to_string());
    assert!(access::has_permission(&token, &verb, &none, &resource, &none, &namespace));
    assert!(!world.is_valid(&token));
    unit_test::destroy(token);
    world.destroy();
}

#[random_test]
fun a_token_is_valid_before_its_expiry_and_never_again(life_ms: u64, waited_ms: u64) {
    let mut world = world::new();
    let life_ms = 1 + life_ms % TWO_YEARS;
    // Half of the runs end before the expiry.
    let waited_ms = waited_ms % (2 * life_ms);
    let token = world.issue(vector[b"*:*"], commitment(), life_ms);
    world.wait(waited_ms);
    assert_eq!(world.is_valid(&token), waited_ms < life_ms);
    unit_test::destroy(token);
    world.destroy();
}

// Display.

#[test]
fun publishing_makes_the_display_of_tokens() {
    let mut scenario = test_scenario::begin(@0xAD);
    access::init_for_testing(scenario.ctx());
    scenario.next_tx(@0xAD);
    let publisher = scenario.take_from_sender<Publisher>();
    let display = scenario.take_from_sender<Display<AccessToken>>();
    assert!(publisher.from_module<AccessToken>());
    assert_eq!(display.version(), 1);
    assert_eq!(display.fields()[&b"name".to_string()], b"DaaS access token".to_string());
    assert_eq!(
        display.fields()[&b"description".to_string()],
        b"Access of {owner} to cluster {cluster}; not transferable".to_string(),
    );
    assert_eq!(display.fields().length(), 2);
    scenario.return_to_sender(publisher);
    scenario.return_to_sender(display);
    scenario.end();
}

use fun issue as World.issue;
use fun issue_one as World.issue_one;
use fun revoke as World.revoke;
use fun surrender as World.surrender;
use fun end_sessions as World.end_sessions;
use fun is_valid as World.is_valid;
use fun other_cluster as World.other_cluster;
