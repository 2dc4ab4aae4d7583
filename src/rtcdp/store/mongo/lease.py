"""The right to write to a store on MongoDB: a part of the head, checked by every decision."""

from rtcdp.store.contract import Lease
from rtcdp.store.mongo.connection import MongoDatabase
from rtcdp.store.mongo.head import HEAD, PROGRESS, Head, check_lease, read_head
from rtcdp.store.mongo.layout import integer
from rtcdp.store.sql.lease import refuse_held


def take_lease(
    database: MongoDatabase, holder: str, now_ms: int, ttl_ms: int, over: int | None
) -> Lease:
    """Give the lease to `holder`, in a store that is there.

    Raises `LeaseHeld` while another one's lasts and `over` is not its token.
    """
    while True:
        held = (read_head(database) or Head()).lease
        if held is not None and held.holder != holder and held.token != over:
            refuse_held(held, now_ms)
        lease = Lease(1 if held is None else held.token + 1, holder, now_ms + ttl_ms)
        as_it_was = {"lease": None} if held is None else {"lease.token": integer(held.token)}
        fields = {name: integer(v) if isinstance(v, int) else v for name, v in vars(lease).items()}
        taken = database.collection(PROGRESS).update_one(
            {"_id": HEAD, **as_it_was}, {"$set": {"lease": fields}}
        )
        if taken.matched_count:
            return lease


def prolong_lease(database: MongoDatabase, lease: Lease, expires_at: int) -> None:
    """Let a lease last until `expires_at` (UTC ms). Raises `LeaseLost`."""
    prolonged = database.collection(PROGRESS).update_one(
        {"_id": HEAD, "lease.token": integer(lease.token)},
        {"$set": {"lease.expires_at": integer(expires_at)}},
    )
    if not prolonged.matched_count:
        check_lease(read_head(database) or Head(), lease)
