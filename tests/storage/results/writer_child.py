"""A worker that puts results for ever, for tests that kill it: `python -m … URL SPOOL NAME`.

Prints the number of each record after `put` has returned.
"""

from __future__ import annotations

import sys
from pathlib import Path

from argus.storage.writer import ResultWriter
from tests.storage.results.examples import event, frame


def main() -> None:
    url, spool, name = sys.argv[1:]
    writer = ResultWriter(url, Path(spool))
    number = 0
    while True:
        writer.put([event(f"{name}-{number}", number), frame(number, number, run=name)])
        print(number, flush=True)
        number += 1


if __name__ == "__main__":
    main()
