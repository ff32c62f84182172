/// The grammar of grants: `resource[.group][/sub]:verb[@namespace]`.
///
///     grant     = resource [ "." group ] [ "/" sub ] ":" verb [ "@" namespace ]
///     resource  = label | "*"          group = label *( "." label )          sub = label | "*"
///     verb      = "get" | "list" | "watch" | "create" | "update" | "patch" | "delete" | "deletecollection"
///               | "read" | "write" | "*"
///     label     = RFC 1123 label in lower case, at most 63 characters
///
/// Invariant: one grant has one text, and `allows` answers yes only for what the text names. Without a group the
/// core group is meant, as in RBAC; `*` alone is every resource of every group. Subresources are named (`/sub`,
/// `/*`), but for two: `pods/log` comes with read of pods, and `*:*` is everything. The enclave answers the same
/// questions with the same answers (`protocol/daas_protocol/grant.py`, `tests/vectors/grants.json`).
module daas::grant;

use std::string::String;

/// Above every grant of the grammar's own limits: 63 + 253 + 63 + 16 + 63 and the separators.
const MAX_GRANT_BYTES: u64 = 512;
/// A DNS name (RFC 1123): Kubernetes refuses longer API groups.
const MAX_GROUP_BYTES: u64 = 253;
/// A DNS label (RFC 1123): Kubernetes names namespaces, resources and subresources so.
const MAX_LABEL_BYTES: u64 = 63;

const GET: u8 = 1;
const LIST: u8 = 2;
const WATCH: u8 = 4;
const CREATE: u8 = 8;
const UPDATE: u8 = 16;
const PATCH: u8 = 32;
const DELETE: u8 = 64;
const DELETE_COLLECTION: u8 = 128;
const READ: u8 = 7;
const WRITE: u8 = 248;
const ALL: u8 = 255;

#[error]
const EGrantTooLong: vector<u8> = b"A grant has at most 512 bytes: name the parts of the grammar and nothing else";
#[error]
const EGrantForm: vector<u8> = b"A grant has the form resource[.group][/sub]:verb[@namespace]: the colon is missing";
#[error]
const EGrantResource: vector<u8> = b"The resource of a grant must be a lower-case RFC 1123 label of at most 63 characters, or *";
#[error]
const EGrantGroup: vector<u8> = b"The API group of a grant must be lower-case labels joined by dots, at most 253 characters";
#[error]
const EGrantSubresource: vector<u8> = b"The subresource of a grant must be a lower-case RFC 1123 label, or *";
#[error]
const EGrantVerb: vector<u8> = b"The verb of a grant must be get, list, watch, create, update, patch, delete, deletecollection, read, write or *";
#[error]
const EGrantNamespace: vector<u8> = b"The namespace of a grant must be a lower-case RFC 1123 label; leave it out for the whole cluster";

/// Parts as bytes, since each byte on chain costs; no part of a grant is ever empty, so empty means absent.
/// `group` empty is the core group, or every group where `resource` is `*`.
public struct Grant has copy, drop, store {
    resource: vector<u8>,
    group: vector<u8>,
    subresource: vector<u8>,
    verbs: u8,
    namespace: vector<u8>,
}

/// The grant that `text` names. Anyone may call.
/// Aborts: `EGrantTooLong`, `EGrantForm`, `EGrantResource`, `EGrantGroup`, `EGrantSubresource`, `EGrantVerb`,
/// `EGrantNamespace`.
public fun parse(text: &String): Grant {
    assert!(text.length() <= MAX_GRANT_BYTES, EGrantTooLong);
    let (grant, has_colon, has_group, has_subresource, has_namespace) = split(text.as_bytes());
    assert!(has_colon, EGrantForm);
    assert!(is_label_or_any(&grant.resource), EGrantResource);
    assert!(!has_group || is_group(&grant.group), EGrantGroup);
    assert!(!has_subresource || is_label_or_any(&grant.subresource), EGrantSubresource);
    assert!(grant.verbs != 0, EGrantVerb);
    assert!(!has_namespace || is_label(&grant.namespace), EGrantNamespace);
    grant
}

