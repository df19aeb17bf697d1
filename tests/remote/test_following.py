"""Who follows a run hears of each step when it is recorded, not when what started it says that something changed."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator

from bucket_place import Place

from somagent.workflows.engines.objects.driver import Address, Look
from somagent.workflows.engines.objects.following import Following


class OneProcess:
    """Begins all steps in one process, as a pod that they share; that is all it hears of until the process ends."""

    def __init__(self, place: Place, *steps: str) -> None:
        self._place, self._steps = place, " ".join(steps)
        self.process: subprocess.Popen[str] | None = None

    def address(self, run_id: str) -> Address:
        return Address("process", run_id)

    async def looks(self, run_id: str) -> AsyncIterator[Look]:
        self.process = self._place.start("group", self._steps)
        yield Look()
        await asyncio.to_thread(self.process.communicate, timeout=60)
        await asyncio.to_thread(self._place.do, "end")
        yield Look(over=True)


def test_a_step_that_shares_a_pod_is_told_of_while_the_others_are_at_work(tmp_path):
    place, told = Place(tmp_path), tmp_path / "told"
    place.submit(
        f"""\
    first: {{ script: {{ run: "true" }} }}
    second:
      needs: [first]
      script: {{ run: 'until [ -e {told} ]; do sleep 0.05; done' }}
      timeout: 20s
"""
    )
    driver = OneProcess(place, "first", "second")

    async def main():
        heard = []
        following = Following(place.ledger(), place.run, driver, lambda _: asyncio.sleep(0, {}), "")  # type: ignore[arg-type]
        async for event in following:
            if event.kind == "result":
                if event.key.step == "first":
                    assert driver.process is not None
                    assert driver.process.poll() is None
                    told.touch()
                heard.append((event.key.step, event.phase))
        return heard, following.phase

    assert asyncio.run(main()) == ([("first", "Succeeded"), ("second", "Succeeded")], "Succeeded")
