"""The certificate chain of an attestation document, from the anchor's pinned root down to the leaf.

Invariant: `verify_chain` returns only for a chain whose first certificate hashes to the anchor's pin, in which every
certificate was issued and signed by the one before it, may sign what it signed, is valid at the `now` given and is not
on the revocation list given. The rules are RFC 5280's, cut down to what Nitro uses: P-384 keys, ECDSA with SHA-384, no
names but issuer and subject, no policies. The root's own signature is not checked: its hash is pinned.

Each rule looks at the whole chain and has a line of its own. Nothing is decoded before the root is the pinned one.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from daas_attestation.anchor import TrustAnchor
from daas_attestation.certificate import Certificate, load, summaries
from daas_attestation.chain_rules import SHAPE, SIGNED, SIGNED_NEEDS, Chain, Rule
from daas_attestation.errors import (
    STRICT_CHECKS,
    AttestationError,
    CertificateEncodingError,
    CertificateKeyError,
    ExpiredError,
    NotYetValidError,
    RepeatedCertificateError,
    RevokedError,
    RootError,
)
from daas_attestation.moment import utc_seconds_text
from daas_attestation.revocation import Revoked
from daas_attestation.verdict import CertificateSummary, Check, Record, serial_hex

MAX_CACHED_CHAINS = 64  # an enclave rotates its leaf every three hours; a gateway talks to a handful of enclaves


@dataclass(frozen=True, slots=True)
class VerifiedChain:
    """A chain that passed: the leaf's key and the seconds since 1970 within which every certificate is valid.

    `lines` are those of the rules that depend on neither time nor revocation.
    """

    leaf_key: ec.EllipticCurvePublicKey
    leaf_subject: str
    not_before_s: int
    not_after_s: int
    certificates: tuple[CertificateSummary, ...]
    lines: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class JudgedChain:
    """What is known of a chain after it was judged. `verified` is None when a rule was broken.

    `leaf_key` is there as soon as the keys are of the right kind, so that the document's own signature can be judged
    under a chain that has expired; it is to be trusted with `verified` only.
    """

    certificates: tuple[CertificateSummary, ...] = ()
    leaf_key: ec.EllipticCurvePublicKey | None = None
    verified: VerifiedChain | None = None


class ChainCache:
    """Chains that passed before, so that only the document's own signature is left to check.

    Keyed by the anchor's pin and the hash of every certificate in order. An entry answers only inside the intersection
    of the validities of all its certificates; outside it the chain is verified afresh and fails with the right error.
    Revocation is no part of an entry: it is looked at each time.
    """

    def __init__(self, capacity: int = MAX_CACHED_CHAINS) -> None:
        self._capacity = capacity
        self._chains: OrderedDict[bytes, VerifiedChain] = OrderedDict()

    def __len__(self) -> int:
        return len(self._chains)

    def get(self, key: bytes, now_s: int) -> VerifiedChain | None:
        """The chain under `key` (32 B) if all of it is valid at `now_s`."""
        chain = self._chains.get(key)
        if chain is None or not chain.not_before_s <= now_s <= chain.not_after_s:
            return None
        self._chains.move_to_end(key)
        return chain

    def put(self, key: bytes, chain: VerifiedChain) -> None:
        """Keep `chain`, and drop the one unused for longest when there are too many."""
        self._chains[key] = chain
        self._chains.move_to_end(key)
        if len(self._chains) > self._capacity:
            self._chains.popitem(last=False)


def _judge_rule(record: Record, rule: Rule, chain: Chain) -> Check | None:
    try:
        found = rule.check(chain)
    except AttestationError as error:
        record.failed(error)
        return None
    return record.passed(rule.error, rule.expected, found)


def _judge_validity(record: Record, chain: Sequence[Certificate], now_s: int) -> bool:
    now = f"now {utc_seconds_text(now_s)}"
    early = next((one for one in chain if now_s < one.not_before_s), None)
    late = next((one for one in chain if now_s > one.not_after_s), None)
    if early is not None:
        record.failed(NotYetValidError(f"{early.name} valid from {utc_seconds_text(early.not_before_s)}", now))
    if late is not None:
        record.failed(ExpiredError(f"{late.name} valid until {utc_seconds_text(late.not_after_s)}", now))
    not_before_s, not_after_s = _window(chain)
    if early is None:
        record.passed(NotYetValidError, f"valid from {utc_seconds_text(not_before_s)}", now)
    if late is None:
        record.passed(ExpiredError, f"valid until {utc_seconds_text(not_after_s)}", now)
    return early is None and late is None


def _window(chain: Sequence[Certificate | CertificateSummary]) -> tuple[int, int]:
    return max(one.not_before_s for one in chain), min(one.not_after_s for one in chain)


def _judge_revoked(record: Record, chain: Sequence[CertificateSummary], revoked: Revoked | None) -> bool:
    if revoked is None:
        record.not_compared(RevokedError, "no revocation list")
        return True
    for position, one in enumerate(chain):
        if (one.issuer_der, one.serial) in revoked:
            record.failed(
                RevokedError("a certificate that is not revoked", f"#{position} serial {serial_hex(one.serial)}")
            )
            return False
    record.passed(RevokedError, f"on no list of {len(revoked)} revoked certificates", f"{len(chain)} certificates")
    return True


def _cache_key(anchor: TrustAnchor, ders: Sequence[bytes]) -> bytes:
    digests = (hashlib.sha256(der).digest() for der in ders)
    return hashlib.sha256(anchor.root_sha256 + b"".join(digests)).digest()


def _known(record: Record, chain: VerifiedChain, now_s: int, revoked: Revoked | None) -> JudgedChain:
    now = f"now {utc_seconds_text(now_s)}"
    record.add(chain.lines)
    record.passed(NotYetValidError, f"valid from {utc_seconds_text(chain.not_before_s)}", now)
    record.passed(ExpiredError, f"valid until {utc_seconds_text(chain.not_after_s)}", now)
    good = _judge_revoked(record, chain.certificates, revoked)
    return JudgedChain(chain.certificates, chain.leaf_key, chain if good else None)


def judge_chain(
    record: Record,
    leaf: bytes,
    cabundle: Sequence[bytes],
    anchor: TrustAnchor,
    now_ms: int,
    cache: ChainCache | None = None,
    revoked: Revoked | None = None,
) -> JudgedChain:
    """Write the lines of every chain rule into `record`. Parameters as for `verify_chain`; never raises."""
    now_s = now_ms // 1000
    ders = (*cabundle, leaf)
    key = _cache_key(anchor, ders)
    if cache is not None and (known := cache.get(key, now_s)) is not None:
        return _known(record, known, now_s, revoked)
    pin, root_sha256 = anchor.root_sha256, hashlib.sha256(ders[0]).digest()
    if root_sha256 != pin:
        record.failed(RootError(f"the {anchor.kind} root {pin.hex()}", root_sha256.hex()))
        return JudgedChain()
    lines: list[Check | None] = [record.passed(RootError, f"the {anchor.kind} root", root_sha256.hex())]
    different = len(set(ders))
    if different != len(ders):
        record.failed(RepeatedCertificateError("every certificate once", f"{different} different ones of {len(ders)}"))
        return JudgedChain()
    lines.append(record.passed(RepeatedCertificateError, "every certificate once", f"{different} certificates"))
    try:
        chain = tuple(load(position, der) for position, der in enumerate(ders))
    except CertificateEncodingError as error:
        record.failed(error)
        return JudgedChain()
    lines.append(record.passed(CertificateEncodingError, "DER, X.509 version 3", f"{len(chain)} certificates"))
    in_time = _judge_validity(record, chain, now_s)
    passed = {rule.error: _judge_rule(record, rule, chain) for rule in SHAPE}
    # From cheap to dear, and no key is used before it is known to be one and to belong to the issuer named.
    signed = all(passed[needed] for needed in SIGNED_NEEDS) and _judge_rule(record, SIGNED, chain)
    lines += [*passed.values(), signed or None]
    shown = summaries(chain)
    good = _judge_revoked(record, shown, revoked)
    leaf_key = chain[-1].key if passed[CertificateKeyError] else None
    if not isinstance(leaf_key, ec.EllipticCurvePublicKey) or not in_time or not all(lines):
        return JudgedChain(shown, leaf_key if isinstance(leaf_key, ec.EllipticCurvePublicKey) else None)
    verified = VerifiedChain(
        leaf_key, shown[-1].subject, *_window(chain), shown, tuple(line for line in lines if line is not None)
    )
    if cache is not None:
        cache.put(key, verified)
    return JudgedChain(shown, leaf_key, verified if good else None)


def verify_chain(
    leaf: bytes,
    cabundle: Sequence[bytes],
    anchor: TrustAnchor,
    now_ms: int,
    cache: ChainCache | None = None,
    revoked: Revoked | None = None,
) -> VerifiedChain:
    """Verify `cabundle` (root first, issuer of the leaf last) and `leaf`, all DER, at `now_ms`.

    Whole seconds are compared, both ends included (RFC 5280, 4.1.2.5). Raises subclasses of `CertificateError`.
    """
    record = Record(STRICT_CHECKS)
    judged = judge_chain(record, leaf, cabundle, anchor, now_ms, cache, revoked)
    if record.failure is not None:
        raise record.failure
    if judged.verified is None:
        raise AttestationError("every rule to be judged", "a rule that was not reached, without a failure before it")
    return judged.verified
