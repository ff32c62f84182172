"""Promises of the protocol's parsers: one byte form for one value, the same frames however cut, named errors only."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from daas_enclave import sealing
from daas_protocol import binding, frames, log, log_stream, receipt
from daas_protocol.bcs import BcsError, Reader, Writer
from daas_protocol.ed25519 import FastVerifyKey
from fuzz import world
from fuzz.target import Choice, Target, golden, vectors

# --- BCS structures ---


def canonical(structure: Any, *errors: type[Exception]) -> Callable[[bytes], object]:
    """What `structure` accepts is the one form of its value."""

    def check(data: bytes) -> None:
        try:
            value = structure.from_bcs(data)
        except (BcsError, *errors):
            return
        assert value.to_bcs() == data, f"{structure.__name__} has two accepted forms"
        assert structure.from_bcs(value.to_bcs()) == value

    return check


def _sealed(data: bytes) -> None:
    try:
        header, head, ciphertext = sealing.split_blob(data)
    except sealing.MalformedBlob:
        return
    assert header.to_bcs() == head
    assert head + ciphertext == data, "a sealed blob has two accepted forms"


_READS = ("u8", "u16", "u32", "u64", "bool", "uleb", "bytes", "string")


def _primitives(data: bytes) -> None:
    """The first byte is a number of steps, then one byte for each: what to read from the rest, and to write again."""
    steps = data[1 : 1 + (data[0] if data else 0) % 16]
    rest = data[1 + len(steps) :]
    reader, writer = Reader(rest), Writer()
    try:
        for step in steps:
            name = _READS[step % len(_READS)]
            value = reader.string(64) if name == "string" else getattr(reader, name)()
            getattr(writer, name)(value)
        reader.end()
    except BcsError:
        return
    assert writer.finish() == rest, "a primitive has two accepted forms"


_BCS = Choice(
    (
        ("MailboxRef", canonical(receipt.MailboxRef)),
        ("Receipt", canonical(receipt.Receipt)),
        ("StreamReceipt", canonical(receipt.StreamReceipt)),
        ("TreeHead", canonical(log.TreeHead)),
        ("RequestBinding", canonical(binding.RequestBinding)),
        ("EnclaveBinding", canonical(binding.EnclaveBinding, binding.VersionError)),
        ("RequestAuth", canonical(binding.RequestAuth, binding.VersionError)),
        ("UpgradeClose", canonical(receipt.UpgradeClose)),
        ("LeafBatch", canonical(log_stream.LeafBatch)),
        ("LeafAck", canonical(log_stream.LeafAck)),
        ("sealed blob", _sealed),
        ("primitives", _primitives),
    )
)


def bcs_seeds() -> dict[str, bytes]:
    files = {
        "receipt": "Receipt",
        "stream_receipt": "StreamReceipt",
        "tree_head": "TreeHead",
        "request_binding": "RequestBinding",
        "enclave_binding": "EnclaveBinding",
        "request_auth": "RequestAuth",
        "leaf_batch": "LeafBatch",
        "leaf_ack": "LeafAck",
    }
    seeds = {
        vector: _BCS.seed(structure, data) for name, structure in files.items() for vector, data in golden(name).items()
    }
    context = sealing.SealContext(b"\x01" * 32, b"\x02" * 32, b"\x03" * 32, b"\x04" * 32, 7)
    blob = sealing.DevelopmentSealer(bytes(32), context, bytes).seal("cluster-pki", b"plaintext")
    return seeds | {
        "mailbox": _BCS.seed("MailboxRef", receipt.MailboxRef(1, 2, 3, b"\x05" * 32).to_bcs()),
        "mailbox without digest": _BCS.seed("MailboxRef", receipt.MailboxRef(1, 2, 3, None).to_bcs()),
        "close": _BCS.seed("UpgradeClose", receipt.UpgradeClose(1, 2).to_bcs()),
        "sealed": _BCS.seed("sealed blob", blob),
        "primitives": _BCS.seed("primitives", bytes((8, *range(8))) + bytes(15) + b"\x01\x80\x01\x02ab\x01c"),
    }


# --- receipts ---


@cache
def signed_messages() -> dict[str, bytes]:
    """Messages truly signed by the key of this world: the only ones that may verify."""
    intents = {
        "receipt": receipt.Intent.RECEIPT,
        "stream_receipt": receipt.Intent.STREAM_RECEIPT,
        "tree_head": receipt.Intent.TREE_HEAD,
    }
    return {
        vector: receipt.sign(intent, 1_800_000_000_000, data, world.receipt_key().sign).encode()
        for name, intent in intents.items()
        for vector, data in golden(name).items()
    }


@cache
def _signing_bytes() -> frozenset[bytes]:
    return frozenset(message[: -receipt.SIGNATURE_BYTES] for message in signed_messages().values())


def check_receipt(data: bytes) -> None:
    try:
        as_text = receipt.from_header(data.decode("latin-1"))
    except BcsError:
        pass
    else:
        assert receipt.to_header(as_text).encode() == data, "a header has two accepted forms"
        _check_message(as_text)
    try:
        message = receipt.SignedMessage.decode(data)
    except BcsError:
        return
    assert message.encode() == data, "a signed message has two accepted forms"
    assert receipt.from_header(receipt.to_header(message)) == message
    _check_message(message)


def _check_message(message: receipt.SignedMessage) -> None:
    for read in (message.receipt, message.stream_receipt):
        try:
            value = read()
        except (BcsError, receipt.IntentError):
            continue
        assert value.to_bcs() == message.payload, "a payload has two accepted forms"
    fast = FastVerifyKey(world.receipt_key().public_key().public_bytes_raw())
    verdicts = [_verifies(message, key) for key in (fast, world.receipt_key().public_key())]
    assert verdicts[0] == verdicts[1], "libsodium and OpenSSL judge differently"
    assert not verdicts[0] or message.signing_bytes() in _signing_bytes(), "verified what was never signed"


def _verifies(message: receipt.SignedMessage, key: Any) -> bool:
    try:
        receipt.verify(message, key)
    except receipt.ReceiptSignatureError:
        return False
    return True


def receipt_seeds() -> dict[str, bytes]:
    headers = {f"{name} as header": _header(message) for name, message in signed_messages().items()}
    return dict(signed_messages()) | headers


def _header(message: bytes) -> bytes:
    return receipt.to_header(receipt.SignedMessage.decode(message)).encode()


# --- frames ---


def _collect(decoder: Any, pieces: list[bytes], finish: bool) -> tuple[list[Any], type[Exception] | None]:
    """All that a decoder gives, and the class of the error it ends with."""
    found: list[Any] = []
    longest = 0
    try:
        for piece in pieces:
            found += decoder.feed(piece)
            longest = max(longest, decoder.pending)
        found += decoder.feed(b"")
        if finish:
            decoder.end()
    except frames.TruncatedFrameError as error:
        return found, type(error)
    except (frames.FrameError, log_stream.LogStreamError) as error:
        for _ in range(2):
            refused(type(error), lambda: decoder.feed(b"\x00"))
        return found, type(error)
    assert longest <= sum(map(len, pieces))
    return found, None


def _cut_anyhow(make: Callable[[], Any], encode: Callable[[Any], bytes], finish: bool) -> Callable[[bytes], object]:
    """The first byte is the size of the pieces. Whole and cut, a decoder gives the same, and it is what was sent."""

    def check(data: bytes) -> None:
        if not data:
            return
        size, rest = data[0] + 1, data[1:]
        pieces = [rest[start : start + size] for start in range(0, len(rest), size)]
        whole = _collect(make(), [rest], finish)
        assert _collect(make(), pieces, finish) == whole, "what a decoder gives depends on how the bytes were cut"
        encoded = b"".join(map(encode, whole[0]))
        assert rest.startswith(encoded), "a frame has two accepted forms"
        if whole[1] is None and finish:
            assert encoded == rest, "bytes were lost without an error"

    return check


def _close(payload: bytes) -> None:
    try:
        counts, message = frames.split_close(payload)
    except frames.FrameError:
        return
    assert frames.encode_close(counts, message) == frames.encode_pipe(frames.PipeType.CLOSE, payload)


_FRAMES = Choice(
    (
        ("frames", _cut_anyhow(frames.FrameDecoder, lambda frame: frames.encode_frame(*frame), True)),
        ("pipe", _cut_anyhow(frames.PipeDecoder, lambda frame: frames.encode_pipe(*frame), True)),
        ("leaf batches", _cut_anyhow(log_stream.leaf_batches, log_stream.encode_message, False)),
        ("leaf acks", _cut_anyhow(log_stream.leaf_acks, log_stream.encode_message, False)),
        ("close", _close),
    )
)


def frames_seeds() -> dict[str, bytes]:
    cut = b"\x06"
    whole = golden("frames")
    pipes = golden("pipe_frames")
    seeds = {name: _FRAMES.seed("frames", cut + data) for name, data in whole.items() if len(data) < 2048}
    seeds |= {name: _FRAMES.seed("pipe", cut + data) for name, data in pipes.items()}
    seeds |= {name: _FRAMES.seed("leaf batches", cut + data) for name, data in golden("leaf_batch", "framed").items()}
    seeds |= {name: _FRAMES.seed("leaf acks", cut + data) for name, data in golden("leaf_ack", "framed").items()}
    for name in ("frames", "pipe_frames"):
        for vector in vectors(name, "refused"):
            kind = name.removesuffix("_frames")
            seeds[f"refused {name} {vector['name']}"] = _FRAMES.seed(kind, cut + bytes.fromhex(vector["bytes"]))
    two = b"".join(data for data in whole.values() if len(data) < 256)
    last = bytes.fromhex(vectors("pipe_frames")[-1]["fields"]["payload"])
    return seeds | {"several": _FRAMES.seed("frames", cut + two), "close": _FRAMES.seed("close", last)}


def refused(error: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> None:
    """`call` must raise."""
    try:
        call()
    except error:
        return
    raise AssertionError("accepted what had to be refused")


TARGETS = {
    "bcs": Target(_BCS.check, bcs_seeds, 6144),
    "receipt": Target(check_receipt, receipt_seeds, 6144),
    "frames": Target(_FRAMES.check, frames_seeds, 6144),
}
