/// Made by tests/support/move_source.py from tests/vectors/*.json; tests/chain/test_move_vectors.py refuses any edit.
/// Promise: Move and Python have the same bytes, digests, signatures and answers.
#[test_only]
module daas::vectors_tests;

use daas::binding;
use daas::grant;
use daas::merkle;
use daas::receipt;
use daas::statements;
use daas::wire::{Self, Message};
use std::bcs;
use std::hash::sha2_256;
use sui::ed25519::ed25519_verify;

fun accepted(text: vector<u8>, stored: vector<u8>) {
    let text = text.to_string();
    let grant = grant::parse(&text);
    assert!(grant::is_valid(&text));
    assert!(grant.to_string() == text);
    assert!(bcs::to_bytes(&grant) == stored);
}

fun asked(
    grant: vector<u8>,
    group: vector<u8>,
    resource: vector<u8>,
    subresource: vector<u8>,
    verb: vector<u8>,
    namespace: vector<u8>,
    allowed: bool,
) {
    let grant = grant::parse(&grant.to_string());
    let (group, resource, subresource) = (group.to_string(), resource.to_string(), subresource.to_string());
    assert!(grant.allows(&group, &resource, &subresource, &verb.to_string(), &namespace.to_string()) == allowed);
}

fun signed(
    intent: u8,
    timestamp_ms: u64,
    signing_bytes: vector<u8>,
    signature: vector<u8>,
    public_key: vector<u8>,
): Message {
    let message = wire::parse_message(&signing_bytes);
    assert!(message.intent() == intent);
    assert!(message.timestamp_ms() == timestamp_ms);
    assert!(ed25519_verify(&signature, &public_key, message.signing_bytes()));
    let mut other = signing_bytes;
    *&mut other[0] = intent ^ 1;
    assert!(!ed25519_verify(&signature, &public_key, &other));
    message
}

fun changed(hash: &vector<u8>): vector<u8> {
    let mut hash = *hash;
    *&mut hash[31] = hash[31] ^ 1;
    hash
}

fun made(count: u64): vector<vector<u8>> {
    vector::tabulate!(count, |index| sha2_256(vector[index as u8]))
}

fun included(leaf_hash: vector<u8>, index: u64, size: u64, mut proof: vector<vector<u8>>, root: vector<u8>) {
    assert!(merkle::verify_inclusion(&leaf_hash, index, size, &proof, &root));
    assert!(!merkle::verify_inclusion(&leaf_hash, index, size, &proof, &changed(&root)));
    assert!(!merkle::verify_inclusion(&changed(&leaf_hash), index, size, &proof, &root));
    proof.push_back(root);
    assert!(!merkle::verify_inclusion(&leaf_hash, index, size, &proof, &root));
}

fun consistent(
    old_size: u64,
    old_root: vector<u8>,
    new_size: u64,
    new_root: vector<u8>,
    mut proof: vector<vector<u8>>,
) {
    assert!(merkle::verify_consistency(old_size, &old_root, new_size, &new_root, &proof));
    assert!(!merkle::verify_consistency(old_size, &changed(&old_root), new_size, &new_root, &proof));
    // With an empty older tree everything is consistent, whatever the newer root.
    let any_root = old_size == 0 && new_size != 0;
    assert!(merkle::verify_consistency(old_size, &old_root, new_size, &changed(&new_root), &proof) == any_root);
    proof.push_back(new_root);
    assert!(!merkle::verify_consistency(old_size, &old_root, new_size, &new_root, &proof));
}

#[test]
fun accepted_grants() {
    accepted(x"2a3a2a", x"012a0000ff00");
    accepted(x"2a3a72656164", x"012a00000700");
    accepted(x"2a2e617070733a2a", x"012a046170707300ff00");
    accepted(x"706f64733a72656164", x"04706f647300000700");
    accepted(x"706f64733a676574", x"04706f647300000100");
    accepted(x"706f64733a7772697465", x"04706f64730000f800");
    accepted(x"6465706c6f796d656e74732e617070733a77726974654070726f64", x"0b6465706c6f796d656e7473046170707300f80470726f64");
    accepted(x"706f64732f657865633a63726561746540646576", x"04706f64730004657865630803646576");
    accepted(x"706f64732f6c6f673a676574", x"04706f647300036c6f670100");
    accepted(x"706f64732f2a3a2a40646576", x"04706f647300012aff03646576");
    accepted(x"2a2f7363616c653a757064617465", x"012a00057363616c651000");
    accepted(x"696e677265737365732e6e6574776f726b696e672e6b38732e696f2f7374617475733a706174636840612d31", x"09696e67726573736573116e6574776f726b696e672e6b38732e696f067374617475732003612d31");
    accepted(x"736563726574733a64656c657465636f6c6c656374696f6e40616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161", x"07736563726574730000803f616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161");
    accepted(x"303a6c697374", x"013000000200");
}

