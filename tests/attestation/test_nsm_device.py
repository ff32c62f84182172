"""What goes to the kernel and what comes back, byte for byte, with a double in place of the ioctl."""

import ctypes
import errno
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_attestation import cbor, nsm_wire
from daas_attestation.anchor import AwsAnchor
from daas_attestation.nsm import Nsm, NsmDescription, NsmError, NsmErrorCode, PcrNsm, PcrState
from daas_attestation.nsm_device import IOCTL_RAW, NsmDevice
from daas_attestation.simulated import SimulatedNsm
from daas_attestation.verify import verify_document
from support.nitro_documents import BINDING, NONCE, NOW_MS, PCRS, RECEIPT_KEY, World

# A machine that is busy with other tests must not fail these.
unhurried = settings(deadline=None)

# The kernel's own request and the head of the answer it compares with (drivers/misc/nsm.c).
GET_RANDOM = bytes.fromhex("6947657452616e646f6d")
GET_RANDOM_HEAD = bytes.fromhex("a16947657452616e646f6da16672616e646f6d")


class Kernel:
    """The driver's half of the ioctl: copies the request out, the answer in, and its length into the message."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self.answer = answer
        self.requests: list[bytes] = []
        self.commands: set[int] = set()
        self.descriptors: set[int] = set()
        self.busy = threading.Lock()

    def __call__(self, descriptor: int, command: int, message: bytearray) -> int:
        assert self.busy.acquire(blocking=False), "two requests share the buffers"
        try:
            assert len(message) == 32
            request_at, request_length, response_at, response_length = struct.unpack("=QQQQ", message)
            assert request_length <= 0x1000
            assert response_length == 0x3000
            request = ctypes.string_at(request_at, request_length)
            self.requests.append(request)
            self.commands.add(command)
            self.descriptors.add(descriptor)
            answer = self.answer(request)[:response_length]
            ctypes.memmove(response_at, answer, len(answer))
            struct.pack_into("=Q", message, 24, len(answer))
            return 0
        finally:
            self.busy.release()


@pytest.fixture
def device_file(tmp_path: Path) -> str:
    path = tmp_path / "nsm"
    path.touch()
    return str(path)


@pytest.fixture
def device_over(device_file: str) -> Iterator[Callable[..., tuple[NsmDevice, Kernel]]]:
    opened: list[NsmDevice] = []

    def build(answer: bytes | Callable[[bytes], bytes]) -> tuple[NsmDevice, Kernel]:
        kernel = Kernel(answer if callable(answer) else lambda _: answer)
        opened.append(NsmDevice(device_file, ioctl=kernel))
        return opened[-1], kernel

    yield build
    for device in opened:
        device.close()


Build = Callable[..., tuple[NsmDevice, Kernel]]


def code(call: Callable[[], object]) -> NsmErrorCode:
    with pytest.raises(NsmError) as caught:
        call()
    return caught.value.code


def test_the_command_number_is_the_headers() -> None:
    # _IOWR(0x0A, 0x0, struct nsm_raw) with two pairs of __u64: direction 3, size 32, magic 0x0A, number 0.
    assert IOCTL_RAW == 0xC0200A00


def test_it_is_an_nsm_under_aws_root(device_over: Build) -> None:
    device, _ = device_over(b"")
    nsm: Nsm = device
    pcrs: PcrNsm = device
    assert nsm.anchor == pcrs.anchor == AwsAnchor()


def test_get_random_is_the_kernels_own_request_repeated_until_enough(device_over: Build) -> None:
    entropy = bytes(range(256))
    device, kernel = device_over(GET_RANDOM_HEAD + b"\x59\x01\x00" + entropy)
    assert device.random(600) == entropy + entropy + entropy[:88]
    assert kernel.requests == [GET_RANDOM] * 3
    assert kernel.commands == {0xC0200A00}
    assert len(kernel.descriptors) == 1
    assert device.random(0) == b""
    assert len(kernel.requests) == 3


def test_entropy_without_an_end_is_not_waited_for(device_over: Build) -> None:
    device, _ = device_over(GET_RANDOM_HEAD + b"\x40")
    assert code(lambda: device.random(1)) is NsmErrorCode.INVALID_RESPONSE


# The requests as serde writes the API's enum (src/api/mod.rs): the variant's name, or a map from it to its fields.
@pytest.mark.parametrize(
    ("call", "request_hex", "answer"),
    [
        (
            lambda device: device.attestation(nonce=b"\x01", user_data=None, public_key=b"\x02\x03"),
            "a16b4174746573746174696f6ea369757365725f64617461f6656e6f6e636541016a7075626c69635f6b6579420203",
            {"Attestation": {"document": b"doc"}},
        ),
        (lambda device: device.describe_pcr(3), "a16b4465736372696265504352a165696e64657803", None),
        (
            lambda device: device.extend_pcr(16, b"\xaa"),
            "a169457874656e64504352a265696e64657810646461746141aa",
            {"ExtendPCR": {"data": bytes(48)}},
        ),
        (lambda device: device.lock_pcr(24), "a1674c6f636b504352a165696e6465781818", "LockPCR"),
        (lambda device: device.lock_pcrs(17), "a1684c6f636b50435273a16572616e676511", "LockPCRs"),
    ],
)
def test_requests_are_the_documented_bytes(
    device_over: Build, call: Callable[[NsmDevice], object], request_hex: str, answer: cbor.CborValue
) -> None:
    answer = {"DescribePCR": {"lock": True, "data": bytes(48)}} if answer is None else answer
    device, kernel = device_over(cbor.encode(answer))
    call(device)
    assert kernel.requests == [bytes.fromhex(request_hex)]


def test_a_description_is_read_also_with_integers_of_fixed_width(device_over: Build) -> None:
    # As an emulated module writes it (QEMU, hw/virtio/virtio-nsm.c): 8-bit integers, each in two bytes where serde
    # would use one.
    fields = b"".join(
        (
            cbor.encode("digest") + cbor.encode("SHA384"),
            cbor.encode("max_pcrs") + b"\x18\x20",
            cbor.encode("module_id") + cbor.encode("i-1234-enc5678"),
            cbor.encode("locked_pcrs") + b"\x83\x18\x00\x18\x01\x02",
            cbor.encode("version_major") + b"\x18\x01",
            cbor.encode("version_minor") + b"\x19\x00\x00",
            cbor.encode("version_patch") + b"\x00",
        )
    )
    device, kernel = device_over(b"\xa1" + cbor.encode("DescribeNSM") + b"\xa7" + fields)
    assert device.describe() == NsmDescription("i-1234-enc5678", (1, 0, 0), 32, frozenset((0, 1, 2)), "SHA384")
    assert kernel.requests == [b"\x6bDescribeNSM"]


def test_a_pcr_is_read_with_its_lock(device_over: Build) -> None:
    device, _ = device_over(cbor.encode({"DescribePCR": {"lock": False, "data": b"\x05" * 48}}))
    assert device.describe_pcr(20) == PcrState(b"\x05" * 48, False)


@pytest.mark.parametrize("error", list(NsmErrorCode))
def test_every_error_of_the_api_arrives_by_its_name(device_over: Build, error: NsmErrorCode) -> None:
    device, _ = device_over(cbor.encode({"Error": error.value}))
    for call in (
        lambda: device.random(1),
        device.describe,
        lambda: device.attestation(nonce=None, user_data=None, public_key=None),
        lambda: device.describe_pcr(0),
        lambda: device.extend_pcr(16, b""),
        lambda: device.lock_pcr(16),
        lambda: device.lock_pcrs(1),
    ):
        assert code(call) is error


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\xff",
        cbor.encode("DescribeNSM"),
        cbor.encode({"GetRandom": {"random": b"x"}}),
        cbor.encode({"Attestation": {}}),
        cbor.encode({"Attestation": {"document": "text"}}),
        cbor.encode({"Attestation": {"document": b""}}),
        cbor.encode({"Attestation": b"doc"}),
        cbor.encode({"Attestation": {"document": b"doc"}, "Error": "InternalError"}),
        cbor.encode({"Attestation": {"document": b"doc"}}) + b"\0",
        cbor.encode({"Attestation": {"document": b"doc"}})[:-1],
    ],
)
def test_answers_to_something_else_are_refused(device_over: Build, answer: bytes) -> None:
    device, _ = device_over(answer)
    attest = lambda: device.attestation(nonce=None, user_data=None, public_key=None)  # noqa: E731
    assert code(attest) is NsmErrorCode.INVALID_RESPONSE


def test_unknown_errors_are_errors(device_over: Build) -> None:
    for name in ("Success", "NewError", 5, None):
        device, _ = device_over(cbor.encode({"Error": name}))
        assert code(lambda device=device: device.random(1)) is NsmErrorCode.INTERNAL_ERROR  # type: ignore[misc]


@unhurried
@given(st.binary(max_size=120))
def test_no_answer_makes_anything_but_an_nsm_error(answer: bytes) -> None:
    for decode in (
        nsm_wire.decode_random,
        nsm_wire.decode_attestation,
        nsm_wire.decode_pcr,
        nsm_wire.decode_extend,
        nsm_wire.decode_description,
        lambda data: nsm_wire.decode_plain(nsm_wire.LOCK_PCR, data),
    ):
        try:
            decode(answer)
        except NsmError:
            continue


def test_what_is_too_large_never_reaches_the_kernel(device_over: Build) -> None:
    device, kernel = device_over(b"")
    for call in (
        lambda: device.attestation(nonce=bytes(513), user_data=None, public_key=None),
        lambda: device.attestation(nonce=None, user_data=bytes(513), public_key=None),
        lambda: device.attestation(nonce=None, user_data=None, public_key=bytes(1025)),
        lambda: device.extend_pcr(16, bytes(4069)),
    ):
        assert code(call) is NsmErrorCode.INPUT_TOO_LARGE
    assert code(lambda: device.describe_pcr(1 << 16)) is NsmErrorCode.INVALID_INDEX
    assert kernel.requests == []


def test_the_largest_requests_fit(device_over: Build) -> None:
    device, kernel = device_over(cbor.encode({"ExtendPCR": {"data": bytes(48)}}))
    device.extend_pcr(31, bytes(4068))
    assert len(kernel.requests[0]) == nsm_wire.REQUEST_MAX_BYTES
    assert len(nsm_wire.attestation_request(bytes(512), bytes(512), bytes(1024))) <= nsm_wire.REQUEST_MAX_BYTES
    assert len(kernel.requests[0]) <= nsm_wire.REQUEST_MAX_BYTES


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.EMSGSIZE, NsmErrorCode.INPUT_TOO_LARGE), (errno.ETIMEDOUT, NsmErrorCode.INTERNAL_ERROR)],
)
def test_errors_of_the_kernel_are_nsm_errors(device_over: Build, number: int, expected: NsmErrorCode) -> None:
    def fail(_: bytes) -> bytes:
        raise OSError(number, "")

    device, _ = device_over(fail)
    assert code(lambda: device.random(1)) is expected


def test_nothing_of_an_answer_stays_in_the_shared_buffers(device_over: Build) -> None:
    device, _ = device_over(GET_RANDOM_HEAD + b"\x44\xde\xad\xbe\xef")
    assert device.random(4) == b"\xde\xad\xbe\xef"
    assert not any(device._response.raw)
    assert not any(device._request.raw)


def test_requests_from_several_threads_take_turns(device_over: Build) -> None:
    device, kernel = device_over(GET_RANDOM_HEAD + b"\x41\x01")
    threads = [threading.Thread(target=device.random, args=(200,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(kernel.requests) == 800


def test_without_a_device_the_error_says_where_there_is_one(tmp_path: Path) -> None:
    with pytest.raises(NsmError, match="only inside a Nitro enclave"):
        NsmDevice(str(tmp_path / "none"))


def test_a_closed_device_is_closed(device_over: Build) -> None:
    device, kernel = device_over(b"")
    device.close()
    device.close()
    assert code(lambda: device.random(1)) is NsmErrorCode.INTERNAL_ERROR
    assert kernel.requests == []


def test_a_file_that_is_no_device_is_refused_by_the_real_ioctl(device_file: str) -> None:
    pytest.importorskip("fcntl")
    device = NsmDevice(device_file)
    with pytest.raises(NsmError, match="GetRandom: InternalError"):
        device.random(1)
    device.close()


def test_device_and_simulation_answer_alike(device_over: Build, world: World) -> None:
    device, _ = device_over(lambda request: _served(world.nsm, request))
    assert device.describe() == world.nsm.describe()
    assert device.extend_pcr(16, b"x") == world.nsm.describe_pcr(16).value
    device.lock_pcr(16)
    device.lock_pcrs(18)
    assert device.describe_pcr(16) == world.nsm.describe_pcr(16)
    assert device.describe().locked_pcrs == frozenset(range(18))
    for call in (lambda: device.extend_pcr(0, b"x"), lambda: device.lock_pcr(16)):
        assert code(call) is NsmErrorCode.READ_ONLY_INDEX
    data = device.attestation(nonce=NONCE, user_data=BINDING.to_bcs(), public_key=RECEIPT_KEY)
    verified = verify_document(data, world.expectation, NOW_MS)
    assert {index: verified.pcrs[index] for index in PCRS} == PCRS
    assert len(device.random(32)) == 32


def _served(nsm: SimulatedNsm, request: bytes) -> bytes:
    try:
        return cbor.encode(_answered(nsm, cbor.decode(request)))
    except NsmError as error:
        return cbor.encode({"Error": error.code.value})


def _answered(nsm: SimulatedNsm, request: cbor.CborValue) -> cbor.CborValue:
    match request:
        case "GetRandom":
            return {"GetRandom": {"random": nsm.random(256)}}
        case "DescribeNSM":
            description = nsm.describe()
            major, minor, patch = description.version
            return {
                "DescribeNSM": {
                    "version_major": major,
                    "version_minor": minor,
                    "version_patch": patch,
                    "module_id": description.module_id,
                    "max_pcrs": description.max_pcrs,
                    "locked_pcrs": [index for index in range(32) if index in description.locked_pcrs],
                    "digest": description.digest,
                }
            }
        case {"DescribePCR": {"index": int(index)}}:
            state = nsm.describe_pcr(index)
            return {"DescribePCR": {"lock": state.locked, "data": state.value}}
        case {"ExtendPCR": {"index": int(index), "data": bytes(data)}}:
            return {"ExtendPCR": {"data": nsm.extend_pcr(index, data)}}
        case {"LockPCR": {"index": int(index)}}:
            nsm.lock_pcr(index)
            return "LockPCR"
        case {"LockPCRs": {"range": int(count)}}:
            nsm.lock_pcrs(count)
            return "LockPCRs"
        case {"Attestation": {"user_data": user_data, "nonce": nonce, "public_key": public_key}}:
            document = nsm.attestation(nonce=nonce, user_data=user_data, public_key=public_key)  # type: ignore[arg-type]
            return {"Attestation": {"document": document}}
    raise AssertionError(request)
