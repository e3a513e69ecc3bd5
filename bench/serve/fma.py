"""How many multiply-adds a second the processor can do at most, measured: a loop of nothing else, in machine code.

Written byte by byte, so that no compiler is needed, for x86-64 with AVX2 or AVX-512; elsewhere there is no answer.
"""

import ctypes
import mmap
import platform
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

ACCUMULATORS = 12
"""Independent sums, so that none waits for its own last result: two units of four cycles want at least eight."""
FACTOR_REGISTER, TERM_REGISTER = 14, 15
FACTOR, TERM = 0.5, 0.25
CALIBRATION_TURNS = 2_000_000
REPEATS = 3


class NoPeakError(Exception):
    """There is no loop for this processor."""


def vector_floats(flags: set[str], machine: str) -> int:
    """How many floats one instruction handles here."""
    if machine.lower() not in {"x86_64", "amd64"}:
        raise NoPeakError(f"the loop is written for x86-64 and this is {machine}")
    if "avx512f" in flags:
        return 16
    if {"avx2", "fma"} <= flags:
        return 8
    raise NoPeakError("this processor has no fused multiply-add")


def machine_code(floats: int) -> bytes:
    """void loop(long turns, float *memory): memory[0], memory[1] in, the first sum's lanes out at memory + 64."""
    wide = floats == 16  # noqa: PLR2004 (lanes of 512 bits)
    code = bytearray()
    code += _load(FACTOR_REGISTER, 0, wide) + _load(TERM_REGISTER, 4, wide)
    for register in range(ACCUMULATORS):
        code += _vector(0x57, (register,) * 3, wide=wide, opcodes=1, prefix=0)  # vxorps: start from zero
    top = len(code)
    for register in range(ACCUMULATORS):
        code += _vector(0xB8, (register, FACTOR_REGISTER, TERM_REGISTER), wide=wide, opcodes=2, prefix=1)  # vfmadd231ps
    code += b"\x48\xff\xcf"  # dec rdi
    code += b"\x0f\x85" + struct.pack("<i", top - (len(code) + 6))  # jnz top
    code += b"\x62\xf1\x7c\x48\x11\x46\x01" if wide else b"\xc5\xfc\x11\x46\x40"  # vmovups [rsi + 64], sum 0
    code += b"\xc5\xf8\x77\xc3"  # vzeroupper; ret
    return bytes(code)


def _vector(opcode: int, registers: tuple[int, int, int], *, wide: bool, opcodes: int, prefix: int) -> bytes:
    """Three registers in EVEX (512 bits) or VEX (256 bits): `opcodes` is the table, `prefix` 1 stands for 0x66."""
    target, one, other = registers
    high_target, high_other = target < 8, other < 8  # noqa: PLR2004 (stored inverted: 1 for the first eight registers)
    between = (~one & 0xF) << 3
    modrm = 0xC0 | (target & 7) << 3 | other & 7
    if wide:
        first = high_target << 7 | 1 << 6 | high_other << 5 | 1 << 4 | opcodes
        return bytes([0x62, first, between | 1 << 2 | prefix, 0x48, opcode, modrm])
    first = high_target << 7 | 1 << 6 | high_other << 5 | opcodes
    return bytes([0xC4, first, between | 1 << 2 | prefix, opcode, modrm])


def _load(register: int, offset: int, wide: bool) -> bytes:
    """vbroadcastss register, [rsi + offset]: one float in every lane."""
    modrm = 0x40 | (register & 7) << 3 | 6
    if wide:
        return bytes([0x62, (register < 8) << 7 | 0x72, 0x7D, 0x48, 0x18, modrm, offset // 4])  # noqa: PLR2004
    return bytes([0xC4, (register < 8) << 7 | 0x62, 0x7D, 0x18, modrm, offset])  # noqa: PLR2004


class Loop:
    """The loop in executable memory, callable by several threads at once: ctypes lets go of Python's lock."""

    def __init__(self, floats: int) -> None:
        self.floats = floats
        self._memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        self._memory.write(machine_code(floats))
        self._anchor = ctypes.c_char.from_buffer(self._memory)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_long, ctypes.c_void_p)
        self._call: Callable[[int, object], None] = kind(ctypes.addressof(self._anchor))

    def run(self, turns: int) -> list[float]:
        """The lanes of the first sum, which must be turns x FACTOR x TERM, and so proves that the work was done."""
        memory = (ctypes.c_float * 32)(FACTOR, TERM)
        self._call(turns, ctypes.addressof(memory))
        return list(memory[16 : 16 + self.floats])

    def flops(self, turns: int) -> int:
        return turns * ACCUMULATORS * self.floats * 2


def processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line.split(":")[1].split() for line in lines if line.startswith("flags")), []))


def peak_flops(threads: int, seconds: float = 0.3) -> float:
    """Floating-point operations a second of so many threads side by side; the best of a few tries."""
    loop = Loop(vector_floats(processor_flags(), platform.machine()))
    loop.run(CALIBRATION_TURNS)
    start = time.perf_counter()
    loop.run(CALIBRATION_TURNS)
    turns = max(1, int(CALIBRATION_TURNS * seconds / (time.perf_counter() - start)))
    return max(_once(loop, turns, threads) for _ in range(REPEATS))


def _once(loop: Loop, turns: int, threads: int) -> float:
    barrier = threading.Barrier(threads + 1)

    def work() -> None:
        barrier.wait()
        loop.run(turns)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    barrier.wait()
    start = time.perf_counter()
    for worker in workers:
        worker.join()
    return loop.flops(turns) * threads / (time.perf_counter() - start)
