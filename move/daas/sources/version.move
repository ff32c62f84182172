/// The version of the package's rules that a shared object follows.
///
/// Invariant: after an upgrade and the migration of an object, code of an older version cannot touch that object.
module daas::version;

/// Raised by every upgrade that changes what a shared object means.
const VERSION: u64 = 1;

#[error]
const EWrongVersion: vector<u8> =
    b"The object follows another version of this package: call the newest package, or have the admin migrate the object";
#[error]
const ENothingToMigrate: vector<u8> = b"The object already follows this version or a newer one";

public fun current(): u64 {
    VERSION
}

/// Aborts with `EWrongVersion` unless the object follows this version.
public(package) fun check(object_version: u64) {
    assert!(object_version == VERSION, EWrongVersion);
}

/// What `migrate` of an object writes. Aborts with `ENothingToMigrate`.
public(package) fun migrated(object_version: u64): u64 {
    assert!(object_version < VERSION, ENothingToMigrate);
    VERSION
}
