/// What proved misbehaviour costs.
///
/// Invariant: only statements that no honest signer could both have made are evidence. A receipt that is sent twice, is
/// in a batch and alone, is signed again at another time, or is of another boot contradicts nothing: what is compared is
/// the content (the log's leaf) of one boot. One boot loses stake once for each kind, one worker once.
module daas::slashing;

use daas::cluster::Cluster;
use daas::enclave::Enclave;
use daas::merkle;
use daas::receipt;
use daas::stake::StakePool;
use daas::statements;
use daas::wire;
use daas::worker_registry::WorkerRegistry;
use std::string::String;
use sui::ed25519;
use sui::event;

#[error]
const EOtherLog: vector<u8> = b"The statement is of another slot or boot: statements of different logs never contradict";
#[error]
const EOtherSequence: vector<u8> = b"The statements have different sequences";
#[error]
const ESameContent: vector<u8> = b"Both statements say the same: that is no contradiction";
#[error]
const ENotAnchored: vector<u8> = b"The anchored tree head of this boot is too small to contradict the statement";
#[error]
const EProof: vector<u8> = b"The proof does not lead to the anchored root";
#[error]
const EAlreadySlashed: vector<u8> = b"This boot was slashed for this kind of misbehaviour already";
#[error]
const EOtherWorker: vector<u8> = b"The statement is about another cluster or worker";
#[error]
const EWorkerSignature: vector<u8> = b"The signature does not verify under the worker's status key";

const EQUIVOCATION: u8 = 0;
const CONTRADICTION: u8 = 1;

/// `kind`: 0 equivocation, 1 contradiction of an anchored head.
public struct BootSlashedEvent has copy, drop {
    enclave: ID,
    boot_id: vector<u8>,
    kind: u8,
    reporter: address,
    slashed: u64,
}

public struct WorkerSlashedEvent has copy, drop {
    node_id: String,
    reporter: address,
    slashed: u64,
}

/// Anyone with two signed receipts of one boot that have one sequence and different content. `index`: position in a
/// ReceiptBatch, else 0. Aborts: `EOtherLog`, `EOtherSequence`, `ESameContent`, `EAlreadySlashed`, those of
/// `daas::enclave::verify_recorded` and `daas::receipt`, `EWrongCluster`, `EWrongPool`, `EWrongVersion`.
public fun report_equivocation(
    enclave: &mut Enclave,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    boot_id: vector<u8>,
    message: vector<u8>,
    signature: vector<u8>,
    index: u64,
    other_message: vector<u8>,
    other_signature: vector<u8>,
    other_index: u64,
    ctx: &mut TxContext,
) {
    let (sequence, _, leaf) = statement(enclave, &boot_id, &message, &signature, index);
    let (other_sequence, _, other_leaf) = statement(enclave, &boot_id, &other_message, &other_signature, other_index);
    assert!(sequence == other_sequence, EOtherSequence);
    assert!(leaf != other_leaf, ESameContent);
    punish(enclave, cluster, pool, &boot_id, EQUIVOCATION, ctx);
}

/// Anyone with a signed receipt and a proof that the anchored log has another leaf at its sequence. Aborts:
/// `EOtherLog`, `ENotAnchored`, `ESameContent`, `EProof`, `EAlreadySlashed`, those of
/// `daas::enclave::verify_recorded` and `daas::receipt`, `EWrongCluster`, `EWrongPool`, `EWrongVersion`.
public fun report_other_leaf(
    enclave: &mut Enclave,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    boot_id: vector<u8>,
    message: vector<u8>,
    signature: vector<u8>,
    index: u64,
    anchored_leaf: vector<u8>,
    proof: vector<vector<u8>>,
    ctx: &mut TxContext,
) {
    let (sequence, _, leaf) = statement(enclave, &boot_id, &message, &signature, index);
    let boot = enclave.boot(&boot_id);
    assert!(sequence < boot.log_size(), ENotAnchored);
    assert!(leaf != anchored_leaf, ESameContent);
    let included = merkle::verify_inclusion(&anchored_leaf, sequence, boot.log_size(), &proof, boot.log_root());
    assert!(included, EProof);
    punish(enclave, cluster, pool, &boot_id, CONTRADICTION, ctx);
}

/// Anyone with a signed receipt or tree head, and a proof that the anchored log had another root at its sequence or
/// size. `index`: as in `report_equivocation`; of a tree head it means nothing. Aborts: as `report_other_leaf`, and those
/// of `daas::statements`.
public fun report_other_root(
    enclave: &mut Enclave,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    boot_id: vector<u8>,
    message: vector<u8>,
    signature: vector<u8>,
    index: u64,
    anchored_root: vector<u8>,
    proof: vector<vector<u8>>,
    ctx: &mut TxContext,
) {
    let (size, root) = claimed_root(enclave, &boot_id, &message, &signature, index);
    let boot = enclave.boot(&boot_id);
    assert!(size <= boot.log_size(), ENotAnchored);
    assert!(root != anchored_root, ESameContent);
    let consistent = merkle::verify_consistency(
        size,
        &anchored_root,
        boot.log_size(),
        boot.log_root(),
        &proof,
    );
    assert!(consistent, EProof);
    punish(enclave, cluster, pool, &boot_id, CONTRADICTION, ctx);
}

