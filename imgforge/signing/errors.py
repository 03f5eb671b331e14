"""Why a key cannot be used or a signature does not count: one class for each reason."""

from __future__ import annotations

from imgforge.errors import IntegrityError, UsageError


class SigningKeyError(UsageError):
    """A key that the caller named cannot be read or used; the text never holds any of its bytes."""


class PassphraseError(SigningKeyError):
    """The passphrase does not open the private key."""


class SignatureError(IntegrityError):
    """A signature does not vouch for the image that it was offered for."""


class UnsignedError(SignatureError):
    """There is no signature of the wanted kind at all."""


class AbsentError(SignatureError):
    """A signature is listed, and its bytes are gone from the repository."""


class MalformedSignatureError(SignatureError):
    """A signature, payload, envelope, bundle or statement is not what its format says."""


class ChangedError(SignatureError):
    """The signature names a trusted key, and is not that key's signature of these bytes: one of them was changed."""


class WrongKeyError(SignatureError):
    """The signature was made with a key that is not trusted."""


class ExpiredKeyError(SignatureError):
    """The key that signed is trusted no longer."""


class EarlyKeyError(SignatureError):
    """The key that signed is not trusted yet."""


class ExpiredSignatureError(SignatureError):
    """The signer said until when the signature counts, and that is past."""


class OtherImageError(SignatureError):
    """The signature is a good one of another image."""


class WrongPredicateError(SignatureError):
    """The statement is a good one about this image that says something else than what was asked for."""