#[test]
fun refused_grants() {
    assert!(!grant::is_valid(&x"".to_string()));
    assert!(!grant::is_valid(&x"2a".to_string()));
    assert!(!grant::is_valid(&x"706f6473".to_string()));
    assert!(!grant::is_valid(&x"3a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a".to_string()));
    assert!(!grant::is_valid(&x"706f64733a52656164".to_string()));
    assert!(!grant::is_valid(&x"506f64733a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a7265616420".to_string()));
    assert!(!grant::is_valid(&x"20706f64733a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f6473203a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a726561640a".to_string()));
    assert!(!grant::is_valid(&x"706f64733a726561647772697465".to_string()));
    assert!(!grant::is_valid(&x"706f64733a6765742c6c697374".to_string()));
    assert!(!grant::is_valid(&x"706f64733a696d706572736f6e617465".to_string()));
    assert!(!grant::is_valid(&x"706f64733a62696e64".to_string()));
    assert!(!grant::is_valid(&x"706f64732e3a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64732e2a3a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64732e2e617070733a72656164".to_string()));
    assert!(!grant::is_valid(&x"2e617070733a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64732f3a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64732f2f6c6f673a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64732f6c6f672f783a676574".to_string()));
    assert!(!grant::is_valid(&x"706f64732f6c6f672e76313a676574".to_string()));
    assert!(!grant::is_valid(&x"706f64733a7265616440".to_string()));
    assert!(!grant::is_valid(&x"706f64733a72656164402a".to_string()));
    assert!(!grant::is_valid(&x"706f64733a726561644050726f64".to_string()));
    assert!(!grant::is_valid(&x"706f64733a7265616440612e62".to_string()));
    assert!(!grant::is_valid(&x"706f64733a7265616440614062".to_string()));
    assert!(!grant::is_valid(&x"706f64733a726561643a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f6473406465763a72656164".to_string()));
    assert!(!grant::is_valid(&x"2d706f64733a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64732d3a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f2a3a72656164".to_string()));
    assert!(!grant::is_valid(&x"2a2a3a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a2a2a".to_string()));
    assert!(!grant::is_valid(&x"706f64733a72656164402d61".to_string()));
    assert!(!grant::is_valid(&x"706f64735f783a72656164".to_string()));
    assert!(!grant::is_valid(&x"616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161613a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a726561644061616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161".to_string()));
    assert!(!grant::is_valid(&x"706f64732e6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161612e6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161612e6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161612e6161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161613a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a72d0b56164".to_string()));
    assert!(!grant::is_valid(&x"efbd906f64733a72656164".to_string()));
    assert!(!grant::is_valid(&x"706f64733a6765744064657623".to_string()));
    assert!(!grant::is_valid(&x"706f6473003a72656164".to_string()));
    assert!(!grant::is_valid(&x"73797374656d3a706f64733a72656164".to_string()));
}

