/// Platform configuration registers: what a policy expects, and what a document shows.
///
/// Invariants: a policy names PCR 0, 1 and 2 at least, each index once in ascending order, none of them all zero (a
/// debug-mode enclave has zeros). Values are found by index, never by position: which registers a document lists, and in
/// which order, depends on the network's protocol version.
module daas::pcr;

#[error]
const EPcrOrder: vector<u8> = b"Registers of a policy must be listed once each, by ascending index, 0 to 31";
#[error]
const EPcrLength: vector<u8> = b"The value of a register must have 48 bytes (SHA-384)";
#[error]
const EPcrZero: vector<u8> = b"A policy cannot ask for a register of zeros: that is what a debug-mode enclave shows";
#[error]
const EPcrMissing: vector<u8> = b"A policy must name the registers 0, 1 and 2";

const PCR_BYTES: u64 = 48;
/// Registers 0 to 31 exist.
const MAX_INDEX: u8 = 31;
/// Image, kernel, application: what every enclave measures. The others depend on how it was launched.
const REQUIRED: u64 = 3;

/// `value` has 48 bytes in a policy; whatever the document had in a document.
public struct Pcr has copy, drop, store {
    index: u8,
    value: vector<u8>,
}

public fun new(index: u8, value: vector<u8>): Pcr {
    Pcr { index, value }
}

public fun index(self: &Pcr): u8 { self.index }

public fun value(self: &Pcr): &vector<u8> { &self.value }

/// Aborts: `EPcrOrder`, `EPcrLength`, `EPcrZero`, `EPcrMissing`.
public(package) fun check_policy(pcrs: &vector<Pcr>) {
    let mut required = 0;
    pcrs.length().do!(|i| {
        let pcr = &pcrs[i];
        assert!(pcr.index <= MAX_INDEX && (i == 0 || pcr.index > pcrs[i - 1].index), EPcrOrder);
        assert!(pcr.value.length() == PCR_BYTES, EPcrLength);
        assert!(!is_zero(&pcr.value), EPcrZero);
        if ((pcr.index as u64) < REQUIRED) required = required + 1;
    });
    assert!(required == REQUIRED, EPcrMissing);
}

/// Whether `shown` has every register of `policy` with its value. A register listed twice matches nothing.
public(package) fun matches(policy: &vector<Pcr>, shown: &vector<Pcr>): bool {
    policy.all!(|wanted| {
        shown.count!(|pcr| pcr.index == wanted.index) == 1 && shown.contains(wanted)
    })
}

/// Whether one of the registers 0, 1, 2 shows nothing but zeros or is missing, as in an enclave that was launched in debug mode.
public(package) fun is_debug(shown: &vector<Pcr>): bool {
    let mut debug = false;
    REQUIRED.do!(|i| {
        if (!shown.any!(|pcr| pcr.index as u64 == i && !is_zero(&pcr.value))) debug = true;
    });
    debug
}

fun is_zero(value: &vector<u8>): bool {
    value.all!(|byte| *byte == 0)
}