/// Whether `parse` takes `text`. Anyone may call; never aborts.
public fun is_valid(text: &String): bool {
    if (text.length() > MAX_GRANT_BYTES) return false;
    let (grant, has_colon, has_group, has_subresource, has_namespace) = split(text.as_bytes());
    has_colon
        && is_label_or_any(&grant.resource)
        && (!has_group || is_group(&grant.group))
        && (!has_subresource || is_label_or_any(&grant.subresource))
        && grant.verbs != 0
        && (!has_namespace || is_label(&grant.namespace))
}

/// Whether one request is covered: `group` empty is the core group, `subresource` empty is none, `namespace` empty
/// is cluster-scoped. A request on a Namespace itself is cluster-scoped, though its path carries a namespace.
/// Anyone may call; never aborts.
public fun allows(
    grant: &Grant,
    group: &String,
    resource: &String,
    subresource: &String,
    verb: &String,
    namespace: &String,
): bool {
    let group = group.as_bytes();
    let resource = resource.as_bytes();
    let any_resource = is_any(&grant.resource);
    let any_group = any_resource && grant.group.is_empty();
    if (!any_group && &grant.group != group) return false;
    if (!any_resource && &grant.resource != resource) return false;
    if (grant.verbs & one_verb(verb.as_bytes()) == 0) return false;
    if (!grant.namespace.is_empty()) {
        let of_a_namespace = resource == b"namespaces" && group.is_empty();
        if (of_a_namespace || &grant.namespace != namespace.as_bytes()) return false;
    };
    allows_subresource(grant, group, resource, subresource.as_bytes(), verb.as_bytes())
}

/// Whether `verb` changes something: create, update, patch, delete or deletecollection. Anyone may call; never
/// aborts.
public fun is_write_verb(verb: &String): bool {
    one_verb(verb.as_bytes()) & WRITE != 0
}

/// Whether a request is of the class `read`: get, list or watch of a resource, or get of `pods/log`. Anyone may
/// call; never aborts.
public fun is_read(group: &String, resource: &String, subresource: &String, verb: &String): bool {
    let verbs = one_verb(verb.as_bytes()) & READ;
    if (subresource.is_empty()) return verbs != 0;
    verbs == GET && is_pods_log(group.as_bytes(), resource.as_bytes(), subresource.as_bytes())
}

/// The one text of a grant. Anyone may call; never aborts.
public fun to_string(grant: &Grant): String {
    let mut text = grant.resource;
    append_part(&mut text, b".", &grant.group);
    append_part(&mut text, b"/", &grant.subresource);
    text.append(b":");
    text.append(verb_name(grant.verbs));
    append_part(&mut text, b"@", &grant.namespace);
    text.to_string()
}

/// Whether `bytes` are an RFC 1123 label in lower case: 1 to 63 of a-z, 0-9 and, inside only, the hyphen.
public(package) fun is_label(bytes: &vector<u8>): bool {
    is_label_range(bytes, 0, bytes.length())
}

fun allows_subresource(
    grant: &Grant,
    group: &vector<u8>,
    resource: &vector<u8>,
    subresource: &vector<u8>,
    verb: &vector<u8>,
): bool {
    if (subresource.is_empty()) return grant.subresource.is_empty();
    // Whatever HTTP method opens these, they do things in a container: only create covers them.
    let connects = subresource == b"exec" || subresource == b"attach" || subresource == b"portforward";
    if (connects && verb != b"create") return false;
    if (!grant.subresource.is_empty()) {
        return is_any(&grant.subresource) || &grant.subresource == subresource
    };
    if (is_any(&grant.resource) && grant.verbs == ALL) return true;
    verb == b"get" && grant.verbs & READ == READ && is_pods_log(group, resource, subresource)
}

fun is_pods_log(group: &vector<u8>, resource: &vector<u8>, subresource: &vector<u8>): bool {
    group.is_empty() && resource == b"pods" && subresource == b"log"
}

