"""The campaign's FOLIO: its state before a load, its faults, and the verdict on a run."""

from __future__ import annotations

import random
from pathlib import Path

from faults import by_hand, oracle, schedule, surprises, verdict, world
from faults.campaign import Figures
from faults.load import Stage
from faults.schedule import Schedule
from faults.world import FOLIO_TENANT, World
from patronload.connections import Connection
from sandbox.folio import FolioServer, FolioTenant, Store


class FolioGround(FolioServer):
    """A FOLIO for a campaign; see load.Ground."""

    def __init__(self) -> None:
        super().__init__([FolioTenant(FOLIO_TENANT)])

    @property
    def account(self) -> Connection:
        """The account that `FolioTenant` has by default."""
        return Connection("campaign_folio", host=self.url, login="loader", password="Loader-pass-1")

    def lay(self, world: World, folder: Path) -> Schedule:  # noqa: ARG002 - FOLIO needs no patron ledger
        """The users of the world, and its faults."""
        store = Store()
        world.fill(store)
        chance = random.Random(world.seed * 7919 + 1)
        store.users.wanders = chance.random() < 0.5  # noqa: PLR2004 - in every second run
        self.faults.clear()
        self.journal.clear()
        self.stores[FOLIO_TENANT] = store
        self.faults.late_seconds = world.late_seconds
        tenant = self.tenants[FOLIO_TENANT]
        tenant.token_seconds = 600.0
        requests = 1 + len(world.rows) // world.chunk_size  # the plan sends an empty import before the chunks
        return schedule.arm(chance, self.faults, tenant, 1 + requests)

    def after_plan(self, world: World) -> None:
        """Librarians edit users."""
        world.edit(self.stores[FOLIO_TENANT])

    def heal(self) -> None:
        """Remove all faults; tokens no longer expire."""
        self.faults.clear()
        self.tenants[FOLIO_TENANT].token_seconds = 600.0


def world_of(seed: int) -> World:
    """The data of a run, with what its plan cannot know and whom people added by hand."""
    return by_hand.add(surprises.add(world.make(seed)))


def one(stage: Stage[World], seed: int) -> Figures:
    """The verdict on one run."""
    ground = stage.ground
    assert isinstance(ground, FolioGround)
    made = world_of(seed)
    fresh = Store()
    made.fill(fresh)
    expected = oracle.expect(made.edited(), fresh)
    made.duplicates = oracle.twins(made)
    before = verdict.Before(made.edited())
    done = stage.take(made)
    store = ground.store(FOLIO_TENANT)
    wrong = verdict.complaints(made, expected, before, store, done, ground.imports)
    figures = done.figures(seed, wrong, len(ground.imports), len(store.orphans["permission_users"]))
    return figures._replace(conditions=surprises.conditions(made))
