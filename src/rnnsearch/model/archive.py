"""The file of a checkpoint: an archive whose SHA-256 stands at its end, judged before anything in it is parsed."""

import hashlib
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

MARK = b"rnnsearch sha256 "  # before the digest in the archive's comment, which is the end of the file
DIGITS = 64
CHUNK = 1 << 20  # bytes that are read at a time
BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, LookupError, ValueError, RuntimeError, OverflowError)


def sign(path: Path) -> None:
    """Put the digest of an archive at its end. What is in it stays where it is."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = MARK + b"0" * DIGITS
    with path.open("r+b") as file:
        digest = _digest(file)
        file.seek(-DIGITS, os.SEEK_END)
        file.write(digest)
        file.flush()
        os.fsync(file.fileno())


def check(path: Path) -> bool:
    """Whether an archive carries a digest. All of it agrees with that, or without one each entry with its checksum.

    Nothing is unpacked: entries lie in the file as they are, so that it can't become larger than it is.

    Raises:
        ValueError: if it is no such archive, or not as it was written.
    """
    if not path.is_file():
        raise ValueError(f"{path} can't be read as a checkpoint: it is no file")
    with path.open("rb") as file:  # what keeps it from being opened is told by the error itself
        try:
            with zipfile.ZipFile(file) as archive:
                _check_sizes(archive, path.stat().st_size)
                comment = archive.comment
                whole = comment == MARK + _digest(file) if comment else archive.testzip() is None
        except (*BROKEN, OSError):
            whole = False
    if not whole:
        raise ValueError(
            f"{path} can't be read as a checkpoint: it is truncated, foreign, or not as it was saved; "
            "take another of the run's, or a copy"
        )
    return bool(comment)


def _check_sizes(archive: zipfile.ZipFile, size: int) -> None:
    entries = archive.infolist()
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise zipfile.BadZipFile("a compressed entry, which train never writes")
    if sum(entry.file_size for entry in entries) > size:
        raise zipfile.BadZipFile("entries that are larger than the file")


def _digest(file: BinaryIO) -> bytes:
    """SHA-256, in hexadecimal, of a file up to the digest at its end."""
    digest, left = hashlib.sha256(), file.seek(0, os.SEEK_END) - DIGITS
    file.seek(0)
    while left > 0 and (chunk := file.read(min(CHUNK, left))):
        digest.update(chunk)
        left -= len(chunk)
    return digest.hexdigest().encode()
