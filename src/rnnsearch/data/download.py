"""Fetching one pinned file: mirrors in turn, retries, a checksum, and a file that is whole or not there."""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pooch
import requests

from rnnsearch.data.exclusive import exclusive
from rnnsearch.records.json_files import file_sha256

logger = logging.getLogger(__name__)

ROUNDS = 3
"""How often the list of mirrors is gone through."""
LARGEST = 1 << 28
"""Bytes of a download; the corpora that are fetched have a few million."""
PAUSE_SECONDS = 1.0
"""Wait before the second round; doubled before each later one."""


class WrongFile(ValueError):
    """A mirror served a file with another checksum."""


class NotServed(Exception):
    """A mirror does not have the file; asking again would not help."""


def fetch(urls: Sequence[str], *, sha256: str, folder: Path, name: str, remedy: str) -> Path:
    """The file `folder/name` with this SHA-256, downloaded from the first mirror that serves it whole.

    A file that is there already and whole is kept; a damaged one is fetched anew. Two processes may ask at once.
    `remedy` ends the message when all mirrors fail.

    Raises ValueError if a mirror served another file, FileNotFoundError if none could be reached, OSError without
    space on the disk.
    """
    path = folder / name
    with exclusive(path):
        if path.exists():
            if file_sha256(path) == sha256:
                return path
            logger.warning("%s is damaged (its SHA-256 is not %s); fetching it again", path, sha256)
        _from_mirrors(urls, sha256, path, remedy)
    return path


def _from_mirrors(urls: Sequence[str], sha256: str, path: Path, remedy: str) -> None:
    failures: dict[str, Exception] = {}
    for attempt in range(ROUNDS):
        for url in urls:
            if isinstance(failures.get(url), NotServed):
                continue
            try:
                _download(url, sha256, path)
            except (requests.RequestException, WrongFile, NotServed) as error:
                logger.warning("%s: %s", url, _reason(error))
                failures[url] = error
            else:
                return
        if all(isinstance(error, NotServed) for error in failures.values()):
            break
        if attempt < ROUNDS - 1:
            time.sleep(PAUSE_SECONDS * 2**attempt)
    reasons = "; ".join(f"{url}: {_reason(error)}" for url, error in failures.items()) or "no mirror is named"
    wrong = any(isinstance(error, WrongFile) for error in failures.values())
    raise (ValueError if wrong else FileNotFoundError)(f"{path.name} could not be downloaded ({reasons}); {remedy}")


def _download(url: str, sha256: str, path: Path) -> None:
    logger.info("downloading %s", url)
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file, contextlib.ExitStack() as answers:  # pooch leaves them open when it fails
            hooks = {"response": lambda response, **_: answers.enter_context(response)}
            pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), hooks=hooks)(url, _Bounded(file), None)
        got = file_sha256(part)
        if got != sha256:
            raise WrongFile(f"wrong file, SHA-256 expected {sha256}, got {got}")
        os.replace(part, path)
    except requests.HTTPError as error:
        raise _refusal(error) from error
    finally:
        part.unlink(missing_ok=True)


class _Bounded:
    """A file of at most `LARGEST` bytes, for pooch to write into."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, chunk: bytes) -> None:
        if self._file.tell() + len(chunk) > LARGEST:
            raise WrongFile(f"wrong file, it has more than {LARGEST:,} bytes")
        self._file.write(chunk)

    def flush(self) -> None:
        self._file.flush()


def _refusal(error: requests.HTTPError) -> Exception:
    response = error.response
    if response is None:
        return error
    answer = f"{response.status_code} {response.reason}"
    for_good = 400 <= response.status_code < 500 and response.status_code not in (408, 429)
    return NotServed(answer) if for_good else requests.HTTPError(answer)


def _reason(error: Exception) -> str:
    if isinstance(error, WrongFile | NotServed):
        return str(error)
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return str(error)
