"""The contract of runtimes, over the imagined one and over real processes."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tests.control.runtime.contract import ContractTests, World
from tests.control.runtime.worlds import imagined, real


class TestImagined(ContractTests):
    def world(self, folder: Path) -> AbstractAsyncContextManager[World]:
        return imagined()


class TestReal(ContractTests):
    def world(self, folder: Path) -> AbstractAsyncContextManager[World]:
        return real(folder)
