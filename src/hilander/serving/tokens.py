"""Bearer tokens, of which only hashes are kept; ``python -m hilander.serving.tokens NAME`` makes one."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
import sys
import textwrap
from pathlib import Path

import yaml

from hilander.serving.configuration import Security, load_configuration

logger = logging.getLogger(__name__)

_N_BYTES = 32  # tokens are random, so that a fast hash is as hard to reverse as a slow one


class Tokens:
    """The callers who are let in, read anew when the configuration changes.

    Parameters
    ----------
    security : Security
    path : Path or None
        The file that they came from.
    """

    def __init__(self, security: Security, path: Path | None = None) -> None:
        self._security, self._path = security, path
        self._seen = self._stamp()

    def __repr__(self) -> str:
        return f"Tokens({', '.join(token.name for token in self._security.tokens)})"

    def current(self) -> Security:
        """Return what holds now; a file that became unreadable lets nobody in until it is mended."""
        stamp = self._stamp()
        if self._path is not None and stamp != self._seen:
            self._seen = stamp
            try:
                self._security = load_configuration(self._path).security
                logger.info("tokens were read anew: %r", self)
            except Exception as error:  # whatever is wrong with the file: who was let in before is no longer
                self._security = Security()
                logger.error("no token is accepted until the configuration is mended: %s", error)
        return self._security

    def owner(self, token: str) -> str | None:
        """Return the name of a token's owner, or None; takes as long for a wrong token as for a right one."""
        digest = token_digest(token)
        owner = None
        for known in self.current().tokens:
            if hmac.compare_digest(known.sha256, digest):
                owner = known.name
        return owner

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat() if self._path is not None else None
        except OSError:
            return None
        # Clocks of file systems tick slowly: a file that is emptied and then written has one time for both.
        return (stat.st_mtime_ns, stat.st_ino, stat.st_size) if stat is not None else None


def token_digest(token: str) -> str:
    """Return the SHA-256 of a token, as the configuration keeps it."""
    return hashlib.sha256(token.encode()).hexdigest()


def main() -> None:
    """Print a new token, once, and the lines for ``serving.yaml`` that let its owner in."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit("usage: python -m hilander.serving.tokens NAME")
    token = secrets.token_urlsafe(_N_BYTES)
    print(f"token, for its owner alone: {token}")
    print("below security.tokens of serving.yaml (take out the [] that stands there while nobody has one):")
    # As YAML, in which a bare 42 is a number and a colon begins a block: one such line would lock all callers out.
    lines = yaml.safe_dump(
        [{"name": sys.argv[1], "sha256": token_digest(token)}], sort_keys=False, allow_unicode=True, width=math.inf
    )
    print(textwrap.indent(lines, "    "), end="")


if __name__ == "__main__":
    main()
