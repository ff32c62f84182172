"""Profile `sui` against Sui's own code, case by case: the stage and the parsed value. tools/differential.sh runs it."""

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from daas_attestation.anchor import TrustAnchor
from daas_attestation.sui_profile_chain import verify_sui
from daas_attestation.sui_profile_document import SuiDocument, parse_sui
from daas_attestation.sui_profile_errors import SuiParseError, SuiVerifyError
from support import sui_certificates, sui_chain_mutants, sui_mutants
from support.sui_oracle import Case, Opinion, OracleUnavailable, ask, build

BATCH = 1000
SEED = 2026


@dataclass(frozen=True)
class Difference:
    case: Case
    sui: Opinion
    ours: Opinion

    def __str__(self) -> str:
        return (
            f"{self.case.family}: Sui {self.sui.stage} ({self.sui.reason}), we {self.ours.stage} ({self.ours.reason})"
        )


def _value(document: SuiDocument) -> str:
    def optional(value: bytes | None) -> str:
        return "-" if value is None else f"x{value.hex()}"

    pcrs = ",".join(f"{index}={value.hex()}" for index, value in document.pcrs)
    rest = map(optional, (document.public_key, document.user_data, document.nonce))
    return " ".join((document.module_id.encode().hex(), str(document.timestamp_ms), pcrs, *rest))


def our_opinion(case: Case, anchor: TrustAnchor) -> Opinion:
    try:
        document = parse_sui(case.data)
    except SuiParseError as error:
        return Opinion("parse", "", str(error))
    try:
        verify_sui(document, anchor, case.now_ms)
    except SuiVerifyError as error:
        return Opinion("verify", _value(document), str(error))
    return Opinion("accept", _value(document), "")


def compare(
    binary: Path, anchor: TrustAnchor, cases: Sequence[Case], tally: Counter[tuple[str, str]]
) -> Iterator[Difference]:
    """The cases on which the two do not agree; `tally` counts (family, Sui's stage)."""
    for case, sui in zip(cases, ask(binary, cases), strict=True):
        tally[case.family, sui.stage] += 1
        ours = our_opinion(case, anchor)
        if (ours.stage, ours.value) != (sui.stage, sui.value):
            yield Difference(case, sui, ours)


def batches(cases: Iterable[Case]) -> Iterator[list[Case]]:
    batch: list[Case] = []
    for case in cases:
        batch.append(case)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


FAMILIES = sui_mutants.FAMILIES | sui_chain_mutants.FAMILIES


def main(count: int, seed: int) -> int:
    try:
        binary = build(sui_certificates.root_pem())
    except OracleUnavailable as error:
        print(f"differential skipped: {error}", file=sys.stderr)
        return 0
    start = time.monotonic()
    tally: Counter[tuple[str, str]] = Counter()
    found = []
    for batch in batches(sui_mutants.mutants(count, seed, FAMILIES)):
        found += compare(binary, sui_certificates.root_anchor(), batch, tally)
    print(f"{count} documents, seed {seed}, {time.monotonic() - start:.0f} s; where Sui's own code ended:")
    for family in FAMILIES:
        counts = ", ".join(f"{tally[family, stage]} {stage}" for stage in ("accept", "verify", "parse", "panic"))
        print(f"  {family:24} {counts}")
    print(f"{len(found)} differences")
    for difference in found[:40]:
        print(f"  {difference}\n    clock {difference.case.now_ms}, document {difference.case.data.hex()}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else SEED))
