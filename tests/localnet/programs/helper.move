/// Where failures happen when they happen in another module.
module diff::helper;

public fun check(n: u64): u64 { assert!(n < 10, 500); n }

public fun subtract(a: u64, b: u64): u64 { a - b }

public(package) fun third(v: &vector<u64>): &u64 { &v[2] }
