"""Connections that are bounded in number and in time: a slow client takes nothing from the others.

uvicorn itself waits for ever for a request that stays incomplete, and for a client that does not read its answer.
"""

import asyncio
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

SECONDS = 15.0  # for a request to be complete, and for an answer to be taken
CONNECTIONS = min(500, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)  # each takes a file descriptor


class BoundedConnection(H11Protocol):
    """A connection that ends when its client takes too long, or is the slowest of too many.

    It waits for its client while a request is incomplete, an answer is not taken, or nothing is asked; not while the
    page works.
    """

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's
        """Make room if there are too many."""
        super().connection_made(transport)
        self._follow()
        if len(self.connections) > CONNECTIONS:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Take what came; unless the request is complete now, the clock runs on."""
        super().data_received(data)
        self._follow()

    def on_response_complete(self) -> None:
        """Turn to the client's next request."""
        super().on_response_complete()
        self._follow()

    def pause_writing(self) -> None:
        """The client reads more slowly than the answer is written."""
        super().pause_writing()
        self._follow()

    def resume_writing(self) -> None:
        """The client has caught up."""
        super().resume_writing()
        self._follow()

    def connection_lost(self, exc: Exception | None) -> None:
        """There is nothing to wait for any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _follow(self) -> None:
        """The clock runs while the client must do something, and starts anew after the page has worked."""
        if self._works():
            self._stop_waiting()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(SECONDS, self._end)

    def _works(self) -> bool:
        """Whether a request is complete and unanswered, and the client takes what is written."""
        is_whole = self.conn.their_state not in (h11.IDLE, h11.SEND_BODY, h11.ERROR)
        is_unanswered = self.cycle is not None and not self.cycle.response_complete
        return is_whole and is_unanswered and not self.flow.write_paused

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _end(self) -> None:
        self._stop_waiting()
        self.transport.abort()

    def _make_room(self) -> None:
        """End the connection that has waited longest for its client."""
        deadlines = {
            connection: connection._deadline.when()
            for connection in self.connections
            if isinstance(connection, type(self)) and connection._deadline
        }
        if deadlines:
            min(deadlines, key=deadlines.__getitem__)._end()
