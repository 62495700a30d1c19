"""A process that writes batches into a store for ever, for tests that kill it: `python -m … URL NAME`.

Prints the number of each batch after `write` has returned.
"""

from __future__ import annotations

import asyncio
import sys

from argus.storage.opening import open_results
from tests.storage.results.examples import alert, event


async def main() -> None:
    url, name = sys.argv[1:]
    store = await open_results(url)
    number = 0
    while True:
        id_ = f"{name}-{number}"
        await store.write([event(id_, number), alert(id_, number, event=id_), event(f"{id_}-b", number)])
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    asyncio.run(main())
