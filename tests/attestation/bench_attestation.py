"""How long a document takes to make and to verify, and how many receipts a second. Run from the top of the repository:

    PYTHONPATH=tests .venv/bin/python tests/attestation/bench_attestation.py

Prints medians in ms of 300 runs each on one core: by the wall, and of the CPU time of this thread, which other work on
the machine does not stretch as much.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from daas_attestation.anchor import AwsAnchor
from daas_attestation.chain import ChainCache
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.document import parse_unverified
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import Expectation, judge, verify_document
from daas_protocol.ed25519 import FastVerifyKey
from daas_protocol.receipt import Intent, Receipt, from_header, sign, to_header, verify
from support.nitro_documents import BINDING, EXPECTED_BINDING, MEASUREMENT, NONCE, NOW_MS, PCRS, RECEIPT_KEY, Clock

RUNS = 300
RECEIPT_RUNS = 5000
REAL = Path(__file__).resolve().parents[2].parent / "shared/vectors/nitro/08-dstack-2025-12.cose"
REAL_NOW_MS = 1_766_668_537_578


def measure(name: str, run: Callable[[], object]) -> None:
    run()
    wall, cpu = [], []
    for _ in range(RUNS):
        started, cpu_started = time.perf_counter(), time.thread_time()
        run()
        cpu.append(time.thread_time() - cpu_started)
        wall.append(time.perf_counter() - started)
    print(f"{name:42} {median(wall) * 1e3:7.3f} {median(cpu) * 1e3:7.3f}")


def main() -> None:
    nsm = SimulatedNsm(DevelopmentCa.generate(NOW_MS), PCRS, Clock())
    expectation = Expectation(nsm.anchor, [MEASUREMENT], NONCE, EXPECTED_BINDING, 60_000, 5_000)
    user_data = BINDING.to_bcs()

    def attest() -> bytes:
        return nsm.attestation(nonce=NONCE, user_data=user_data, public_key=RECEIPT_KEY)

    document, cache = attest(), ChainCache()
    algorithm, key = ec.ECDSA(hashes.SHA384()), ec.generate_private_key(ec.SECP384R1())
    signature, public = key.sign(document, algorithm), key.public_key()
    print(f"{'ms':42} {'wall':>7} {'cpu':>7}")
    measure("one P-384 verification, for comparison", lambda: public.verify(signature, document, algorithm))
    measure("SimulatedNsm.attestation", attest)
    measure("parse only", lambda: parse_unverified(document))
    measure("verify simulated, cold", lambda: verify_document(document, expectation, NOW_MS))
    measure("verify simulated, chain cached", lambda: verify_document(document, expectation, NOW_MS, cache))
    if REAL.exists():
        real = REAL.read_bytes()
        loose = replace(expectation, anchor=AwsAnchor(), policies=None, nonce=None, binding=None)
        measure("verify real Nitro document, cold", lambda: verify_document(real, loose, REAL_NOW_MS))
        measure("verify real Nitro document, chain cached", lambda: verify_document(real, loose, REAL_NOW_MS, cache))
        measure("judge an expired one, cold", lambda: judge(real, loose, NOW_MS))
    receipts()


def receipts() -> None:
    """As the enclave makes them, to the value of the header, and as a gateway takes them from it."""
    key = Ed25519PrivateKey.generate()
    public = FastVerifyKey(key.public_key().public_bytes_raw())
    receipt = Receipt(bytes(32), bytes(16), 1, bytes(32), bytes(32), None, 200, bytes(32), 1000, bytes(32))
    header = to_header(sign(Intent.RECEIPT, NOW_MS, receipt.to_bcs(), key.sign))

    def made() -> str:
        return to_header(sign(Intent.RECEIPT, NOW_MS, receipt.to_bcs(), key.sign))

    def taken() -> None:
        message = from_header(header)
        verify(message, public)
        assert message.receipt() == receipt

    for name, run in (("receipts signed per second", made), ("receipts verified per second", taken)):
        cpu = []
        for _ in range(RECEIPT_RUNS):
            started = time.thread_time()
            run()
            cpu.append(time.thread_time() - started)
        print(f"{name:42} {'':7} {1 / median(cpu):7.0f}")


if __name__ == "__main__":
    main()
