"""Profile `sui` and Sui's own code (crates.io `fastcrypto`, the crate behind the native) agree: stage and parsed value.

The program is compiled with cargo and kept in the user's cache; tools/differential.sh compares 20,000 documents.
"""

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from daas_attestation.anchor import AwsAnchor
from support import sui_certificates as sc
from support import sui_chain_rules, sui_mutants
from support.nitro_documents import NOW_MS
from support.sui_certificates import root_anchor, root_pem
from support.sui_chains import issue
from support.sui_differential import FAMILIES, SEED, Difference, compare
from support.sui_oracle import BUILD_S, Case, ask, oracle

VECTORS = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "nitro"
COUNT = 2000
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(2 * BUILD_S)]

# First and last second of each real document, from the README beside them.
WINDOWS = {
    "01-evervault-2023-debug.cose": (1695047829, 1695058632),
    "02-evervault-2022-prod-pcr8.cose": (1665651479, 1665662282),
    "04-nautilus-weather-2025-ed25519.cose": (1744683467, 1744694270),
    "07-marlin-2025-pcr16-locked.cose": (1745922699, 1745933502),
    "08-dstack-2025-12.cose": (1766668534, 1766679337),
    "neg-20-marlin-mock-root.cose": (1766668534, 1766679337),
    "neg-21-dstack-trailing-bytes.bin": (1766668534, 1766679337),
}


def told(differences: list[Difference]) -> str:
    return "\n".join(f"{difference} {difference.case.data.hex()}" for difference in differences[:10])


@pytest.fixture(scope="module")
def as_it_is() -> Path:
    return oracle()


@pytest.fixture(scope="module")
def under_development_root() -> Path:
    return oracle(root_pem())


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the real documents lie beside the repository, in ../shared/vectors")
def test_on_real_documents_at_before_and_after_their_windows(as_it_is: Path) -> None:
    cases = []
    for file, (first, last) in WINDOWS.items():
        data = (VECTORS / file).read_bytes()
        for now_ms in (first * 1000 - 1, first * 1000, last * 1000 + 999, (last + 1) * 1000, 0, 1 << 63, (1 << 64) - 1):
            cases.append(Case(file, data, now_ms))
    tally: Counter[tuple[str, str]] = Counter()
    assert not (found := list(compare(as_it_is, AwsAnchor(), cases, tally))), told(found)
    # Five real ones and the one with bytes after it, at the first and the last moment of their windows.
    assert sum(count for (_, stage), count in tally.items() if stage == "accept") == 12


@pytest.mark.skipif(not VECTORS.is_dir(), reason="the real documents lie beside the repository, in ../shared/vectors")
def test_on_real_documents_changed_by_chance(as_it_is: Path) -> None:
    cases = []
    for number in range(300):
        rng = random.Random(f"{SEED}/{number}")
        file = rng.choice(list(WINDOWS))
        data = sui_mutants.noise(rng, (VECTORS / file).read_bytes(), rng.choice((1, 2, 4)))
        cases.append(Case(file, data, WINDOWS[file][0] * 1000))
    assert not (found := list(compare(as_it_is, AwsAnchor(), cases, Counter()))), told(found)


def test_on_every_rule_of_the_chain_kept_and_broken(under_development_root: Path) -> None:
    cases = [Case(label, data, NOW_MS) for label, data in sui_chain_rules.rules()]
    tally: Counter[tuple[str, str]] = Counter()
    assert not (found := list(compare(under_development_root, root_anchor(), cases, tally))), told(found)
    stages = Counter(stage for _, stage in tally)
    assert stages["accept"] > 200
    assert stages["verify"] > 300
    assert not stages["panic"]


def test_on_unprotected_headers_whose_keys_are_nearly_the_same(under_development_root: Path) -> None:
    keys = {
        "0": "00",
        "0 long": "1800",
        "0 longer": "1b0000000000000000",
        "0 big": "c240",
        "0 in chunks": "c25f4100ff",
        "-0.0": "f98000",
        "0.0": "f90000",
        "0.0 long": "fb0000000000000000",
        "NaN": "f97e00",
        "false": "f4",
        "false long": "f814",
        "null": "f6",
        "undefined": "f7",
        "text": "60",
        "text in chunks": "7fff",
        "bytes": "40",
        "bytes in chunks": "5f40ff",
        "array": "80",
        "array of no length": "9fff",
        "array of 0": "8100",
        "array of NaN": "81f97e00",
        "map": "a0",
        "map of 0": "a10000",
        "tag": "c000",
        "another tag": "c100",
        "-1": "20",
        "-1 big": "c340",
        "1 big": "c24101",
        "big": "c25100ffffffffffffffffffffffffffffffff",
    }
    payload = sui_mutants.payload_of(sui_mutants.fields())
    raw = sui_mutants.raw_signature(sc.key_of("leaf"), sui_mutants.HEADER, payload)
    cases = []
    for (one, first), (other, second) in product(keys.items(), repeat=2):
        header = b"\xa2" + bytes.fromhex(first) + b"\x00" + bytes.fromhex(second) + b"\x00"
        data = b"\x84" + b"".join(sui_mutants.envelope(payload, raw, unprotected=header))
        cases.append(Case(f"{one} and {other}", data, NOW_MS))
    tally: Counter[tuple[str, str]] = Counter()
    assert not (found := list(compare(under_development_root, root_anchor(), cases, tally))), told(found)
    assert tally["NaN and NaN", "accept"] == tally["0.0 and -0.0", "parse"] == tally["0 and 0 in chunks", "parse"] == 1


def test_on_validity_after_2049_where_generalized_times_are_the_rule(under_development_root: Path) -> None:
    moment_s = int(datetime(2050, 6, 1, tzinfo=UTC).timestamp())
    cases = []
    for first, last in ((0, 0), (0, 9), (-9, 0), (1, 9), (-9, -1), (-9, 9)):
        period = sc.validity(
            sc.time(moment_s + first, generalized=True),
            sc.time(moment_s + last, generalized=True),
        )
        changes = {at: partial(replace, validity=period) for at in range(5)}
        data = sui_mutants.document(issue(sc.good_chain(), changes))
        cases += [Case(f"{first} to {last}", data, moment_s * 1000 + more) for more in (0, 999, -1)]
    tally: Counter[tuple[str, str]] = Counter()
    assert not (found := list(compare(under_development_root, root_anchor(), cases, tally))), told(found)
    assert tally["0 to 0", "accept"] == 2


def test_on_documents_changed_by_chance(under_development_root: Path) -> None:
    cases = list(sui_mutants.mutants(COUNT, SEED, FAMILIES))
    tally: Counter[tuple[str, str]] = Counter()
    assert not (found := list(compare(under_development_root, root_anchor(), cases, tally))), told(found)
    assert {stage for _, stage in tally} == {"accept", "verify", "parse"}


def test_each_build_has_its_own_root(as_it_is: Path, under_development_root: Path) -> None:
    case = Case("good", sui_mutants.document(), NOW_MS)
    assert [opinion.stage for opinion in ask(under_development_root, [case])] == ["accept"]
    assert [opinion.stage for opinion in ask(as_it_is, [case])] == ["verify"]
