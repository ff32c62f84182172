"""How long a document takes to make and to verify. Run from the top of the repository:

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

from daas_attestation.anchor import AwsAnchor
from daas_attestation.chain import ChainCache
from daas_attestation.development_ca import DevelopmentCa
from daas_attestation.document import parse_unverified
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import Expectation, verify_document
from support.nitro_documents import BINDING, EXPECTED_BINDING, MEASUREMENT, NONCE, NOW_MS, PCRS, RECEIPT_KEY, Clock

RUNS = 300
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


if __name__ == "__main__":
    main()
