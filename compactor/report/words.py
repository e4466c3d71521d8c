"""The words of `compactor.words`, which is by itself so that it loads without the reports."""

from ..words import *  # noqa: F403 (every one of them)
