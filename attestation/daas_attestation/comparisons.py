"""What a document says, compared with what is expected: each comparison writes its lines, whatever the others found.

Nothing here believes the document; it is accepted only if chain and signature passed too.
"""

from collections.abc import Mapping, Sequence

from daas_attestation.document import PCR_BYTES, UnverifiedDocument
from daas_attestation.errors import (
    AgeError,
    BindingError,
    BootMismatchError,
    ClusterMismatchError,
    DebugModeError,
    EnclaveMismatchError,
    FutureTimestampError,
    LightClientAnchorMismatchError,
    MeasurementPeriodError,
    NonceError,
    PackageMismatchError,
    PcrMismatchError,
    PcrMissingError,
    PublicKeyError,
    RequestKeyMismatchError,
    TlsKeyMismatchError,
    UserDataError,
)
from daas_attestation.expectation import BindingExpectation, Expectation
from daas_attestation.measurements import Measurement
from daas_attestation.moment import utc_text
from daas_attestation.verdict import Record
from daas_protocol.binding import EnclaveBinding

RECEIPT_KEY_BYTES = 32  # Ed25519
MAX_SHOWN_POLICIES = 8  # of a long policy; the differences to the rest say no more
_SHOWN_HEX = 128  # a nonce may have 512 bytes; the first 64 tell two apart
_SHOWN_NAME = 64
_ZERO_PCR = bytes(PCR_BYTES)
_IMAGE_PCRS = (0, 1, 2)  # zero in debug mode, whatever the image
_Pcrs = Mapping[int, bytes]


def _shown(value: bytes | None) -> str:
    return "none" if value is None else value.hex()[:_SHOWN_HEX] or "no bytes"


def _indices(found: _Pcrs | Sequence[int]) -> str:
    return ", ".join(map(str, sorted(found)))


def _title(policy: Measurement) -> str:
    # Names come from a file of the user's, but end up on terminals and in one line.
    return f"{ascii(policy.name)[1:-1][:_SHOWN_NAME]} version {policy.version}"


def _more(policies: Sequence[Measurement]) -> str:
    return f"; and {len(policies) - MAX_SHOWN_POLICIES} more" if len(policies) > MAX_SHOWN_POLICIES else ""


def _compare_present(record: Record, found: _Pcrs, expectation: Expectation) -> tuple[Measurement, ...]:
    """The policies all of whose PCRs are in the document: absence never matches."""
    policies = expectation.policies or ()
    needed = sorted({*_IMAGE_PCRS, *expectation.pcrs})
    missing = [index for index in needed if index not in found]
    complete = tuple(policy for policy in policies if policy.pcrs.keys() <= found.keys())
    actual = f"indices {_indices(found)}"
    if missing:
        record.failed(PcrMissingError(f"PCR{', PCR'.join(map(str, missing))}", actual))
    elif policies and not complete:
        lacking = [
            f"PCR{_indices([index for index in policy.pcrs if index not in found])} of {_title(policy)}"
            for policy in policies[:MAX_SHOWN_POLICIES]
        ]
        record.failed(PcrMissingError("; ".join(lacking) + _more(policies), actual))
    else:
        record.passed(PcrMissingError, f"PCR {_indices(needed)}", actual)
    return complete


def _compare_debug(record: Record, found: _Pcrs, *, allow_debug: bool) -> None:
    if any(index not in found for index in _IMAGE_PCRS):
        return
    expected = "PCR0, PCR1, PCR2 not all zero"
    if any(found[index] != _ZERO_PCR for index in _IMAGE_PCRS):
        record.passed(DebugModeError, expected, "off")
    elif allow_debug:
        record.passed(DebugModeError, "debug mode or not", "DEBUG MODE, allowed by the caller")
    else:
        record.failed(DebugModeError(expected, "debug mode"))


def _differences(found: _Pcrs, wanted: _Pcrs) -> list[int]:
    """Indices at which both have a value and not the same one."""
    return [index for index, value in sorted(wanted.items()) if index in found and found[index] != value]


def _nearest(found: _Pcrs, policy: Measurement) -> tuple[list[int], str]:
    """How `policy` is missed: indices that differ, or that are not there, and text about the first of them."""
    wrong = _differences(found, policy.pcrs) or [index for index in policy.pcrs if index not in found]
    more = f", {len(wrong)} PCRs differ" if len(wrong) > 1 else ""
    return wrong, f"PCR{wrong[0]} {policy.pcrs[wrong[0]].hex()} of {_title(policy)}{more}"


def _compare_pcrs(
    record: Record, found: _Pcrs, expectation: Expectation, complete: Sequence[Measurement]
) -> tuple[Measurement, ...]:
    """The policies whose PCRs the document has, whenever they are valid."""
    given, policies = expectation.pcrs, expectation.policies
    matched = tuple(policy for policy in complete if not _differences(found, policy.pcrs))
    wrong = _differences(found, given)
    refused = bool(wrong)
    expected = [f"PCR{index} {given[index].hex()}" for index in wrong]
    if policies is not None and not policies:
        expected.append("one of the accepted measurements, and none is accepted")
        wrong.append(_IMAGE_PCRS[0])
        refused = True
    elif policies and not matched:
        # A policy that lacks nothing but PCRs that are not there is a matter of the check before.
        refused |= any(_differences(found, policy.pcrs) for policy in policies)
        missed = sorted((_nearest(found, policy) for policy in policies), key=lambda one: len(one[0]))
        expected += [text for _, text in missed[:MAX_SHOWN_POLICIES]]
        wrong += [index for indices, _ in missed[:MAX_SHOWN_POLICIES] for index in indices]
    actual = "; ".join(f"PCR{index} {_shown(found.get(index))}" for index in sorted(set(wrong)))
    if refused:
        record.failed(PcrMismatchError("; ".join(expected) + _more(policies or ()), actual))
    elif policies is None and not given:
        record.not_compared(PcrMismatchError, f"PCR {_indices(found)}")
    elif not wrong and given.keys() <= found.keys():
        accepted = [] if policies is None else [f"one of {len(policies)} accepted measurements"]
        match_text = [f"{_title(policy)}: PCR {_indices(policy.pcrs)}" for policy in matched[:1]]
        named = [f"PCR {_indices(given)} as given"] if given else []
        record.passed(PcrMismatchError, "; ".join(accepted + named), "; ".join(match_text + named))
    return matched


