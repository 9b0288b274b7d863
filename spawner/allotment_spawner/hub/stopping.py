"""How one session carries out an order to stop: at once if it runs, and instead of its start if it is starting."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

from traitlets.config import LoggingConfigurable

from allotment_profiles.model.problems import RefusedError
from allotment_spawner.session.errors import spawn_exception
from allotment_spawner.session.stop_order import StopOrder

T = TypeVar("T")
_PENDING, _LAST = "stop_order", "last_stop"


class StopOrderMixin(LoggingConfigurable):
    """Keeps the order of a session until the session has ended, also over restarts of the hub."""

    stop_order: StopOrder | None = None
    """Why the session has to end. A session that could not be stopped is tried again at each poll."""
    last_stop: StopOrder | None = None
    """The order that ended the last session, for the hub's pages until the next start."""
    stopping: asyncio.Future[Any] | None = None
    """Carries out the order."""

    _spawn_pending: bool
    """JupyterHub's own: whether somebody has asked for a start that has not ended."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ordered = asyncio.Event()
        self._ordered_at_start = False
        """Whether the order was given when a start had begun, which may not have been decided yet."""

    @property
    def images(self) -> frozenset[str]:
        """The image of the session, as written and, where it is known, with the digest that runs."""
        return frozenset()

    def order_stop(self, order: StopOrder) -> None:
        """Have the session end. The caller stores the state."""
        self.stop_order = order
        self._ordered_at_start = bool(self._spawn_pending)
        self._ordered.set()

    def _forget_order(self, *, ended_by_it: bool) -> None:
        if self.stop_order and ended_by_it:
            self.last_stop = self.stop_order
        self.stop_order = None
        self._ordered_at_start = False
        self._ordered.clear()

    def _session_ended(self, *, by_order: bool) -> None:
        """Forget the order with the session. JupyterHub clears the state before a start, too, which keeps its own."""
        if not (self._ordered_at_start and self._spawn_pending):
            self._forget_order(ended_by_it=by_order)

    def _require_no_order(self) -> None:
        """Raise RefusedError if an order was given since this start began. Forget the one for the session before."""
        if self.stop_order and self._ordered_at_start:
            raise RefusedError(self.stop_order.refusal)
        self._forget_order(ended_by_it=False)

    async def _unless_stopped(self, starting: Awaitable[T]) -> T:
        """Wait for the start. Raise SpawnException as soon as the session is to be stopped."""
        start, ordered = asyncio.ensure_future(starting), asyncio.ensure_future(self._ordered.wait())
        try:
            await asyncio.wait({start, ordered}, return_when=asyncio.FIRST_COMPLETED)
            if self.stop_order:
                raise spawn_exception(self.stop_order.refusal)
            return await start
        finally:
            start.cancel()
            ordered.cancel()
            await asyncio.gather(start, ordered, return_exceptions=True)

    def _load_orders(self, stored: Mapping[str, Any]) -> None:
        self.stop_order = StopOrder.from_state(stored.get(_PENDING))
        self.last_stop = StopOrder.from_state(stored.get(_LAST))

    def _orders_as_state(self) -> dict[str, Any]:
        orders = {_PENDING: self.stop_order, _LAST: self.last_stop}
        return {name: order.as_state() for name, order in orders.items() if order}
