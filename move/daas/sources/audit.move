/// Anchors of what an enclave keeps off chain: tree heads of each boot's log, and the journal of each slot.
///
/// Invariant: both only go forward. A newer tree head replaces the older only with a proof that the older log is its
/// beginning, so that a root once anchored can never be denied.
module daas::audit;

use daas::cluster::Cluster;
use daas::enclave::Enclave;
use daas::merkle;
use daas::statements;
use daas::wire;
use sui::clock::Clock;
use sui::event;

#[error]
const EWrongEnclave: vector<u8> = b"The signed statement is about another slot";
#[error]
const ENotForward: vector<u8> = b"The anchored size (or revision) is this one or higher already";
#[error]
const EInconsistent: vector<u8> = b"The proof does not show that the anchored log is the beginning of this one";

public struct TreeHeadAnchored has copy, drop {
    enclave: ID,
    boot_id: vector<u8>,
    size: u64,
    root: vector<u8>,
}

public struct JournalAnchored has copy, drop {
    enclave: ID,
    revision: u64,
    root: vector<u8>,
}

/// Anyone with a signed TreeHead of any recorded boot, and a consistency proof (RFC 6962) from the anchored size, which
/// is empty for the first head. Aborts: `EWrongEnclave`, `ENotForward`, `EInconsistent`, those of
/// `daas::enclave::verify_recorded` and `daas::statements`, `EWrongCluster`, `EWrongVersion`.
public fun anchor_tree_head(
    enclave: &mut Enclave,
    cluster: &Cluster,
    message: vector<u8>,
    signature: vector<u8>,
    proof: vector<vector<u8>>,
) {
    enclave.check(cluster);
    let head = statements::parse_tree_head(&wire::parse_message(&message));
    assert!(head.enclave_id() == enclave.id().to_address(), EWrongEnclave);
    let boot_id = *head.boot_id();
    enclave.verify_recorded(&boot_id, &message, &signature);
    let boot = enclave.boot(&boot_id);
    let size = head.size();
    let root = *head.root();
    assert!(size > boot.log_size(), ENotForward);
    let consistent = merkle::verify_consistency(boot.log_size(), boot.log_root(), size, &root, &proof);
    assert!(consistent, EInconsistent);
    enclave.set_log(&boot_id, size, root);
    event::emit(TreeHeadAnchored { enclave: enclave.id(), boot_id, size, root });
}

/// Anyone with a signed Snapshot of the current boot: what state the slot has acknowledged, so that a restart below it
/// shows. Aborts: `EWrongEnclave`, `ENotForward`, those of `daas::enclave::verify_current` and `daas::statements`.
public fun anchor_journal(
    enclave: &mut Enclave,
    cluster: &Cluster,
    message: vector<u8>,
    signature: vector<u8>,
    clock: &Clock,
) {
    let snapshot = statements::parse_snapshot(&wire::parse_message(&message));
    assert!(snapshot.enclave_id() == enclave.id().to_address(), EWrongEnclave);
    enclave.verify_current(cluster, snapshot.boot_id(), &message, &signature, clock);
    let revision = snapshot.revision();
    let journal = enclave.journal();
    assert!(journal.is_none() || revision > journal.borrow().journal_revision(), ENotForward);
    let root = *snapshot.root();
    enclave.set_journal(revision, root);
    event::emit(JournalAnchored { enclave: enclave.id(), revision, root });
}