def _compare_period(
    record: Record, matched: Sequence[Measurement], expectation: Expectation, now_ms: int
) -> Measurement | None:
    """The first policy that the document matches and that is valid now."""
    now = f"now {utc_text(now_ms)}"
    if expectation.policies is None:
        record.not_compared(MeasurementPeriodError, now)
    elif matched:
        for policy in matched:
            if policy.valid_from <= now_ms and (policy.valid_to is None or now_ms < policy.valid_to):
                record.passed(MeasurementPeriodError, _period(policy), now)
                return policy
        periods = "; ".join(f"{_title(policy)} {_period(policy)}" for policy in matched[:MAX_SHOWN_POLICIES])
        record.failed(MeasurementPeriodError(periods + _more(matched), now))
    return None


def _period(policy: Measurement) -> str:
    until = "" if policy.valid_to is None else f" until before {utc_text(policy.valid_to)}"
    return f"from {utc_text(policy.valid_from)}{until}"


def _compare_nonce(record: Record, actual: bytes | None, expected: bytes | None) -> None:
    if expected is None:
        record.not_compared(NonceError, _shown(actual))
    elif actual != expected:
        record.failed(NonceError(_shown(expected), _shown(actual)))
    else:
        record.passed(NonceError, _shown(expected), _shown(actual))


def _compare_age(record: Record, timestamp_ms: int, expectation: Expectation, now_ms: int) -> None:
    age, max_age_ms, max_skew_ms = now_ms - timestamp_ms, expectation.max_age_ms, expectation.max_skew_ms
    if max_age_ms is None:
        record.not_compared(AgeError, f"{age} ms")
    elif age > max_age_ms:
        record.failed(AgeError(f"at most {max_age_ms} ms old", f"{age} ms"))
    else:
        record.passed(AgeError, f"at most {max_age_ms} ms old", f"{age} ms")
    if -age > max_skew_ms:
        record.failed(FutureTimestampError(f"at most {max_skew_ms} ms ahead", f"{-age} ms"))
    else:
        record.passed(FutureTimestampError, f"at most {max_skew_ms} ms ahead", f"{max(-age, 0)} ms")


BINDING_FIELDS: tuple[tuple[str, type[BindingError]], ...] = (
    ("package_id", PackageMismatchError),
    ("cluster_id", ClusterMismatchError),
    ("enclave_id", EnclaveMismatchError),
    ("boot_id", BootMismatchError),
    ("light_client_anchor", LightClientAnchorMismatchError),
    ("request_key_sha256", RequestKeyMismatchError),
    ("tls_spki_sha256", TlsKeyMismatchError),
)
"""Every field of an `EnclaveBinding` that an expectation can name, with the error of a difference."""


def _compare_binding(
    record: Record, document: UnverifiedDocument, expected: BindingExpectation | None
) -> EnclaveBinding | None:
    key, user_data = document.public_key, document.user_data
    if expected is None:
        record.not_compared(PublicKeyError, _shown(key))
        record.not_compared(UserDataError, "none" if user_data is None else f"{len(user_data)} bytes")
        for _, mismatch in BINDING_FIELDS:
            record.not_compared(mismatch, "")
        return None
    wanted_key = f"{RECEIPT_KEY_BYTES} bytes"
    if key is None or len(key) != RECEIPT_KEY_BYTES:
        record.failed(PublicKeyError(wanted_key, "none" if key is None else f"{len(key)} bytes"))
    else:
        record.passed(PublicKeyError, wanted_key, key.hex())
    try:
        binding = None if user_data is None else EnclaveBinding.from_bcs(user_data)
        problem = "none"
    except ValueError as error:
        binding, problem = None, str(error)[:160]
    if binding is None:
        record.failed(UserDataError("an EnclaveBinding", problem))
        return None
    record.passed(UserDataError, "an EnclaveBinding", f"version {binding.version}")
    for name, mismatch in BINDING_FIELDS:
        wanted, found = getattr(expected, name), getattr(binding, name)
        if wanted is None:
            record.not_compared(mismatch, _shown(found))
        elif found != wanted:
            record.failed(mismatch(_shown(wanted), _shown(found)))
        else:
            record.passed(mismatch, _shown(wanted), _shown(found))
    return binding


def compare(
    record: Record, document: UnverifiedDocument, expectation: Expectation, now_ms: int
) -> tuple[Measurement | None, EnclaveBinding | None]:
    """Write the line of every comparison; the measurement that was matched and the binding, as far as there are any."""
    complete = _compare_present(record, document.pcrs, expectation)
    _compare_debug(record, document.pcrs, allow_debug=expectation.allow_debug)
    matched = _compare_pcrs(record, document.pcrs, expectation, complete)
    measurement = _compare_period(record, matched, expectation, now_ms)
    _compare_nonce(record, document.nonce, expectation.nonce)
    _compare_age(record, document.timestamp_ms, expectation, now_ms)
    return measurement, _compare_binding(record, document, expectation.binding)
