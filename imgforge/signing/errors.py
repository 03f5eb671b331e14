"""Errors for unusable keys and invalid signatures, one class for each reason."""

from __future__ import annotations

from imgforge.errors import IntegrityError, UsageError


class SigningKeyError(UsageError):
    """A key cannot be read or used. Messages never include key bytes."""


class PassphraseError(SigningKeyError):
    """The passphrase does not open the private key."""


class SignatureError(IntegrityError):
    """A signature is not valid for the image."""


class UnsignedError(SignatureError):
    """The image has no signature of the requested kind."""


class AbsentError(SignatureError):
    """A signature is listed, but its blob is missing from the repository."""


class MalformedSignatureError(SignatureError):
    """A signature, payload, envelope, bundle or statement does not follow its format."""


class ChangedError(SignatureError):
    """The signature names a trusted key but does not verify with it: the signature or the signed bytes were changed."""


class WrongKeyError(SignatureError):
    """The signature was made with an untrusted key."""


class ExpiredKeyError(SignatureError):
    """The signing key has expired."""


class EarlyKeyError(SignatureError):
    """The signing key is not valid yet."""


class ExpiredSignatureError(SignatureError):
    """The signature has expired, according to its annotation."""


class OtherImageError(SignatureError):
    """The signature is valid, but for another image."""


class WrongPredicateError(SignatureError):
    """The statement is valid and about this image, but of another predicate type than requested."""
