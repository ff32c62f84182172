/// One request for a slot's mailbox, as its sender writes it.
///
/// Invariant: a `Command` is well formed: every length within its cap, verb and names in Kubernetes' own forms. Whether
/// it is allowed, paid for and in time is decided where it is submitted.
module daas::command;

use daas::grant;
use std::string::String;

#[error]
const EVerb: vector<u8> = b"The verb must be one of get list watch create update patch delete deletecollection";
#[error]
const EResource: vector<u8> = b"Resource and subresource must be names in lower case (RFC 1123 labels); the resource must not be empty";
#[error]
const EGroup: vector<u8> = b"The API group must be empty (core) or a name of at most 253 bytes";
#[error]
const ENamespace: vector<u8> = b"The namespace must be empty (cluster-scoped) or an RFC 1123 label";
#[error]
const ERequestIdLength: vector<u8> = b"A request id has 16 bytes";
#[error]
const EDigestLength: vector<u8> = b"A digest has 32 bytes (SHA-256)";
#[error]
const EPriority: vector<u8> = b"The priority is 1 to 10";
#[error]
const EPayloadLength: vector<u8> =
    b"A payload on chain has 1 to 122,880 bytes; pass a larger one off chain, by its digest";

const REQUEST_ID_BYTES: u64 = 16;
const DIGEST_BYTES: u64 = 32;
const MAX_GROUP_BYTES: u64 = 253;
const MAX_PRIORITY: u8 = 10;
/// A transaction has at most 131,072 bytes; the rest is for its other parts.
const MAX_PAYLOAD_BYTES: u64 = 122_880;

/// The HPKE ciphertext. It can be appended to, because one argument of a transaction has at most 16,384 bytes.
public enum Payload has copy, drop, store {
    OnChain { ciphertext: vector<u8> },
    /// The host carries it; the enclave takes it only with this SHA-256.
    OffChain { digest: vector<u8>, length: u64 },
}

/// Empty `group`: the core group; empty `subresource`: the resource itself; empty `namespace`: not in a namespace.
public struct Command has copy, drop {
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    request_id: vector<u8>,
    request_digest: vector<u8>,
    deadline_ms: u64,
    priority: u8,
    deliver: bool,
    request_key_id: u64,
    payload: Payload,
    fee: u64,
}

/// Anyone.
public fun on_chain(ciphertext: vector<u8>): Payload { Payload::OnChain { ciphertext } }

/// Anyone. `digest`: SHA-256 of the ciphertext. Aborts: `EDigestLength`.
public fun off_chain(digest: vector<u8>, length: u64): Payload {
    assert!(digest.length() == DIGEST_BYTES, EDigestLength);
    Payload::OffChain { digest, length }
}

/// Anyone: more bytes of a payload on chain. Aborts: `EPayloadLength` for one off chain.
public fun append(self: &mut Payload, bytes: vector<u8>) {
    match (self) {
        Payload::OnChain { ciphertext } => ciphertext.append(bytes),
        Payload::OffChain { .. } => abort EPayloadLength,
    }
}

/// Anyone. `deadline_ms`: time of the chain until which an answer is wanted; `fee`: MIST that the request may cost;
/// `deliver`: the answer is wanted in the settlement event. Aborts: `EVerb`, `EGroup`, `EResource`, `ENamespace`,
/// `ERequestIdLength`, `EDigestLength`, `EPriority`, `EPayloadLength`.
public fun new(
    verb: String,
    group: String,
    resource: String,
    subresource: String,
    namespace: String,
    request_id: vector<u8>,
    request_digest: vector<u8>,
    deadline_ms: u64,
    priority: u8,
    deliver: bool,
    request_key_id: u64,
    payload: Payload,
    fee: u64,
): Command {
    assert!(is_verb(&verb), EVerb);
    assert!(group.is_empty() || is_group(&group), EGroup);
    assert!(grant::is_label(resource.as_bytes()), EResource);
    assert!(subresource.is_empty() || grant::is_label(subresource.as_bytes()), EResource);
    assert!(namespace.is_empty() || grant::is_label(namespace.as_bytes()), ENamespace);
    assert!(request_id.length() == REQUEST_ID_BYTES, ERequestIdLength);
    assert!(request_digest.length() == DIGEST_BYTES, EDigestLength);
    assert!(priority >= 1 && priority <= MAX_PRIORITY, EPriority);
    match (&payload) {
        Payload::OnChain { ciphertext } => {
            assert!(!ciphertext.is_empty() && ciphertext.length() <= MAX_PAYLOAD_BYTES, EPayloadLength)
        },
        Payload::OffChain { .. } => (),
    };
    Command {
        verb,
        group,
        resource,
        subresource,
        namespace,
        request_id,
        request_digest,
        deadline_ms,
        priority,
        deliver,
        request_key_id,
        payload,
        fee,
    }
}

public fun verb(self: &Command): &String { &self.verb }

public fun group(self: &Command): &String { &self.group }

public fun resource(self: &Command): &String { &self.resource }

public fun subresource(self: &Command): &String { &self.subresource }

public fun namespace(self: &Command): &String { &self.namespace }

public fun request_id(self: &Command): vector<u8> { self.request_id }

public fun request_digest(self: &Command): vector<u8> { self.request_digest }

public fun deadline_ms(self: &Command): u64 { self.deadline_ms }

public fun priority(self: &Command): u8 { self.priority }

public fun deliver(self: &Command): bool { self.deliver }

public fun request_key_id(self: &Command): u64 { self.request_key_id }

public fun payload(self: &Command): Payload { self.payload }

public fun fee(self: &Command): u64 { self.fee }

public fun is_off_chain(self: &Command): bool {
    match (&self.payload) {
        Payload::OffChain { .. } => true,
        Payload::OnChain { .. } => false,
    }
}

/// Bytes that the request puts into an event; 0 for a payload off chain.
public fun bytes_on_chain(self: &Command): u64 {
    match (&self.payload) {
        Payload::OnChain { ciphertext } => ciphertext.length(),
        Payload::OffChain { .. } => 0,
    }
}

fun is_verb(verb: &String): bool {
    grant::is_write_verb(verb) || vector[b"get", b"list", b"watch"].contains(verb.as_bytes())
}

fun is_group(group: &String): bool {
    if (group.length() > MAX_GROUP_BYTES) return false;
    let bytes = group.as_bytes();
    let mut label = vector[];
    let mut labels = true;
    bytes.do_ref!(|byte| {
        if (*byte == 46) {
            if (!grant::is_label(&label)) labels = false;
            label = vector[];
        } else {
            label.push_back(*byte);
        }
    });
    labels && grant::is_label(&label)
}
