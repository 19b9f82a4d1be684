"""Deletes what ended tasks leave also while nobody submits another one, such as after a crash of the machine."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool

from hilander.serving.background import in_background
from hilander.serving.jobs import Jobs

logger = logging.getLogger(__name__)

_SECONDS = 60.0


@contextlib.asynccontextmanager
async def tidying(jobs: Jobs) -> AsyncIterator[None]:
    """Tidy at once, and every minute; any worker does it for all of them."""
    async with in_background(_keep_tidying(jobs)):
        yield


async def _keep_tidying(jobs: Jobs) -> None:
    while True:
        try:
            await run_in_threadpool(jobs.tidy)
        except OSError as error:  # which may pass
            logger.warning("old tasks could not be deleted: %s", error)
        await asyncio.sleep(_SECONDS)
