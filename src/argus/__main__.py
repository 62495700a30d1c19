"""`python -m argus` is `argus`."""

from __future__ import annotations

from argus.cli.main import main

if __name__ == "__main__":
    main()
