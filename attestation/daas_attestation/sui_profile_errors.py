"""What Sui's `load_nitro_attestation` refuses, one class for each rule, with the abort code that a transaction shows.

Source: `sui::nitro_attestation` and crates.io `fastcrypto` 0.1.11, `src/nitro_attestation.rs`. Abort 1 means that the
document does not parse, abort 2 that it does not verify.
"""

from typing import ClassVar

from daas_attestation.errors import AttestationError

ABORT_PARSE = 1  # EParseError of sui::nitro_attestation
ABORT_VERIFY = 2  # EVerifyError


class SuiProfileError(AttestationError):
    """A rule of Sui's that a document breaks; never raised itself. `abort` is the code that Sui gives."""

    abort: ClassVar[int]

    def __init__(self, expected: str, actual: str) -> None:
        super().__init__(expected, f"{actual} (Sui aborts with code {self.abort})")


class SuiParseError(SuiProfileError):
    """Any rule of parsing; never raised itself."""

    abort = ABORT_PARSE


class SuiEncodingError(SuiParseError):
    """Not CBOR, even by the lenient reading of Sui's decoder."""

    check = "sui-cbor"


class SuiCoseError(SuiParseError):
    """Not a COSE_Sign1 of bytes, map, bytes and bytes, with sizes within Sui's limits."""

    check = "sui-cose"


class SuiHeaderError(SuiParseError):
    """The protected header does not decode to exactly {1: -35}."""

    check = "sui-header"


class SuiFieldError(SuiParseError):
    """A field of the payload is missing, of the wrong type or out of its bounds."""

    check = "sui-fields"


class SuiPcrError(SuiParseError):
    """The PCRs are too many, or one of them has an index, a length or a twin that Sui refuses."""

    check = "sui-pcrs"


class SuiVerifyError(SuiProfileError):
    """Any rule of verification; never raised itself."""

    abort = ABORT_VERIFY


class SuiSignatureError(SuiVerifyError):
    """The leaf's key did not sign the document, or the signature is not one."""

    check = "sui-signature"


class SuiLeafKeyError(SuiVerifyError):
    """The leaf's key is not a point of P-384."""

    check = "sui-leaf-key"


class SuiRootError(SuiVerifyError):
    """The anchor has no root certificate to stand where Sui has AWS's. Not Sui's rule: ours, for other anchors."""

    check = "sui-root"


class SuiCertificateError(SuiVerifyError):
    """A certificate that Sui's X.509 parser refuses."""

    check = "sui-certificate"


class SuiKeyUsageError(SuiVerifyError):
    """A CA without keyCertSign, or a leaf without digitalSignature."""

    check = "sui-key-usage"


class SuiAuthorityError(SuiVerifyError):
    """A certificate that signs without critical BasicConstraints that make it a CA, or a leaf that has them."""

    check = "sui-ca-flag"


class SuiPathLengthError(SuiVerifyError):
    """More CAs below a certificate than it allows."""

    check = "sui-path-length"


class SuiValidityError(SuiVerifyError):
    """The clock lies outside a certificate's validity."""

    check = "sui-validity"


class SuiIssuerError(SuiVerifyError):
    """A certificate whose issuer is not the subject above it, or of the pinned root."""

    check = "sui-issuer"


class SuiIssuedError(SuiVerifyError):
    """A certificate that the key above it, or the pinned root's, did not sign."""

    check = "sui-certificate-signature"