/// The parts of `text`, not yet judged (an unknown verb gives no verbs), and which separators it has: colon, dot,
/// slash, at.
fun split(text: &vector<u8>): (Grant, bool, bool, bool, bool) {
    let mut grant = Grant {
        resource: vector[],
        group: vector[],
        subresource: vector[],
        verbs: 0,
        namespace: vector[],
    };
    let mut verb = vector[];
    let (mut has_colon, mut has_group, mut has_subresource, mut has_namespace) = (false, false, false, false);
    text.do_ref!(|byte| {
        let byte = *byte;
        // A separator that may not come here falls into a part, where it is no character of a label.
        if (byte == 0x3A && !has_colon) has_colon = true // colon
        else if (byte == 0x40 && has_colon && !has_namespace) has_namespace = true // at
        else if (byte == 0x2F && !has_colon && !has_subresource) has_subresource = true // slash
        else if (byte == 0x2E && !has_colon && !has_subresource && !has_group) has_group = true // dot
        else if (has_namespace) grant.namespace.push_back(byte)
        else if (has_colon) verb.push_back(byte)
        else if (has_subresource) grant.subresource.push_back(byte)
        else if (has_group) grant.group.push_back(byte)
        else grant.resource.push_back(byte);
    });
    grant.verbs = verb_set(&verb);
    (grant, has_colon, has_group, has_subresource, has_namespace)
}

fun is_label_or_any(bytes: &vector<u8>): bool {
    is_any(bytes) || is_label(bytes)
}

fun is_any(bytes: &vector<u8>): bool {
    bytes == b"*"
}

/// Labels joined by dots.
fun is_group(bytes: &vector<u8>): bool {
    let length = bytes.length();
    if (length > MAX_GROUP_BYTES) return false;
    let mut start = 0;
    let mut at = 0;
    while (at < length) {
        if (bytes[at] == 0x2E) {
            if (!is_label_range(bytes, start, at)) return false;
            start = at + 1;
        };
        at = at + 1;
    };
    is_label_range(bytes, start, length)
}

fun is_label_range(bytes: &vector<u8>, start: u64, end: u64): bool {
    if (start == end || end - start > MAX_LABEL_BYTES) return false;
    if (bytes[start] == 0x2D || bytes[end - 1] == 0x2D) return false;
    let mut at = start;
    while (at < end) {
        let byte = bytes[at];
        let known = (byte >= 0x61 && byte <= 0x7A) || (byte >= 0x30 && byte <= 0x39) || byte == 0x2D;
        if (!known) return false;
        at = at + 1;
    };
    true
}

/// The bit of one verb of a request; 0 for a verb that no grant covers.
fun one_verb(verb: &vector<u8>): u8 {
    if (verb == b"get") GET
    else if (verb == b"list") LIST
    else if (verb == b"watch") WATCH
    else if (verb == b"create") CREATE
    else if (verb == b"update") UPDATE
    else if (verb == b"patch") PATCH
    else if (verb == b"delete") DELETE
    else if (verb == b"deletecollection") DELETE_COLLECTION
    else 0
}

/// The bits that the verb of a grant stands for; 0 for an unknown one.
fun verb_set(verb: &vector<u8>): u8 {
    if (verb == b"read") READ
    else if (verb == b"write") WRITE
    else if (is_any(verb)) ALL
    else one_verb(verb)
}

fun verb_name(verbs: u8): vector<u8> {
    match (verbs) {
        GET => b"get",
        LIST => b"list",
        WATCH => b"watch",
        CREATE => b"create",
        UPDATE => b"update",
        PATCH => b"patch",
        DELETE => b"delete",
        DELETE_COLLECTION => b"deletecollection",
        READ => b"read",
        WRITE => b"write",
        _ => b"*",
    }
}

fun append_part(text: &mut vector<u8>, separator: vector<u8>, part: &vector<u8>) {
    if (part.is_empty()) return;
    text.append(separator);
    text.append(*part);
}
