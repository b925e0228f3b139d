"""What Apollo raises. Messages are those of the command: where, what, expected, found, a hint.

Ctrl-C raises ``KeyboardInterrupt`` and SIGTERM ``SystemExit(143)``, both after a run was saved.
"""


class ApolloError(Exception):
    """Base of everything that Apollo raises on purpose."""


class ConfigError(ApolloError, ValueError):
    """A config with faults, all of them at once: ``config:4:1: error: unknown key 'lrr' ...``."""


class UsageError(ApolloError, ValueError):
    """A call that cannot be: an argument out of range, two arguments that exclude each other."""


class DataError(ApolloError):
    """Text, a dataset or a tokenizer that cannot be used."""


class CheckpointError(ApolloError):
    """A checkpoint that is damaged, incomplete or of another kind than asked for."""


class DivergedError(ApolloError):
    """A loss or gradient that is not finite. Nothing was updated."""


class TorchMismatchError(ApolloError, ImportError):
    """torch is missing, or is another than this package was built for."""
