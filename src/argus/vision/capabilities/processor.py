"""The processor and the memory: which precision is fast here, and how much of the machine is ours."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from argus.core.allowance import core_share, memory_bytes
from argus.vision.capabilities.finding import Finding

_BF16 = ("amx_bf16", "avx512_bf16", "bf16", "svebf16")
_INT8 = ("amx_int8", "avx512_vnni", "avx_vnni", "asimddp", "i8mm")
_SHOWN = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx_vnni": "AVX-VNNI",
    "avx512_bf16": "AVX-512 BF16",
    "amx_bf16": "AMX BF16",
    "amx_int8": "AMX INT8",
    "asimddp": "DOT",
    "i8mm": "I8MM",
    "bf16": "BF16",
}


@dataclass(frozen=True, slots=True)
class Processor:
    """What the kernel says of the processor."""

    model: str
    cores: float
    """What this process may use: its affinity, or the quota of its container."""
    flags: frozenset[str]

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that run faster than `f32` here, the fastest first, then `f32`."""
        fast = []
        if self.flags & set(_INT8):
            fast.append("int8")
        if self.flags & set(_BF16):
            fast.append("bf16")
        return (*fast, "f32")

    @property
    def features(self) -> tuple[str, ...]:
        """The instruction sets that matter to inference, by the names people know."""
        return tuple(shown for flag, shown in _SHOWN.items() if flag in self.flags)


def read_processor(proc: Path = Path("/proc")) -> Processor:
    """Return what is known of the processor; without `/proc` little is."""
    facts = _cpuinfo(proc / "cpuinfo")
    # A virtual machine may call itself `unknown`; arm kernels name no model at all.
    model = facts.get("model name") or facts.get("hardware") or platform.processor() or platform.machine()
    flags = facts.get("flags") or facts.get("features") or ""
    return Processor(" ".join(model.split()), core_share(proc), frozenset(flags.split()))


def _cpuinfo(proc: Path) -> Mapping[str, str]:
    try:
        lines = proc.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def look_at_processor() -> Iterator[Finding]:
    """Yield the processor and the memory."""
    cpu = read_processor()
    fast = [precision for precision in cpu.precisions if precision != "f32"]
    features = ", ".join(cpu.features) or "no vector extensions known"
    yield Finding(
        "system",
        "processor",
        "ok",
        f"{cpu.model}, {cpu.cores:g} core{'s' if cpu.cores != 1 else ''} for Argus",
        data={"model": cpu.model, "cores": cpu.cores},
    )
    yield Finding(
        "system",
        "precisions",
        "ok",
        f"fast here: {', '.join(fast)} ({features})" if fast else f"f32 only is fast here ({features})",
        data={"fast": list(cpu.precisions), "features": list(cpu.features)},
    )
    memory = memory_bytes()
    if memory is not None:
        total, free = memory
        short = free < 1_000_000_000
        yield Finding(
            "system",
            "memory",
            "missing" if short else "ok",
            f"{total / 1e9:.1f} GB, {free / 1e9:.1f} GB free",
            remedy="close other programs: a detector at 640 pixels wants about 1 GB" if short else None,
            data={"total_bytes": total, "available_bytes": free},
        )