#[test]
fun asked_grants() {
    asked(b"*:*", b"", b"pods", b"", b"get", b"dev", true);
    asked(b"*:*", b"apps", b"deployments", b"scale", b"update", b"dev", true);
    asked(b"*:*", b"", b"nodes", b"", b"delete", b"", true);
    asked(b"*:*", b"", b"pods", b"exec", b"create", b"dev", true);
    asked(b"*:*", b"", b"pods", b"exec", b"get", b"dev", false);
    asked(b"*:*", b"", b"serviceaccounts", b"", b"impersonate", b"", false);
    asked(b"*:read", b"", b"pods", b"log", b"get", b"dev", true);
    asked(b"*:read", b"", b"pods", b"", b"create", b"dev", false);
    asked(b"*:read", b"", b"pods", b"attach", b"get", b"dev", false);
    asked(b"*.apps:*", b"apps", b"deployments", b"", b"patch", b"dev", true);
    asked(b"*.apps:*", b"", b"pods", b"", b"get", b"dev", false);
    asked(b"*.apps:*", b"batch", b"jobs", b"", b"get", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"create", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"delete", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"deletecollection", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"get", b"dev", true);
    asked(b"pods:read", b"", b"pods", b"", b"list", b"dev", true);
    asked(b"pods:read", b"", b"pods", b"", b"patch", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"update", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"watch", b"dev", true);
    asked(b"pods:write", b"", b"pods", b"", b"create", b"dev", true);
    asked(b"pods:write", b"", b"pods", b"", b"delete", b"dev", true);
    asked(b"pods:write", b"", b"pods", b"", b"deletecollection", b"dev", true);
    asked(b"pods:write", b"", b"pods", b"", b"get", b"dev", false);
    asked(b"pods:write", b"", b"pods", b"", b"list", b"dev", false);
    asked(b"pods:write", b"", b"pods", b"", b"patch", b"dev", true);
    asked(b"pods:write", b"", b"pods", b"", b"update", b"dev", true);
    asked(b"pods:write", b"", b"pods", b"", b"watch", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"log", b"get", b"dev", true);
    asked(b"pods:read", b"", b"pods", b"log", b"list", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"status", b"get", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"exec", b"create", b"dev", false);
    asked(b"pods:read", b"metrics.k8s.io", b"pods", b"", b"get", b"dev", false);
    asked(b"pods:read", b"metrics.k8s.io", b"pods", b"log", b"get", b"dev", false);
    asked(b"pods:read", b"", b"secrets", b"", b"get", b"dev", false);
    asked(b"pods:read", b"", b"pods", b"", b"list", b"", true);
    asked(b"pods:get", b"", b"pods", b"log", b"get", b"dev", false);
    asked(b"pods:*", b"", b"pods", b"log", b"get", b"dev", true);
    asked(b"pods:*", b"", b"pods", b"exec", b"create", b"dev", false);
    asked(b"pods:write", b"", b"pods", b"exec", b"create", b"dev", false);
    asked(b"pods:write", b"", b"pods", b"eviction", b"create", b"dev", false);
    asked(b"deployments.apps:write@prod", b"apps", b"deployments", b"", b"create", b"prod", true);
    asked(b"deployments.apps:write@prod", b"apps", b"deployments", b"", b"create", b"dev", false);
    asked(b"deployments.apps:write@prod", b"apps", b"deployments", b"", b"create", b"", false);
    asked(b"deployments.apps:write@prod", b"apps", b"deployments", b"", b"create", b"", false);
    asked(b"deployments.apps:write@prod", b"extensions", b"deployments", b"", b"create", b"prod", false);
    asked(b"deployments.apps:write@prod", b"apps", b"deployments", b"scale", b"update", b"prod", false);
    asked(b"deployments.apps:write@prod", b"apps", b"deployments", b"", b"get", b"prod", false);
    asked(b"pods/exec:create@dev", b"", b"pods", b"exec", b"create", b"dev", true);
    asked(b"pods/exec:create@dev", b"", b"pods", b"exec", b"get", b"dev", false);
    asked(b"pods/exec:create@dev", b"", b"pods", b"", b"create", b"dev", false);
    asked(b"pods/exec:create@dev", b"", b"pods", b"attach", b"create", b"dev", false);
    asked(b"pods/exec:create@dev", b"", b"pods", b"exec", b"create", b"prod", false);
    asked(b"pods/log:get", b"", b"pods", b"log", b"get", b"dev", true);
    asked(b"pods/log:get", b"", b"pods", b"", b"get", b"dev", false);
    asked(b"pods/*:*@dev", b"", b"pods", b"portforward", b"create", b"dev", true);
    asked(b"pods/*:*@dev", b"", b"pods", b"", b"get", b"dev", false);
    asked(b"*/scale:update", b"apps", b"deployments", b"scale", b"update", b"dev", true);
    asked(b"*/scale:update", b"apps", b"deployments", b"", b"update", b"dev", false);
    asked(b"*:*@dev", b"", b"namespaces", b"", b"delete", b"dev", false);
    asked(b"*:*@dev", b"", b"namespaces", b"finalize", b"update", b"dev", false);
    asked(b"*:*@dev", b"", b"pods", b"", b"delete", b"dev", true);
    asked(b"*:*@dev", b"", b"nodes", b"", b"get", b"", false);
    asked(b"namespaces:read", b"", b"namespaces", b"", b"get", b"dev", true);
    asked(b"*:write", b"apps", b"deployments", b"", b"update", b"dev", true);
    asked(b"*:write", b"apps", b"deployments", b"scale", b"update", b"dev", false);
    asked(b"*:write", b"", b"pods", b"exec", b"create", b"dev", false);
    asked(b"*:read", b"", b"pods", b"status", b"get", b"dev", false);
    asked(b"deployments:read", b"apps", b"deployments", b"", b"get", b"dev", false);
    asked(b"*:read", b"apps", b"deployments", b"", b"list", b"", true);
}

