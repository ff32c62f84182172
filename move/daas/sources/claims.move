/// What an attestation document claims, and whether a slot may believe it.
///
/// Sui's native has checked the document's signature and its chain up to the vendor's root, and nothing else: it takes
/// any age within the certificate's life, any nonce, and debug mode. All of that is checked here, on a value that tests
/// can make.
/// Invariant: an `Attested` value exists only for a fresh document, made for this very slot in its present generation,
/// by an image that the cluster's policy trusts now.
module daas::claims;

use daas::binding::{Self, EnclaveBinding};
use daas::cluster::Cluster;
use daas::pcr::{Self, Pcr};
use std::hash::sha2_256;
use std::type_name;
use sui::address;
use sui::bcs;
use sui::clock::Clock;
use sui::nitro_attestation::NitroAttestationDocument;

#[error]
const EDocumentTooOld: vector<u8> = b"The attestation document is older than the cluster allows: ask the enclave for a new one";
#[error]
const EDocumentInFuture: vector<u8> = b"The attestation document is from the future: the clocks disagree";
#[error]
const EDocumentReplayed: vector<u8> = b"The slot has seen this document or a newer one";
#[error]
const ENonce: vector<u8> = b"The nonce must be 24 zero bytes and the slot's present generation (u64, big endian)";
#[error]
const EPublicKeyLength: vector<u8> = b"The document's public_key must be the receipt key: 32 bytes";
#[error]
const EUserDataMissing: vector<u8> = b"The document has no user_data, so it is bound to nothing";
#[error]
const EWrongPackage: vector<u8> = b"The enclave was launched for another package";
#[error]
const EWrongCluster: vector<u8> = b"The enclave was launched for another cluster";
#[error]
const EWrongSlot: vector<u8> = b"The enclave was launched for another slot";
#[error]
const EAnchorNotAccepted: vector<u8> = b"The cluster does not accept the enclave's light-client anchor";
#[error]
const ERequestKeyLength: vector<u8> = b"A request key (MLKEM768-X25519) has 1,216 bytes";
#[error]
const ERequestKeyHash: vector<u8> = b"The request key is not the one whose hash is in the document";
#[error]
const EDebugMode: vector<u8> = b"The enclave runs in debug mode: its registers are zero";
#[error]
const ENoMatchingPolicy: vector<u8> = b"No active policy of the cluster has the registers of this document";

const PUBLIC_KEY_BYTES: u64 = 32;
const REQUEST_KEY_BYTES: u64 = 1_216;

/// The fields of a verified document that matter here.
public struct Document has copy, drop {
    timestamp_ms: u64,
    pcrs: vector<Pcr>,
    public_key: Option<vector<u8>>,
    user_data: Option<vector<u8>>,
    nonce: Option<vector<u8>>,
}

public struct Attested has copy, drop {
    binding: EnclaveBinding,
    public_key: vector<u8>,
    timestamp_ms: u64,
    policy_version: u64,
}

public(package) fun read(document: &NitroAttestationDocument): Document {
    Document {
        timestamp_ms: *document.timestamp(),
        pcrs: document.pcrs().map_ref!(|entry| pcr::new(entry.index(), *entry.value())),
        public_key: *document.public_key(),
        user_data: *document.user_data(),
        nonce: *document.nonce(),
    }
}

/// `generation` and `last_attested_ms` are the slot's. Aborts by the names above, and by those of `daas::binding`.
public(package) fun check(
    document: &Document,
    cluster: &Cluster,
    enclave: ID,
    generation: u64,
    last_attested_ms: u64,
    clock: &Clock,
): Attested {
    let now = clock.timestamp_ms();
    let timestamp_ms = document.timestamp_ms;
    let params = cluster.params();
    // Compared by subtraction only where it cannot underflow: the document's time is any u64.
    if (timestamp_ms > now) {
        assert!(timestamp_ms - now <= params.clock_skew_ms(), EDocumentInFuture);
    } else {
        assert!(now - timestamp_ms <= params.attestation_age_ms(), EDocumentTooOld);
    };
    assert!(timestamp_ms > last_attested_ms, EDocumentReplayed);
    assert!(document.nonce == option::some(expected_nonce(generation)), ENonce);
    assert!(document.public_key.is_some_and!(|key| key.length() == PUBLIC_KEY_BYTES), EPublicKeyLength);
    assert!(document.user_data.is_some(), EUserDataMissing);
    let binding = binding::parse(document.user_data.borrow());
    // The id of the first version: it is what a type is called by in every later one.
    assert!(binding.package_id() == type_name::original_id<Attested>(), EWrongPackage);
    assert!(binding.cluster_id() == cluster.id().to_address(), EWrongCluster);
    assert!(binding.enclave_id() == enclave.to_address(), EWrongSlot);
    assert!(cluster.accepts_anchor(binding.light_client_anchor()), EAnchorNotAccepted);
    assert!(!pcr::is_debug(&document.pcrs), EDebugMode);
    let policy = cluster.match_policy(&document.pcrs);
    assert!(policy.is_some(), ENoMatchingPolicy);
    Attested {
        binding,
        public_key: *document.public_key.borrow(),
        timestamp_ms,
        policy_version: policy.destroy_some(),
    }
}

/// Aborts: `ERequestKeyLength`, `ERequestKeyHash`.
public(package) fun check_request_key(self: &Attested, request_key: &vector<u8>) {
    assert!(request_key.length() == REQUEST_KEY_BYTES, ERequestKeyLength);
    assert!(&sha2_256(*request_key) == self.binding.request_key_sha256(), ERequestKeyHash);
}

/// 24 zero bytes || generation, u64 big endian.
public fun expected_nonce(generation: u64): vector<u8> {
    let mut nonce = address::to_bytes(@0x0);
    let little = bcs::to_bytes(&generation);
    8u64.do!(|i| *&mut nonce[31 - i] = little[i]);
    nonce
}

public(package) fun binding(self: &Attested): &EnclaveBinding { &self.binding }

public(package) fun public_key(self: &Attested): vector<u8> { self.public_key }

public(package) fun timestamp_ms(self: &Attested): u64 { self.timestamp_ms }

public(package) fun policy_version(self: &Attested): u64 { self.policy_version }

/// What the native would return for a document with these fields, for tests only: the native itself refuses made-up ones.
#[test_only]
public fun document_for_testing(
    timestamp_ms: u64,
    pcrs: vector<Pcr>,
    public_key: Option<vector<u8>>,
    user_data: Option<vector<u8>>,
    nonce: Option<vector<u8>>,
): Document {
    Document { timestamp_ms, pcrs, public_key, user_data, nonce }
}
