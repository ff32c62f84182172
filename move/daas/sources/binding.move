/// `user_data` of an attestation document: for whom a boot was launched and what it holds.
///
/// Invariant: one binding has one byte form of version 1; nothing behind another version is read. What the fields
/// must be is judged where a boot registers. Source: DESIGN.md section 2, `protocol/daas_protocol/binding.py`.
module daas::binding;

use daas::wire;

const VERSION: u8 = 1;

#[error]
const EBindingVersion: vector<u8> = b"The binding must have version 1: launch the enclave from an image of this package version";

/// Fields in the order of the wire, behind the version. `boot_id`: 16 bytes, the hashes: 32 bytes each.
public struct EnclaveBinding has copy, drop {
    version: u8,
    package_id: address,
    cluster_id: address,
    enclave_id: address,
    boot_id: vector<u8>,
    light_client_anchor: vector<u8>,
    request_key_sha256: vector<u8>,
    tls_spki_sha256: vector<u8>,
}

/// The binding that `bytes` are. Anyone may call.
/// Aborts: `EBindingVersion` before anything behind the version is read, and the aborts of decoding (`wire`).
public fun parse(bytes: &vector<u8>): EnclaveBinding {
    let mut cursor = wire::cursor(*bytes);
    let version = cursor.take_u8();
    assert!(version == VERSION, EBindingVersion);
    let binding = EnclaveBinding {
        version,
        package_id: cursor.take_address(),
        cluster_id: cursor.take_address(),
        enclave_id: cursor.take_address(),
        boot_id: cursor.take_boot_id(),
        light_client_anchor: cursor.take_digest(),
        request_key_sha256: cursor.take_digest(),
        tls_spki_sha256: cursor.take_digest(),
    };
    cursor.finish();
    binding
}

/// Original id of the package that the boot serves. Anyone may call this and what follows; none aborts.
public fun package_id(binding: &EnclaveBinding): address { binding.package_id }

public fun cluster_id(binding: &EnclaveBinding): address { binding.cluster_id }

/// The slot on chain.
public fun enclave_id(binding: &EnclaveBinding): address { binding.enclave_id }

public fun boot_id(binding: &EnclaveBinding): &vector<u8> { &binding.boot_id }

/// SHA-256 of bcs(epoch, committee) from which the boot's light client starts.
public fun light_client_anchor(binding: &EnclaveBinding): &vector<u8> { &binding.light_client_anchor }

/// SHA-256 of the request key; zero while there is none.
public fun request_key_sha256(binding: &EnclaveBinding): &vector<u8> { &binding.request_key_sha256 }

/// SHA-256 of the public key of the boot's TLS endpoint.
public fun tls_spki_sha256(binding: &EnclaveBinding): &vector<u8> { &binding.tls_spki_sha256 }

#[test_only]
public fun new_for_testing(
    package_id: address,
    cluster_id: address,
    enclave_id: address,
    boot_id: vector<u8>,
    light_client_anchor: vector<u8>,
    request_key_sha256: vector<u8>,
    tls_spki_sha256: vector<u8>,
): EnclaveBinding {
    EnclaveBinding {
        version: VERSION,
        package_id,
        cluster_id,
        enclave_id,
        boot_id,
        light_client_anchor,
        request_key_sha256,
        tls_spki_sha256,
    }
}

#[test_only]
public fun bytes_for_testing(binding: &EnclaveBinding): vector<u8> { std::bcs::to_bytes(binding) }
