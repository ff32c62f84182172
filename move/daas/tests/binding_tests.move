/// Promises of the binding: version 1 in one byte form, and nothing else is read.
#[test_only]
module daas::binding_tests;

use daas::binding::{Self, EnclaveBinding};
use daas::wire;

const BINDING_BYTES: u64 = 213;

fun repeat(byte: u8, count: u64): vector<u8> {
    vector::tabulate!(count, |_| byte)
}

fun made(): EnclaveBinding {
    binding::new_for_testing(@0xa, @0xc, @0xe, repeat(1, 16), repeat(2, 32), repeat(3, 32), repeat(4, 32))
}

/// The bytes of a good binding, one of them other.
fun changed(at: u64, byte: u8): vector<u8> {
    let mut bytes = binding::bytes_for_testing(&made());
    *&mut bytes[at] = byte;
    bytes
}

#[test]
fun a_binding_comes_back_field_by_field() {
    let bytes = binding::bytes_for_testing(&made());
    assert!(bytes.length() == BINDING_BYTES);
    let binding = binding::parse(&bytes);
    assert!(binding.package_id() == @0xa);
    assert!(binding.cluster_id() == @0xc);
    assert!(binding.enclave_id() == @0xe);
    assert!(binding.boot_id() == repeat(1, 16));
    assert!(binding.light_client_anchor() == repeat(2, 32));
    assert!(binding.request_key_sha256() == repeat(3, 32));
    assert!(binding.tls_spki_sha256() == repeat(4, 32));
}

#[test, expected_failure(abort_code = binding::EBindingVersion)]
fun version_0_aborts() {
    binding::parse(&changed(0, 0));
}

#[test, expected_failure(abort_code = binding::EBindingVersion)]
fun version_2_aborts() {
    binding::parse(&changed(0, 2));
}

#[test, expected_failure(abort_code = binding::EBindingVersion)]
fun another_version_aborts_before_anything_behind_it_is_read() {
    binding::parse(&x"02");
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun no_bytes_abort() {
    binding::parse(&vector[]);
}

#[test, expected_failure(abort_code = wire::ETruncated)]
fun a_missing_byte_aborts() {
    let mut bytes = binding::bytes_for_testing(&made());
    bytes.pop_back();
    binding::parse(&bytes);
}

#[test, expected_failure(abort_code = wire::ETrailingBytes)]
fun a_byte_left_over_aborts() {
    let mut bytes = binding::bytes_for_testing(&made());
    bytes.push_back(0);
    binding::parse(&bytes);
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_boot_id_of_17_bytes_aborts() {
    binding::parse(&changed(1 + 3 * 32, 17));
}

#[test, expected_failure(abort_code = wire::ELength)]
fun a_hash_of_31_bytes_aborts() {
    binding::parse(&changed(BINDING_BYTES - 33, 31));
}

#[test, expected_failure(abort_code = wire::EUlebNotCanonical)]
fun a_length_in_a_long_form_aborts() {
    let mut bytes = changed(1 + 3 * 32, 0x90);
    bytes.insert(0, 1 + 3 * 32 + 1);
    binding::parse(&bytes);
}
