"""What the Move sources must say, and no compiler checks.

Invariant: a signature under an enclave's receipt key is judged in one place, which only `verify_current` and
`verify_recorded` reach; a signature under a worker's status key in one other.
"""

import re
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "move" / "daas" / "sources"
ED25519 = re.compile(r"\bed25519_verify\s*\(")
ANY_VERIFIER = re.compile(r"\b(?:ecdsa_k1|ecdsa_r1|bls12381|ecvrf|groth16|secp256\w*|ed25519)\b")
FUNCTION = re.compile(r"^(?:public(?:\(package\))? |entry )*fun (\w+)", re.MULTILINE)


def code_of(name: str) -> str:
    """A module without its comments and string literals."""
    text = (SOURCES / f"{name}.move").read_text()
    return re.sub(r'//[^\n]*|b"(?:[^"\\]|\\.)*"', "", text)


def functions_of(code: str) -> dict[str, str]:
    """Text of each function by its name, up to the next one."""
    starts = list(FUNCTION.finditer(code))
    ends = [match.start() for match in starts[1:]] + [len(code)]
    return {match[1]: code[match.start() : end] for match, end in zip(starts, ends, strict=True)}


def callers(code: str, call: re.Pattern[str]) -> list[str]:
    """Names of the functions with such a call, once for each."""
    return [name for name, text in functions_of(code).items() for _ in call.finditer(text)]


def test_ed25519_is_verified_once_in_enclave_and_once_in_slashing() -> None:
    found = {path.stem: len(ED25519.findall(code_of(path.stem))) for path in SOURCES.glob("*.move")}
    assert {name: count for name, count in found.items() if count} == {"enclave": 1, "slashing": 1}


def test_no_other_module_uses_a_signature_scheme() -> None:
    users = {path.stem for path in SOURCES.glob("*.move") if ANY_VERIFIER.search(code_of(path.stem))}
    assert users == {"enclave", "slashing"}


def test_an_enclave_s_signature_is_judged_through_verify_current_and_verify_recorded_only() -> None:
    code = code_of("enclave")
    assert callers(code, ED25519) == ["verify"]
    assert callers(code, re.compile(r"(?<!fun )\bverify\s*\(")) == ["verify_current", "verify_recorded"]
    assert re.search(r"^fun verify\(", code, re.MULTILINE), "verify must stay private"


def test_a_worker_s_signature_is_judged_in_one_function() -> None:
    assert callers(code_of("slashing"), ED25519) == ["worker_statement"]


def test_callers_are_found_by_function() -> None:
    code = "fun one(a: u8) {\n    ed25519_verify(a);\n}\n\npublic(package) fun two() { ed25519_verify (1); x() }\n"
    assert callers(code, ED25519) == ["one", "two"]
    assert callers(code, re.compile(r"\bx\(")) == ["two"]
