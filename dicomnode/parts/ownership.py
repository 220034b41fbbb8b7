"""How a process comes to own its part of a store whose tables it knows."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from dicomnode.backup import refuse_unfinished_restore
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import ROLES, Role, StoreInUse, StoreLock
from dicomnode.store.upgrade import plan_upgrade, upgrade_database

logger = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.1
_SAY_AFTER_S = 2.0
"""A part that starts at the same moment is soon done."""
PATIENCE_S = 60.0
"""How long a part waits for another that runs migrations, or still runs on older tables."""


def own(
    settings: NodeSettings, roles: Collection[Role] = ROLES, patience_s: float = PATIENCE_S
) -> StoreLock:
    """Own roles on a store, with the tables of this software's version.

    Whoever starts while nobody else runs brings the tables to that version; a part that starts
    beside others waits until they are of it.

    Parameters
    ----------
    settings : NodeSettings
    roles : collection of Role
    patience_s : float

    Returns
    -------
    StoreLock
        To be released.

    Raises
    ------
    StoreInUse
        Another process has one of the roles, or migrations wait and another part runs all the
        while.
    dicomnode.backup.NotRestored
        A restore was broken off.
    dicomnode.store.upgrade.UpgradeError
        The tables cannot be brought to the version of this software.
    """
    lock = StoreLock(settings.store.path, roles)
    whole = set(roles) == set(ROLES)
    try:
        if whole:
            lock.acquire()
            _bring_up(settings)
        else:
            lock.acquire_roles()
            _join(lock, settings, patience_s)
    except BaseException:
        lock.release()
        raise
    return lock


def _bring_up(settings: NodeSettings) -> None:
    refuse_unfinished_restore(settings.store.path)
    upgrade_database(settings.store.url, settings.store.copies)


def _join(lock: StoreLock, settings: NodeSettings, patience_s: float) -> None:
    """Use the store beside others, once its tables are right."""
    begun, said = time.monotonic(), False
    while True:
        if lock.take_alone():
            _bring_up(settings)
            lock.share()
            return
        waiting = "another part, a restore or an upgrade has it alone"
        if lock.take_shared():
            refuse_unfinished_restore(settings.store.path)
            plan = plan_upgrade(settings.store.url, settings.store.copies)
            if not plan.waiting:
                return
            lock.give_back()
            waiting = (
                f"its tables are of version {plan.found}, this software needs {plan.newest}, and "
                "another part of the node runs: stop all parts, and start them again"
            )
        waited_s = time.monotonic() - begun
        if waited_s > patience_s:
            raise StoreInUse(f"{settings.store.path} cannot be used: {waiting}")
        if waited_s > _SAY_AFTER_S and not said:
            logger.warning("store.waits reason=%s", waiting)
            said = True
        time.sleep(_LOOK_EVERY_S)
