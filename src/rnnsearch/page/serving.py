"""The page on a port of this machine."""

import errno
import ipaddress
import logging
import socket

import uvicorn
from starlette.types import ASGIApp

from rnnsearch.page.checks import LOOPBACK
from rnnsearch.page.connections import BoundedConnection

PATIENCE = 5  # seconds that a running translation has when the page is stopped


def listen(host: str, port: int) -> socket.socket:
    """A socket that accepts connections already, though nothing answers them yet; port 0 is any free one.

    Raises:
        ValueError: if the number is not a port, or the port needs privileges.
        OSError: if the port is in use, or the host is not this machine's.
    """
    if type(port) is not int or not 0 <= port <= 65535:
        raise ValueError(f"port={port}: give a whole number from 1024 to 65535, or 0 for any free port")
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        raise _explained(error, host, port) from None


def _explained(error: OSError, host: str, port: int) -> OSError | ValueError:
    if error.errno == errno.EADDRINUSE:
        return OSError(f"port={port}: something else listens there already; choose another, or port=0 for any free one")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ValueError(f"port={port}: ports below 1024 need privileges; choose one from 1024 on, such as port=7860")
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return OSError(f"host={host}: not an address of this machine; give host=127.0.0.1, or host=0.0.0.0 for all")
    return OSError(f"host={host} port={port}: {(error.strerror or str(error)).lower()}")


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches it."""
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def address(listener: socket.socket) -> str:
    """The page's address, for a browser on this machine."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def hosts(listener: socket.socket, host: str) -> list[str]:
    """The names by which the page may be called: loopback's, the address that it listens on, and, if others reach it,
    the machine's own.
    """
    own = listener.getsockname()[0]
    names = [*LOOPBACK, host, f"[{own}]" if ":" in own else own]
    return list(dict.fromkeys(names if is_loopback(listener) else [*names, socket.gethostname(), socket.getfqdn()]))


def make_server(app: ASGIApp) -> uvicorn.Server:
    """The server, which answers on the sockets given to its ``run``, until an interrupt."""
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=PATIENCE,
    )
    return uvicorn.Server(config)
