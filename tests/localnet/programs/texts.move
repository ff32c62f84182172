/// Strings, BCS, hashes, addresses, options.
module diff::texts;

use std::ascii;
use std::bcs;
use std::string::{Self, String};
use sui::address;
use sui::bcs as reader;

public struct All has copy, drop, store {
    a: u8, b: u16, c: u32, d: u64, e: u128, f: u256, g: bool, h: address, i: vector<u8>, j: String, k: Option<u64>, l: vector<Option<bool>>,
}

public fun all(n: u64): All {
    All {
        a: n as u8, b: (n * 2) as u16, c: (n * 3) as u32, d: n, e: (n as u128) << 70, f: (n as u256) << 200, g: n > 3,
        h: address::from_u256(n as u256), i: bcs::to_bytes(&n), j: b"hi".to_string(), k: if (n % 2 == 0) option::some(n) else option::none(),
        l: vector[option::some(true), option::none()],
    }
}

public fun bytes_of(n: u64): vector<u8> { bcs::to_bytes(&all(n)) }

public fun twice(n: u64): vector<u8> { bcs::to_bytes(&bcs::to_bytes(&vector[all(n)])) }

public fun peel(bytes: vector<u8>): vector<u64> {
    let mut r = reader::new(bytes);
    let a = r.peel_u64();
    let b = r.peel_vec_u8();
    let c = r.peel_bool();
    let d = r.peel_option!(|r| r.peel_u16());
    vector[a, b.length(), if (c) 1 else 0, if (d.is_some()) (*d.borrow() as u64) else 70000, r.into_remainder_bytes().length()]
}

public fun peel_wide(bytes: vector<u8>): u256 { let mut r = reader::new(bytes); let a = r.peel_u128(); let b = r.peel_u256(); b ^ (a as u256) }

public fun utf8(bytes: vector<u8>): String { string::utf8(bytes) }

public fun try_utf8(bytes: vector<u8>): Option<String> { string::try_utf8(bytes) }

public fun part(bytes: vector<u8>, i: u64, j: u64): String { bytes.to_string().substring(i, j) }

public fun index(bytes: vector<u8>, of: vector<u8>): u64 { bytes.to_string().index_of(&of.to_string()) }

public fun insert(bytes: vector<u8>, at: u64): String { let mut s = bytes.to_string(); s.insert(at, b"<>".to_string()); s.append(b".".to_string()); s }

public fun ascii(bytes: vector<u8>): ascii::String { bytes.to_ascii_string() }

public fun upper(bytes: vector<u8>): ascii::String { bytes.to_ascii_string().to_uppercase() }

public fun number(n: u64): String { n.to_string() }

public fun wide_number(n: u128): String { n.to_string() }

public fun sha2(bytes: vector<u8>): vector<u8> { std::hash::sha2_256(bytes) }

public fun sha3(bytes: vector<u8>): vector<u8> { std::hash::sha3_256(bytes) }

public fun blake(bytes: vector<u8>): vector<u8> { sui::hash::blake2b256(&bytes) }

public fun keccak(bytes: vector<u8>): vector<u8> { sui::hash::keccak256(&bytes) }

public fun hmac(key: vector<u8>, bytes: vector<u8>): vector<u8> { sui::hmac::hmac_sha3_256(&key, &bytes) }

public fun signed(signature: vector<u8>, key: vector<u8>, message: vector<u8>): bool { sui::ed25519::ed25519_verify(&signature, &key, &message) }

public fun to_address(bytes: vector<u8>): address { address::from_bytes(bytes) }

public fun address_number(a: address): u256 { a.to_u256() + 1 }

public fun address_text(a: address): String { a.to_string() }

public fun hex(bytes: vector<u8>): vector<u8> { sui::hex::decode(sui::hex::encode(bytes)) }

public fun from_hex(bytes: vector<u8>): vector<u8> { sui::hex::decode(bytes) }

public fun option(n: u64): vector<u64> {
    let mut o = if (n > 0) option::some(n) else option::none();
    let a = o.get_with_default(42);
    if (o.is_some()) { *o.borrow_mut() = a + 1 } else o.fill(3);
    let b = o.swap(8);
    vector[a, b, o.extract(), if (o.is_none()) 1 else 0]
}

public fun unwrap(n: u64): u64 { let o = if (n > 0) option::some(n) else option::none(); o.destroy_some() }

public fun mapped(n: u64): Option<vector<u8>> { (if (n > 5) option::some(n) else option::none()).map!(|x| bcs::to_bytes(&x)) }

public fun sqrt(n: u64): u64 { n.sqrt() }

public fun power(n: u64, by: u8): u64 { n.pow(by) }

#[allow(deprecated_usage)]
public fun fixed(a: u64, b: u64): u64 { std::fixed_point32::multiply_u64(a, std::fixed_point32::create_from_rational(a, b)) }