#[test]
fun inclusion_proofs() {
    included(x"148d9f953510669bf8ffecb81f189e86cc9bbbed896fa8c6e9cb1c5e6c12032c", 0, 1, vector[], x"148d9f953510669bf8ffecb81f189e86cc9bbbed896fa8c6e9cb1c5e6c12032c");
    included(x"148d9f953510669bf8ffecb81f189e86cc9bbbed896fa8c6e9cb1c5e6c12032c", 0, 13, vector[x"fd06551f458a12d669722501a14aa216f050f7248dfd1ad067198a096cf12315", x"aff677d7ca05470d0c9c782b977e1dd6d6d88377761a705162c3e15b91ed1c61", x"78d9c278216c0e34d8fa7e1592be3a66f3b62b347246c0e6bc0af350f52a457a", x"752af0aa421ad2ded9573c0683cde96071934863fe8dc516993a026a6608aa9e"], x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490");
    included(x"ced078608cb40dfd96a15531e2379e5b45dd7e5e66be767f2bdbd536293a1262", 12, 13, vector[x"65b57ece0faa987dba48959475c77985e242ef6bca99cd44a62db652a451c015", x"1aab331e8ec59c724fada77fa96bd1212fb42cf271b17aab6a0a063806da5aa8"], x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490");
    included(x"a92168e5ec9f97f0dae0c467d2413f50af636031c85f40516067f4f04d844cf7", 6, 13, vector[x"2daf6c7e298ef4a791e9e5808a41e5613c3c36846cbf5a438059b0eaa2e12acf", x"ea1caf0786261b25a130d348508f9aa9bf844fdca2ab53b66210f23ff385d16c", x"4afcc098f6abdcb8752881c8802d8518354158e02aba92cbbd11915a9e34e17a", x"752af0aa421ad2ded9573c0683cde96071934863fe8dc516993a026a6608aa9e"], x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490");
}

#[test]
fun consistency_proofs() {
    consistent(0, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 13, x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490", vector[]);
    consistent(13, x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490", 13, x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490", vector[]);
    consistent(8, x"1aab331e8ec59c724fada77fa96bd1212fb42cf271b17aab6a0a063806da5aa8", 13, x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490", vector[x"752af0aa421ad2ded9573c0683cde96071934863fe8dc516993a026a6608aa9e"]);
    consistent(6, x"3642f0e71afcfc11194809bd87df261ade5ea468fbbf413e94b6eb8e21270c87", 13, x"83eecaba427b5bf00c8a82ae908252ded91eeea24d5ffcd6ff15823992c29490", vector[x"ea1caf0786261b25a130d348508f9aa9bf844fdca2ab53b66210f23ff385d16c", x"6742dd6e37f7abb040cff0115efd070f0c62ccc5652c49ac7f3513ce6d5710e1", x"4afcc098f6abdcb8752881c8802d8518354158e02aba92cbbd11915a9e34e17a", x"752af0aa421ad2ded9573c0683cde96071934863fe8dc516993a026a6608aa9e"]);
}

#[test]
fun made_inclusion_proofs() {
    included(sha2_256(x"ff"), 0, 1, made(0), x"a8100ae6aa1940d0b663bb31cd466142ebbdbd5187131b92d93818987832eb89");
    included(sha2_256(x"ff"), 4, 13, made(4), x"f6b592d14d7e7145c5b14920654c2032fbe70a15efc7eaa34d864689c26fe030");
    included(sha2_256(x"ff"), 12, 13, made(2), x"97ebf508aa3238996c0536fe52af48a90d10cd94d9da5e86a815d1f6d9c0d44f");
    included(sha2_256(x"ff"), 0, 9223372036854775809, made(64), x"6b1ba081bd725622595e5cd8e9dd700c35f29fa68c5c1cf0e0c9d89001744438");
    included(sha2_256(x"ff"), 9223372036854775808, 9223372036854775809, made(1), x"57f8afdee8b53846033a028706bf2bdc60cf7327558e25af48528e9ca04f9dab");
    included(sha2_256(x"ff"), 18446744073709551614, 18446744073709551615, made(63), x"21bc9e6187ef1aa0d92af8f1d5a6eb9e83a0bac2d10e291d7b91f8a5b5b7feb1");
    included(sha2_256(x"ff"), 5, 18446744073709551615, made(64), x"8d0ccfc5d4cd95223449c1c8d64c79fc182d173364b1f24fea18c84af2c444dc");
}

#[test]
fun made_consistency_proofs() {
    consistent(1, x"aa687b58b0e73e2e383f8c500d75b591e188efe0168b3ffbcd3771caaa6dd4c7", 2, x"8c1babaf222a80515f72d04d7d8bf3f7f58b484bed8935aa17fdc9d3f91bfdc6", made(1));
    consistent(6, x"c9415d4dd8eb3c8881b2417fa11152e55488a952d313371c3b05728eeadc3ec3", 13, x"8be9bc9e5446f9ab3b904dcfd2bd2ee4c67b3e5cf3a9d7fcf0ebb347a4ab4998", made(4));
    consistent(8, x"aa687b58b0e73e2e383f8c500d75b591e188efe0168b3ffbcd3771caaa6dd4c7", 13, x"8c1babaf222a80515f72d04d7d8bf3f7f58b484bed8935aa17fdc9d3f91bfdc6", made(1));
    consistent(12, x"c9415d4dd8eb3c8881b2417fa11152e55488a952d313371c3b05728eeadc3ec3", 13, x"411bf281e362b2cb9fed525a201befbb1e62298d0be3ff0442a115632c3b2e6b", made(3));
    consistent(9223372036854775808, x"aa687b58b0e73e2e383f8c500d75b591e188efe0168b3ffbcd3771caaa6dd4c7", 9223372036854775809, x"8c1babaf222a80515f72d04d7d8bf3f7f58b484bed8935aa17fdc9d3f91bfdc6", made(1));
    consistent(9223372036854775808, x"aa687b58b0e73e2e383f8c500d75b591e188efe0168b3ffbcd3771caaa6dd4c7", 18446744073709551615, x"8c1babaf222a80515f72d04d7d8bf3f7f58b484bed8935aa17fdc9d3f91bfdc6", made(1));
    consistent(9223372036854775807, x"6f487fc8ee0632bf5677a97e26220568f03befdd3e838eb39954468a6b64650a", 18446744073709551615, x"82556a59891ba86175beec4eae95379de8bdf241a7e9312264115e6ae9a96c12", made(65));
    consistent(18446744073709551614, x"6f487fc8ee0632bf5677a97e26220568f03befdd3e838eb39954468a6b64650a", 18446744073709551615, x"69c103938d4370270aaf2d296fad10d436f5e1dfba048e079ddd4b0fa44de3a3", made(64));
    consistent(3, x"c9415d4dd8eb3c8881b2417fa11152e55488a952d313371c3b05728eeadc3ec3", 18446744073709551615, x"c55b28aa939484d2389277ae5c973ec09f3985bf672db200e13e004ef47759fd", made(65));
}

#[test]
fun receipt_unary_answer_without_a_mailbox() {
    let value = receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 200, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(0, 1764000000000, x"0000e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"1e27b1133c5d4a20cc23da46617da1228a49eba0d2b9cbe776c33253e9abe8b29e01f47d904359eeb13a727f9ab86af1980a01f29148f9a941cdd5c0a68fc501", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"4eb7bb99fb9f2e6c00e88a41b84ac12d9557eb7b14f59869fe14fc9023bf081f");
}

#[test]
fun receipt_mailbox_request() {
    let value = receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(1, 258, 65536, option::none())), 201, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f0101000000000000000201000000000000000001000000000000c90020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(0, 1764000000001, x"0001e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f0101000000000000000201000000000000000001000000000000c90020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"6cfb776b6f32b76849f3e7e6fe4f106a1dcdab30939dc9776422e008a0b31e8d60dff1ff7201721dc8cef0f511dad98afd6c4bd6ca22f717db598f45f1c4d00f", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"d5b43bc0e24e093af7fa74b7e0fa67f35981cfe7ca6471e9742593ebd07206ca");
}

#[test]
fun receipt_mailbox_request_delivered_on_chain() {
    let value = receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 18446744073709551615, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(18446744073709551615, 0, 4294967296, option::some(x"909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf"))), 65535, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", 18446744073709551615, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfffffffffffffffff20101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f01ffffffffffffffff000000000000000000000000010000000120909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafffff20a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0ffffffffffffffff20e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(0, 1764000000002, x"0002e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfffffffffffffffff20101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f01ffffffffffffffff000000000000000000000000010000000120909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafffff20a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0ffffffffffffffff20e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"ff1a967a4f146a13eec1c77d14d45f9d7205a0e490d8a54b49f087bba16765edeb32e53352926de736c0c9f9ecd96a76873dcb2ffa33283c50b682233eb2630f", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"2a390c396571fc0d1f88a10f03f98bb0727a6ea02c6fa032d221fff6dfafb283");
}

#[test]
fun receipt_refusal_of_what_cannot_be_bound_zero_digest_and_requester() {
    let value = receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 0, x"0000000000000000000000000000000000000000000000000000000000000000", @0x0000000000000000000000000000000000000000000000000000000000000000, option::none(), 400, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf0000000000000000200000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000900120a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(0, 1764000000003, x"0003e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf0000000000000000200000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000900120a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"5c72e63d71363da6614cd74c9cfaa34bef7b1ec642e5cdc59077e02715a3eebbea6e54dd4860127e1c709272e5c59b9e353e0a30dd846c17eed3d35685105400", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"1309a7ed67d17d74d4c8d9da25a4f20989dcd672b035c80c25ae58530f221530");
}

#[test]
fun receipt_opening_of_an_upgrade_empty_body() {
    let value = receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 101, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00650020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(0, 1764000000004, x"0004e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00650020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"2b95bfdba06d943a697cab06dc484b7ab1a01b58f1caaa4e663c274785284862bdd17c2202a2f02406eb32f05abda4a6ed9a87878bb772afa25512bf2bdb790e", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"e551434c8ccbbb31cf2b7f760111e0250176d8ac84bf6886e2b71618cf90c4e0");
}

#[test]
fun stream_receipt_first_frame() {
    let value = receipt::new_stream_for_testing(receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 200, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), 0, 0, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", false);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550000000000000000000000000000000020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a000");
    let message = signed(2, 1764000000100, x"0264e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550000000000000000000000000000000020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a000",
        x"1ef2a690a328fb5ff8218cbdb97082aedf9d9aafc174d27cd94c147cc9f1695ddf91cfd4258a46b4f8b9fa9391fd2f8f7c148e26cdc3c55370993ad67e6a150b", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_stream_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"1344b52132584985313e753fdd9a41f99854ef1501ac5dfe7944b0abc1cd89bc");
}

#[test]
fun stream_receipt_last_frame_empty() {
    let value = receipt::new_stream_for_testing(receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 9, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 200, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), 2, 1048576, x"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881", true);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf090000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85502000000000000000000100000000000202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a488101");
    let message = signed(2, 1764000000101, x"0265e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf090000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85502000000000000000000100000000000202d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a488101",
        x"a0f4e4c587559ef91b7eca558a576264213fbe4e05e72b488b723d4f87972504e274e4a7cb5c3e49015e36597fc4c845a5a575befc4303ea8cfe66058d57a003", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_stream_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"2848171399e13e76176202dc6df945932f14dc924ae9e2debe5451f46b2eff44");
}

#[test]
fun stream_receipt_first_and_empty_a_quiet_watch() {
    let value = receipt::new_stream_for_testing(receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 200, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 0, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), 0, 0, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550000000000000000000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85500");
    let message = signed(2, 1764000000102, x"0266e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8550000000000000000000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85500",
        x"c5d5da3356c3268f698e689dd51e52b9fc6322d041e12d36ada732dfd5d5e744eb0d6134951cfdff7e073ae4cec9087f3e96e6411059b785c48a634c84e3e505", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_stream_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"a582c5802655c9e172bc535d212297e262be903316ecd055a772f664f75d3410");
}

#[test]
fun stream_receipt_frame_of_a_delivered_mailbox_request_largest_numbers() {
    let value = receipt::new_stream_for_testing(receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(18446744073709551615, 0, 4294967296, option::some(x"909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf"))), 200, x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), 18446744073709551615, 18446744073709551615, x"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", true);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f01ffffffffffffffff000000000000000000000000010000000120909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafc80020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855ffffffffffffffffffffffffffffffff20ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff01");
    let message = signed(2, 1764000000103, x"0267e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f01ffffffffffffffff000000000000000000000000010000000120909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafc80020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a00f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855ffffffffffffffffffffffffffffffff20ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff01",
        x"4af0f052dc028dd1d8bde11847f39520d5584813549e67a1be106a618a8ba56e26e57702ac3125c5f153f35926443a5d2388e17c09dc4b5e602d3f1e80f4ed01", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_stream_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"b5003a81d5a1b62e546ee2551d7b58095088abeb7eee8742a43a06cd21d4d516");
}

#[test]
fun stream_receipt_closing_of_an_upgrade() {
    let value = receipt::new_stream_for_testing(receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 8, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 101, x"59d388e829e494eaa78b38b5003de2f2566936032555f9ec1d6d5ff0923f2a5e", 16, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), 1, 0, x"59d388e829e494eaa78b38b5003de2f2566936032555f9ec1d6d5ff0923f2a5e", true);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf080000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f0065002059d388e829e494eaa78b38b5003de2f2566936032555f9ec1d6d5ff0923f2a5e100000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855010000000000000000000000000000002059d388e829e494eaa78b38b5003de2f2566936032555f9ec1d6d5ff0923f2a5e01");
    let message = signed(2, 1764000000104, x"0268e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf080000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f0065002059d388e829e494eaa78b38b5003de2f2566936032555f9ec1d6d5ff0923f2a5e100000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855010000000000000000000000000000002059d388e829e494eaa78b38b5003de2f2566936032555f9ec1d6d5ff0923f2a5e01",
        x"efd3bf822cbfd52acee7960f8022b7c41e5907896a3765c1d7018f6ee59bd0303d01a7235f6d07c1d2ecae9012c80c5472ea10bb48bd064dfe95bc4cd771ee0a", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_stream_receipt(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"79605e6fc53d411e74c2fa2e92d281074593ff687e05c02bc4299615c33727d1");
}

#[test]
fun tree_head_empty_log() {
    let value = statements::new_tree_head_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 0, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(3, 1764000000200, x"03c8e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf000000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"c855e37c852aaf2b596521449a443d64d2d43cf30e609547e44a02e5cca692585ce16f2cd39c36fc73039dd692ea93e714870b92a0b9cea7fada4ea5826afa05", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_tree_head(&message) == value);
}

#[test]
fun tree_head_a_million_leaves() {
    let value = statements::new_tree_head_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 1000000, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf40420f000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    let message = signed(3, 1764000000201, x"03c9e897b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf40420f000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
        x"af557210dfa07235b6b8e9dff26ef8a2aeee06c803d9bb9508155330b0a67a180d79c61aca60366e83efe2ccceb27fc63d7e9a67454471e7f76ba670a21f1e09", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_tree_head(&message) == value);
}

#[test]
fun receipt_receipt() {
    let value = receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(3, 1000, 44, option::none())), 201, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010300000000000000e8030000000000002c0000000000000000c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(0, 1764000001000, x"00e8eb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010300000000000000e8030000000000002c0000000000000000c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"f580600bb6154e7047dc129ead9fafd903250419f9c6b20996c87057ddfebbe33f471677aee585a711c32e271862b9fa89c01f248724261abe3c8eb4404e7308", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_receipt(&message) == value);
}

#[test]
fun receipt_batch_batch_of_one() {
    let value = vector[receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(3, 1000, 44, option::none())), 201, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")];
    assert!(bcs::to_bytes(&value) == x"01e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010300000000000000e8030000000000002c0000000000000000c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(1, 1764000001001, x"01e9eb97b69a01000001e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010300000000000000e8030000000000002c0000000000000000c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"641d6b7bc0e35b894e6fccc01473f9996950144057de5e58f7427508a1edd5e5046f21619a05a32781089cd531e2bc1177de6b20336d9d01faf70d444e66cf0f", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_batch(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"a0876f7025b16977560a7c02b5b2954631bdab2b2115e6340da309f62b1b7b95");
}

#[test]
fun receipt_batch_batch_of_three() {
    let value = vector[receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 7, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(3, 1000, 44, option::none())), 201, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 8, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::some(receipt::new_mailbox_for_testing(4, 1001, 45, option::some(x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"))), 201, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 9, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 201, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")];
    assert!(bcs::to_bytes(&value) == x"03e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010300000000000000e8030000000000002c0000000000000000c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf080000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010400000000000000e9030000000000002d000000000000000120101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2fc90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf090000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let message = signed(1, 1764000001002, x"01eaeb97b69a01000003e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf070000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010300000000000000e8030000000000002c0000000000000000c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf080000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f010400000000000000e9030000000000002d000000000000000120101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2fc90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf090000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c90020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        x"75819467e04061b28f9eaad342f6bda195bde187fe14b9baae9ee20770e403290963544ef27eacb33240c58caa2660b092940f5beee00327fd80f23cdbe7bd04", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_batch(&message) == value);
    assert!(receipt::log_entry(&message, 0).leaf_hash() == x"a0876f7025b16977560a7c02b5b2954631bdab2b2115e6340da309f62b1b7b95");
    assert!(receipt::log_entry(&message, 1).leaf_hash() == x"30c2c4f6b7a9b67abf497c852d401c233ebfa0f6f1f1dcac25618eed362c89bf");
    assert!(receipt::log_entry(&message, 2).leaf_hash() == x"c929c26c989aab393b2d2ad86cd0a4d28d64ab462746472ff2fbf79737de7b75");
}

#[test]
fun stream_receipt_stream_receipt() {
    let value = receipt::new_stream_for_testing(receipt::new_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 9, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", @0x505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f, option::none(), 200, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", 15, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), 1, 15, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", true);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf090000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85501000000000000000f0000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f01");
    let message = signed(2, 1764000001003, x"02ebeb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf090000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f00c80020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f0f0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85501000000000000000f0000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f01",
        x"17b88c55fe5a677cb585068499ead6f9ead4a11ce608eb9faaf03b2714d2b20348f34e688606db6a55b005d333c6111ffe40b0cda8408dd2818bc35b4678320d", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(receipt::parse_stream_receipt(&message) == value);
}

#[test]
fun tree_head_tree_head_of_the_largest_log() {
    let value = statements::new_tree_head_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 18446744073709551615, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfffffffffffffffff20101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    let message = signed(3, 1764000001004, x"03eceb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfffffffffffffffff20101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
        x"17fd37518750cc8b2e3ae3714ae7e77a18a6836f2e1f8bd7e25cd464ceb944c0e8f466566b2032f0bbe9d0488d1d166279bc62d9de49912c0d71e358d0edb004", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_tree_head(&message) == value);
}

#[test]
fun join_token_join_token() {
    let value = statements::new_join_token_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", @0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, x"776f726b65722d31".to_string(), x"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f", x"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf08776f726b65722d3120707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8fc801000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7");
    let message = signed(4, 1764000001005, x"04edeb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf08776f726b65722d3120707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8fc801000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7",
        x"f0d7e257a17b79aed74b988d2dd34c748c0d04c25f03bd276348e0630736496b56c187b1ea5144a191be80afa80890bf9adf4c588e1aba1a73da45a457402006", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_join_token(&message) == value);
}

#[test]
fun join_token_shortest_join_token() {
    let value = statements::new_join_token_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", @0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, x"616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161".to_string(), x"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f", x"ff");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf3f61616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616120707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f01ff");
    let message = signed(4, 1764000001006, x"04eeeb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf3f61616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616161616120707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f01ff",
        x"d2699331ef305e96ccfc7c62f64ae250897e7607a575c2935eedea84d6910190cd7a90c980adb78ac7a7f1e94a9be7339f4711a5c715be94caf138459af49d04", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_join_token(&message) == value);
}

#[test]
fun worker_status_worker_status() {
    let value = statements::new_worker_status_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", @0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, vector[statements::new_status_entry_for_testing(x"776f726b65722d31".to_string(), 2, 5), statements::new_status_entry_for_testing(x"c3bc".to_string(), 255, 0)]);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf0208776f726b65722d3102050000000000000002c3bcff0000000000000000");
    let message = signed(5, 1764000001007, x"05efeb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf0208776f726b65722d3102050000000000000002c3bcff0000000000000000",
        x"4b00b73c47e3f7e5064151f9930844dbcd2016adc9ec328f87f1618c792a3a0de40aa7c5148a4ecfba06f8d30a6d659cabf36f979bbaccd67ca28ec9e615550c", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_worker_status(&message) == value);
}

#[test]
fun snapshot_snapshot() {
    let value = statements::new_snapshot_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 44, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf2c0000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    let message = signed(6, 1764000001008, x"06f0eb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf2c0000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
        x"332eb564740cf3177e385a2f95e1491afd9e105be3524ff45a1319a87670d93687c4590fcf44fe01b19caed1694c830a2c4bf2cb2954d0fed8b876ac29bb9308", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_snapshot(&message) == value);
}

#[test]
fun handoff_handoff() {
    let value = statements::new_handoff_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", @0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"909192939495969798999a9b9c9d9e9f", 44, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10909192939495969798999a9b9c9d9e9f2c0000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    let message = signed(7, 1764000001009, x"07f1eb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10909192939495969798999a9b9c9d9e9f2c0000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
        x"b490ba277231bd143c3f3bed1b5f350c4bcac9d434b7dde2d7d9e1b4dcd2544be3194a11dbbd2bc2334c2c0ea4adc0247e0eec7aef0b399b7d0b581d417b780c", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_handoff(&message) == value);
}

#[test]
fun drain_drain() {
    let value = statements::new_drain_for_testing(@0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", 13, x"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", 44);
    assert!(bcs::to_bytes(&value) == x"e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf0d0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8552c00000000000000");
    let message = signed(8, 1764000001010, x"08f2eb97b69a010000e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf0d0000000000000020e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8552c00000000000000",
        x"dd273d1351847525e9fa352c630f1c8065c963dbe08127e6e8a55ad9326d6434b31b926c234d37243804eeb538386cf00d30aedc3bc74268300dd6fc5b20950c", x"03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8");
    assert!(statements::parse_drain(&message) == value);
}

#[test]
fun worker_statement_worker_statement() {
    let value = statements::new_worker_statement_for_testing(@0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, x"776f726b65722d31".to_string(), 1, x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    assert!(bcs::to_bytes(&value) == x"c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf08776f726b65722d31010000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
    let message = signed(9, 1764000001011, x"09f3eb97b69a010000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf08776f726b65722d31010000000000000020101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f",
        x"70a8a28a2078ed250f7b82cb1083dda72146ddef7faddfc056dcaa1c53eb8da100bddf4b2b75c83446e572b20e006db1de95db8deb7e48ea17eb493327db4b08", x"29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7");
    assert!(statements::parse_worker_statement(&message) == value);
}

#[test]
fun worker_statement_later_worker_statement() {
    let value = statements::new_worker_statement_for_testing(@0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, x"776f726b65722d31".to_string(), 18446744073709551615, x"707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f");
    assert!(bcs::to_bytes(&value) == x"c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf08776f726b65722d31ffffffffffffffff20707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f");
    let message = signed(9, 1764000001012, x"09f4eb97b69a010000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf08776f726b65722d31ffffffffffffffff20707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f",
        x"fd62f74e004c3876ab4a1d0ece1bdfde2d738dcf8d0af42fd58aa38bd41c11e0caf4782ed3aef8d530d00c530e61887c2762043f54b5ccae4e7e0db709edf405", x"29acbae141bccaf0b22e1a94d34d0bc7361e526d0bfe12c89794bc9322966dd7");
    assert!(statements::parse_worker_statement(&message) == value);
}

#[test]
fun enclave_binding_with_a_chain() {
    let value = binding::new_for_testing(@0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf, @0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, @0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", x"101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f", x"909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf", x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0");
    assert!(binding::bytes_for_testing(&value) == x"01a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf20101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f20909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf20a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0");
    assert!(binding::parse(&x"01a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf20101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f20909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf20a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0") == value);
}

#[test]
fun enclave_binding_with_a_policy_file_and_no_request_key() {
    let value = binding::new_for_testing(@0x0000000000000000000000000000000000000000000000000000000000000000, @0xc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf, @0xe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff, x"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf", x"0233dd53e001b09f80593f061ad460b65c33ba79c485b86c81bc0ed704cda7a3", x"0000000000000000000000000000000000000000000000000000000000000000", x"a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0");
    assert!(binding::bytes_for_testing(&value) == x"010000000000000000000000000000000000000000000000000000000000000000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf200233dd53e001b09f80593f061ad460b65c33ba79c485b86c81bc0ed704cda7a320000000000000000000000000000000000000000000000000000000000000000020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0");
    assert!(binding::parse(&x"010000000000000000000000000000000000000000000000000000000000000000c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff10b0b1b2b3b4b5b6b7b8b9babbbcbdbebf200233dd53e001b09f80593f061ad460b65c33ba79c485b86c81bc0ed704cda7a320000000000000000000000000000000000000000000000000000000000000000020a8ad414c3e63105af3fb512822c66ddd866aebd798f0812c790b17fff91ad3a0") == value);
}
