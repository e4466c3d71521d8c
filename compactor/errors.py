"""The error tree. Every fatal error carries the exit code that the command line promises.

    CompactorError            1   anything not listed below
    |- ConfigError            2   configuration or usage
    |  '- NoSuchType          2   a column's type has no word in a catalog
    |- SourceError            3   an export is unreadable, incomplete or unknown
    |  |- ObjectUnreadable    3   one object of an export cannot be read
    |  '- SchemaDrift         3   the objects of a table do not fit together without loss
    |- StoreError             4   a store did not answer, or not as asked
    |  |- NotFound            4
    |  |- Denied              4   permissions, or a lock doing its work
    |  |- AlreadyExists       4   a create-only write met an object
    |  |- Changed             4   the object is not the one that was listed
    |  '- LockUnsupported     4   the store cannot lock, or the bucket does not have Object Lock
    |- VerificationFailed     5   raised by pipeline and cli from failed checks, never inside verify
    '- EvidenceError          6   the chain of evidence is broken, or cannot be continued
       '- SignatureError      6   evidence is not signed as expected

0 is "done" or "nothing to do"; 130 is "interrupted". A message says what happened, where, what was
expected and found, and what to do next. Errors cross process borders, so each takes exactly one
positional message and optional keyword fields.
"""

from __future__ import annotations


class CompactorError(Exception):
    exit_code = 1

    def __init__(self, message: str, *, key: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (type(self), self.message, self.key, self.hint))

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


def _rebuild(cls: type[CompactorError], message: str, key: str, hint: str) -> CompactorError:
    return cls(message, key=key, hint=hint)


class ConfigError(CompactorError):
    exit_code = 2


class NoSuchType(ConfigError):
    pass


class SourceError(CompactorError):
    exit_code = 3


class ObjectUnreadable(SourceError):
    pass


class SchemaDrift(SourceError):
    pass


class StoreError(CompactorError):
    exit_code = 4


class NotFound(StoreError):
    pass


class Denied(StoreError):
    pass


class AlreadyExists(StoreError):
    pass


class Changed(StoreError):
    pass


class LockUnsupported(StoreError):
    pass


class VerificationFailed(CompactorError):
    exit_code = 5


class EvidenceError(CompactorError):
    exit_code = 6


class SignatureError(EvidenceError):
    pass
