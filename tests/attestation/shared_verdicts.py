"""The verdict on every shared Nitro document, as a Markdown table. Run from the top of the repository:

    .venv/bin/python tests/attestation/shared_verdicts.py

Each is judged under AWS's root, with no policy, nonce or age: one second before the window of its certificates, at its
own timestamp, and one second after the window; then by Sui's rules. The checks that failed are named, in order.
"""

from pathlib import Path

from daas_attestation.anchor import AwsAnchor, DevelopmentAnchor
from daas_attestation.chain import verify_chain
from daas_attestation.document import parse_unverified
from daas_attestation.errors import AttestationError
from daas_attestation.moment import utc_seconds_text, utc_text
from daas_attestation.sui_profile import judge_sui
from daas_attestation.verdict import Outcome, Verdict
from daas_attestation.verify import Expectation, judge

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "vectors" / "nitro"
MAX_SKEW_MS = 60_000
OTHERWISE_MS = 1_766_668_537_578
"""When to judge what cannot be read: the time of the document 08, before whose trailing bytes neg-21 is the same."""


def said(verdict: Verdict) -> str:
    failed = ", ".join(check.name for check in verdict.checks if check.outcome is Outcome.FAILED)
    return "accepted" if verdict.accepted else f"refused: {failed}"


def row(path: Path) -> tuple[str, ...]:
    data = path.read_bytes()
    strict = Expectation(AwsAnchor(), None, None, None, None, MAX_SKEW_MS)
    try:
        document = parse_unverified(data)
    except AttestationError:
        always = said(judge(data, strict, OTHERWISE_MS))
        return (
            path.name,
            f"at {utc_text(OTHERWISE_MS)}",
            always,
            always,
            always,
            said(judge_sui(data, AwsAnchor(), OTHERWISE_MS)),
        )
    at = document.timestamp_ms
    own_root = DevelopmentAnchor(document.cabundle[0])
    window = verify_chain(document.certificate, document.cabundle, own_root, at)
    moments = (window.not_before_s * 1000 - 1000, at, (window.not_after_s + 1) * 1000)
    before, now, after = (said(judge(data, strict, moment)) for moment in moments)
    shown = f"{utc_seconds_text(window.not_before_s)} .. {utc_seconds_text(window.not_after_s)}"
    return (path.name, f"{shown}, at {utc_text(at)}", before, now, after, said(judge_sui(data, AwsAnchor(), at)))


def main() -> None:
    if not FOLDER.is_dir():
        raise SystemExit("the real documents are not here: they lie beside the repository, in ../shared/vectors")
    print("| document | window | one second before | at its timestamp | one second after | profile sui |")
    print("|---|---|---|---|---|---|")
    for path in sorted((*FOLDER.glob("*.cose"), *FOLDER.glob("*.bin"))):
        print(f"| {' | '.join(row(path))} |")


if __name__ == "__main__":
    main()
