"""Promises of Sui keys and signatures, checked against vectors that others made."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from daas_protocol import sui

# Sui Improvement Proposal 15, "Test Cases" (also sui's keytool tests): suiprivkey, private key, address.
SIP_15 = [
    (
        "suiprivkey1qzwant3kaegmjy4qxex93s0jzvemekkjmyv3r2sjwgnv2y479pgsywhveae",
        "9dd9ae36ee51b912a0364c58c1f21333bcdad2d91911aa127226c512be285102",
        "0x90f3e6d73b5730f16974f4df1d3441394ebae62186baf83608599f226455afa7",
    ),
    (
        "suiprivkey1qrh2sjl88rze74hwjndw3l26dqyz63tea5u9frtwcsqhmfk9vxdlx8cpv0g",
        "eea84be738c59f56ee94dae8fd5a68082d4579ed38548d6ec4017da6c5619bf3",
        "0xfd233cd9a5dd7e577f16fa523427c75fbc382af1583c39fdf1c6747d2ed807a3",
    ),
    (
        "suiprivkey1qzg73qyvfz0wpnyectkl08nrhe4pgnu0vqx8gydu96qx7uj4wyr8gcrjlh3",
        "91e8808c489ee0cc99c2edf79e63be6a144f8f600c7411bc2e806f7255710674",
        "0x81aaefa4a883e72e8b6ccd3bec307e25fe3d79b14e43b778695c55dcec42f4f0",
    ),
]
# Made with the Sui command line, as quoted in OpenDive/sui-py, tests/test_ed25519.py: public key, address.
SUI_CLI = [
    (
        "UdGRWooy48vGTs0HBokIis5NK+DUjiWc9ENUlcfCCBE=",
        "0xd77a6cd55073e98d4029b1b0b8bd8d88f45f343dad2732fc9a7965094e635c55",
    ),
    (
        "0PTAfQmNiabgbak9U/stWZzKc5nsRqokda2qnV2DTfg=",
        "0x7e8fd489c3d3cd9cc7cbcc577dc5d6de831e654edd9997d95c412d013e6eea23",
    ),
    (
        "6L/l0uhGt//9cf6nLQ0+24Uv2qanX/R6tn7lWUJX1Xk=",
        "0x3a1b4410ebe9c3386a429c349ba7929aafab739c277f97f32622b971972a14a2",
    ),
]
# Made with Mysten's sui-sdk-types and ed25519-dalek: gemwallet/core, crates/signer/src/lib.rs,
# test_sui_sign_personal_message.
PERSONAL_SEED = bytes.fromhex("1e9d38b5274152a78dff1a86fa464ceadc1f4238ca2c17060c3c507349424a34")
PERSONAL_MESSAGE = b"Hello, world!"
PERSONAL_SIGNATURE = base64.b64decode(
    "ALmKZNcvdmYgYloqKMAq7eSw5neV1mSEKfZProHEh8Ddw+6aJvLpuViFqZCHqwKd"
    "CqtzN8a+7jIDQSxbvmt04QDTaUUhl8KlZIHl4tPovwPeI0n2emMVGVaCIgjCM0re4g=="
)
KEY = Ed25519PrivateKey.from_private_bytes(PERSONAL_SEED)


@pytest.mark.parametrize(("text", "seed", "address"), SIP_15)
def test_private_key_strings_and_addresses_of_sip_15(text: str, seed: str, address: str) -> None:
    assert sui.decode_suiprivkey(text).hex() == seed
    assert sui.encode_suiprivkey(bytes.fromhex(seed)) == text
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    assert sui.format_address(sui.address_of(key.public_key().public_bytes_raw())) == address


@pytest.mark.parametrize(("public_key", "address"), SUI_CLI)
def test_addresses_of_the_sui_command_line(public_key: str, address: str) -> None:
    assert sui.format_address(sui.address_of(base64.b64decode(public_key))) == address


def test_a_personal_message_signed_by_another_implementation() -> None:
    assert sui.sign_personal_message(KEY, PERSONAL_MESSAGE) == PERSONAL_SIGNATURE
    address = sui.verify_personal_message(PERSONAL_MESSAGE, PERSONAL_SIGNATURE)
    assert address == sui.address_of(KEY.public_key().public_bytes_raw())


@given(st.integers(0, 97 * 8 - 1))
@settings(max_examples=200, deadline=None)
def test_no_bit_of_a_signature_can_be_changed(bit: int) -> None:
    changed = bytearray(PERSONAL_SIGNATURE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises((sui.SuiSignatureError, sui.SuiSchemeError)):
        sui.verify_personal_message(PERSONAL_MESSAGE, bytes(changed))


def test_another_message_or_a_transaction_digest_is_refused() -> None:
    with pytest.raises(sui.SuiSignatureError):
        sui.verify_personal_message(PERSONAL_MESSAGE + b"\n", PERSONAL_SIGNATURE)
    signature = b"\x00" + KEY.sign(PERSONAL_MESSAGE) + KEY.public_key().public_bytes_raw()
    with pytest.raises(sui.SuiSignatureError):
        sui.verify_personal_message(PERSONAL_MESSAGE, signature)


@pytest.mark.parametrize(
    ("flag", "name"),
    [
        (1, "Secp256k1"),
        (2, "Secp256r1"),
        (3, "MultiSig"),
        (4, "BLS12-381"),
        (5, "zkLogin"),
        (6, "Passkey"),
        (9, "unknown scheme 9"),
    ],
)
def test_other_schemes_are_refused_by_name(flag: int, name: str) -> None:
    with pytest.raises(sui.SuiSchemeError, match=name) as caught:
        sui.verify_personal_message(PERSONAL_MESSAGE, bytes((flag,)) + bytes(97))
    assert (caught.value.expected, caught.value.actual) == ("Ed25519", name)


@pytest.mark.parametrize("length", [0, 1, 64, 96, 98, 1000])
def test_signatures_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(sui.SuiSignatureError):
        sui.verify_personal_message(PERSONAL_MESSAGE, bytes(length))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0x2", "00" * 31 + "02"), ("0x" + "Ab" * 32, "ab" * 32), ("0xabc", "00" * 30 + "0abc"), ("0x0", "00" * 32)],
)
def test_addresses_are_padded_on_the_left(text: str, expected: str) -> None:
    assert sui.parse_address(text).hex() == expected
    assert sui.format_address(sui.parse_address(text)) == "0x" + expected


@pytest.mark.parametrize(
    "text", ["", "0x", "2", "0X2", "0x" + "0" * 65, "0xg", " 0x2", "0x2\n", "0x 2", "0x+2", "0x1_2", "0x٢"], ids=ascii
)
def test_other_texts_are_no_address(text: str) -> None:
    with pytest.raises(sui.SuiAddressError):
        sui.parse_address(text)


@given(st.binary(min_size=32, max_size=32))
def test_private_key_strings_read_back(seed: bytes) -> None:
    assert sui.decode_suiprivkey(sui.encode_suiprivkey(seed)) == seed


@given(st.data())
@settings(max_examples=300)
def test_a_mistyped_private_key_string_is_refused_and_not_shown(data: st.DataObject) -> None:
    text = SIP_15[0][0]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7lbio1QA é").filter(lambda c: c != text[place]))
    wrong = text[:place] + letter + text[place + 1 :]
    with pytest.raises((sui.SuiPrivateKeyError, sui.SuiSchemeError)) as caught:
        sui.decode_suiprivkey(wrong)
    assert wrong[12:] not in str(caught.value)


def test_other_private_key_strings_are_refused() -> None:
    text = SIP_15[0][0]
    for wrong in ("", "suiprivkey1", text[:-1], text + "q", text.upper(), "0x" + SIP_15[0][1], text * 2):
        with pytest.raises(sui.SuiPrivateKeyError):
            sui.decode_suiprivkey(wrong)


def test_valid_bech32_of_another_content_is_refused() -> None:
    with pytest.raises(sui.SuiSchemeError, match="Secp256k1"):  # sui-rust-sdk knows such keys, DaaS does not
        sui.decode_suiprivkey(bech32(b"\x01" + bytes(32)))
    for content in (b"", b"\x00", b"\x00" + bytes(31), b"\x00" + bytes(33)):
        with pytest.raises(sui.SuiPrivateKeyError):
            sui.decode_suiprivkey(bech32(content))


def bech32(data: bytes) -> str:
    """Any bytes under the right prefix with a right checksum."""
    words = sui._to_words(data)
    checksum = sui._polymod(sui._expanded_prefix() + words + [0] * 6) ^ 1
    words += [checksum >> 5 * (5 - place) & 31 for place in range(6)]
    return "suiprivkey1" + "".join(sui._CHARSET[word] for word in words)


def test_lengths_are_checked_when_writing() -> None:
    for call in (sui.address_of, sui.format_address, sui.encode_suiprivkey):
        with pytest.raises(ValueError):
            call(bytes(31))
    longest = bytes(sui.MAX_PERSONAL_MESSAGE_BYTES)
    assert sui.verify_personal_message(longest, sui.sign_personal_message(KEY, longest))
    with pytest.raises(sui.SuiSignatureError):
        sui.verify_personal_message(bytes(sui.MAX_PERSONAL_MESSAGE_BYTES + 1), PERSONAL_SIGNATURE)


@pytest.mark.parametrize("key", [b"\x01" + bytes(31), bytes(32)], ids=["neutral", "order 4"])
def test_nobody_can_speak_for_a_small_order_key(key: bytes) -> None:
    """Found by fuzzing: OpenSSL takes these keys, and under the neutral one the same signature fits every message."""
    for number in range(16):
        for r in (b"\x01" + bytes(31), bytes(32)):
            with pytest.raises(sui.SuiSignatureError):
                sui.verify_personal_message(b"message %d" % number, b"\x00" + r + bytes(32) + key)
