"""Papers' files in an object store: S3, Google Cloud Storage, Azure, and what speaks like them.

Guarantee: as the protocol says: files are created by conditional requests, each of which is repeated for a while if the
server fails. Credentials are those of the environment, as the providers' own programs take them. Limit: loads obstore,
which starts threads: a process that uses it must not fork afterwards, and one that has awaited it must end with
`os._exit`, since those threads may still hold objects of Python.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NoReturn

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import from_url

from rpa_shard.store.artifacts import ArtifactStoreBusyError, ArtifactStoreError, StoredFile

# How long a request is repeated while the server fails or is not reached.
MAX_RETRIES, RETRY_SECONDS = 6, 20
_RETRIES: Any = {
    "max_retries": MAX_RETRIES,
    "retry_timeout": timedelta(seconds=RETRY_SECONDS),
    "backoff": {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=4), "base": 2},
}
_ENDPOINTS = ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL")
_BUSY = re.compile(r"status code: (429|5\d\d)\b")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_SECRET_NAMES = re.compile(r"(?i)(secret|token|signature|credential)[^\s,]*")


class ObjectStore:
    """The files below a URL."""

    def __init__(self, url: str) -> None:
        """Connects to nobody yet. Raises ArtifactStoreError for credentials or a URL that cannot be used."""
        self._url = url
        is_http = any(os.environ.get(name, "").startswith("http:") for name in _ENDPOINTS)
        options: Any = {
            "allow_http": is_http,
            "connect_timeout": timedelta(seconds=5),
            "timeout": timedelta(seconds=120),
        }
        try:
            self._store: Any = from_url(url, client_options=options, retry_config=_RETRIES)
        except (BaseError, ValueError) as error:
            raise ArtifactStoreError(f"{url}: {_first_line(error)}: see RPA_V2_ARTIFACTS") from None

    async def create(self, name: str, content: bytes) -> bool:
        try:
            await obstore.put_async(self._store, name, content, mode="create")
        except (AlreadyExistsError, PreconditionError):
            return False
        except (BaseError, OSError) as error:
            self._refused(error)
        return True

    async def read_now(self, name: str) -> bytes:
        """`read` for a loop. Raises FileNotFoundError."""
        try:
            return bytes(await (await obstore.get_async(self._store, name)).bytes_async())
        except (BaseError, OSError) as error:
            self._missing_or_refused(error)

    def read(self, name: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, name).bytes())
        except (BaseError, OSError) as error:
            self._missing_or_refused(error)

    def size(self, name: str) -> int:
        try:
            return int(obstore.head(self._store, name)["size"])
        except (BaseError, OSError) as error:
            self._missing_or_refused(error)

    def list(self, prefix: str = "") -> Iterator[StoredFile]:
        # obstore's own prefix means complete folders, and servers list what comes after a name.
        folder, after = prefix.rpartition("/")[0], prefix[:-1] or None
        try:
            for part in obstore.list(self._store, prefix=folder or None, offset=after):
                for each in part:
                    if each["path"].startswith(prefix):
                        yield StoredFile(each["path"], each["size"])
                    elif each["path"] > prefix:
                        return
        except (BaseError, OSError) as error:
            self._refused(error)

    def remove(self, name: str) -> None:
        try:
            obstore.delete(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            self._refused(error)

    def _missing_or_refused(self, error: Exception) -> NoReturn:
        if isinstance(error, NotFoundError | FileNotFoundError) and "NoSuchBucket" not in str(error):
            raise FileNotFoundError(str(error).partition("\n")[0]) from None
        self._refused(error)

    def _refused(self, error: Exception) -> NoReturn:
        """Raises ArtifactStoreError, with what to do."""
        kind = ArtifactStoreBusyError if _BUSY.search(str(error)) else ArtifactStoreError
        raise kind(f"{self._url}: {_advice(error)}") from None


def _advice(error: Exception) -> str:
    text = str(error)
    found = _CODE.search(text)
    code = f" ({found[1]})" if found else ""
    if "NoSuchBucket" in text or "ContainerNotFound" in text or isinstance(error, NotFoundError | FileNotFoundError):
        return f"no such bucket{code}: create it, or correct RPA_V2_ARTIFACTS"
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return f"access denied{code}: give this process keys that may read, write and list there"
    if "error sending request" in text or "timed out" in text:
        return "the object store is not reached: see the network, and the endpoint (AWS_ENDPOINT) if it is your own"
    return f"the object store fails{code}: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    """What an error says, without what may be secret."""
    return _SECRET_NAMES.sub("…", str(error).partition("\n")[0].partition("<?xml")[0])[:200]
