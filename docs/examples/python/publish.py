import asyncio

import somagent


async def main() -> None:
    async with somagent.Runs() as runs:
        run = await runs.start("words.capsule.yaml", {"text": "one two", "publish": True}, submitter="ana")
        async for event in run:
            print(event.kind, event.key.step, event.phase, event.message)
        await run.approve("agree", by="bo", comment="good words")
        result = await run.result()
        print(result.check().outputs["words"])


asyncio.run(main())