/// Anyone with two statements under a worker's status key that have one sequence and different content; the worker may
/// have left meanwhile, as long as its stake has not. Aborts:
/// `EOtherWorker`, `EOtherSequence`, `ESameContent`, `EWorkerSignature`, `EUnknownWorker`, `EIllegalTransition` for a
/// worker that is slashed already, those of `daas::statements`, `EWrongRegistry`, `EWrongPool`, `EWrongVersion`.
public fun report_worker_fault(
    registry: &mut WorkerRegistry,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    owner: address,
    node_id: String,
    message: vector<u8>,
    signature: vector<u8>,
    other_message: vector<u8>,
    other_signature: vector<u8>,
    ctx: &mut TxContext,
) {
    registry.check(cluster);
    pool.check(cluster);
    let (sequence, digest) = worker_statement(registry, cluster, owner, node_id, &message, &signature);
    let (other_sequence, other_digest) =
        worker_statement(registry, cluster, owner, node_id, &other_message, &other_signature);
    assert!(sequence == other_sequence, EOtherSequence);
    assert!(digest != other_digest, ESameContent);
    registry.set_slashed(cluster, owner, node_id);
    let key = registry.accountable(owner, node_id).stake_key();
    let amount = cluster.params().slash_share(pool.slashable(key));
    let reporter = ctx.sender();
    let slashed = pool.slash(cluster.params(), key, amount, reporter, ctx);
    event::emit(WorkerSlashedEvent { node_id, reporter, slashed });
}

/// Sequence, root before it, and leaf hash of a signed receipt of this boot.
fun statement(
    enclave: &Enclave,
    boot_id: &vector<u8>,
    message: &vector<u8>,
    signature: &vector<u8>,
    index: u64,
): (u64, vector<u8>, vector<u8>) {
    let parsed = enclave.verify_recorded(boot_id, message, signature);
    let entry = receipt::log_entry(&parsed, index);
    assert!(entry.enclave_id() == enclave.id().to_address() && entry.boot_id() == boot_id, EOtherLog);
    (entry.sequence(), *entry.log_root(), *entry.leaf_hash())
}

/// What the boot has said about its log's root at some size: in a receipt, of the log before it, or in a tree head.
fun claimed_root(
    enclave: &Enclave,
    boot_id: &vector<u8>,
    message: &vector<u8>,
    signature: &vector<u8>,
    index: u64,
): (u64, vector<u8>) {
    let parsed = wire::parse_message(message);
    if (parsed.intent() != wire::intent_tree_head()) {
        let (sequence, root, _) = statement(enclave, boot_id, message, signature, index);
        return (sequence, root)
    };
    enclave.verify_recorded(boot_id, message, signature);
    let head = statements::parse_tree_head(&parsed);
    assert!(head.enclave_id() == enclave.id().to_address() && head.boot_id() == boot_id, EOtherLog);
    (head.size(), *head.root())
}

fun punish(
    enclave: &mut Enclave,
    cluster: &mut Cluster,
    pool: &mut StakePool,
    boot_id: &vector<u8>,
    kind: u8,
    ctx: &mut TxContext,
) {
    enclave.check(cluster);
    pool.check(cluster);
    assert!(!enclave.was_slashed(boot_id, kind), EAlreadySlashed);
    let key = enclave.stake_key();
    let amount = cluster.params().slash_share(pool.slashable(key));
    let reporter = ctx.sender();
    let slashed = pool.slash(cluster.params(), key, amount, reporter, ctx);
    // Evidence is used only when it costs something: else an operator without a stake would report himself, stake anew,
    // and have nothing to lose for this boot.
    if (slashed > 0) enclave.mark_slashed(boot_id, kind);
    enclave.end_slashed(cluster, boot_id);
    event::emit(BootSlashedEvent { enclave: enclave.id(), boot_id: *boot_id, kind, reporter, slashed });
}

fun worker_statement(
    registry: &WorkerRegistry,
    cluster: &Cluster,
    owner: address,
    node_id: String,
    message: &vector<u8>,
    signature: &vector<u8>,
): (u64, vector<u8>) {
    let key = registry.accountable(owner, node_id).status_key();
    assert!(ed25519::ed25519_verify(signature, key, message), EWorkerSignature);
    let statement = statements::parse_worker_statement(&wire::parse_message(message));
    let about = statement.cluster() == cluster.id().to_address() &&
        statement.node_id() == &node_id;
    assert!(about, EOtherWorker);
    (statement.sequence(), *statement.digest())
}
