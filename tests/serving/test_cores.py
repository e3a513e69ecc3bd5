"""The engine's threads come from physical cores and the container's quota, read as the kernel writes them."""

from pathlib import Path

import pytest

from serving import cores
from serving.cores import engine_processors, numbers, quota


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four processors on two cores, as an instance with two hardware threads a core shows them."""
    for processor in range(4):
        put(
            tmp_path / f"sys/devices/system/cpu/cpu{processor}/topology/core_cpus_list",
            f"{processor % 2},{processor % 2 + 2}\n",
        )
    monkeypatch.setattr(cores, "usable_processors", lambda: {0, 1, 2, 3})
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_one_processor_of_each_physical_core_computes(machine: Path) -> None:
    assert engine_processors(machine) == [0, 1]


def test_older_kernels_name_siblings_otherwise(machine: Path) -> None:
    for path in machine.glob("sys/devices/system/cpu/cpu*/topology/core_cpus_list"):
        path.rename(path.with_name("thread_siblings_list"))
    assert engine_processors(machine) == [0, 1]


def test_processors_that_this_process_may_not_use_do_not_count(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_processors", lambda: {2, 3})
    assert engine_processors(machine) == [2, 3]


def test_machine_that_does_not_tell_counts_each_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable_processors", lambda: {0, 1})
    assert engine_processors(tmp_path) == [0, 1]


@pytest.mark.parametrize(
    ("limit", "computing"), [("max 100000", 2), ("150000 100000", 1), ("50000 100000", 1), ("200000 100000", 2)]
)
def test_quota_of_a_container_bounds_the_threads(machine: Path, limit: str, computing: int) -> None:
    put(machine / "proc/self/cgroup", "0::/\n")
    put(machine / "sys/fs/cgroup/cpu.max", f"{limit}\n")
    assert len(engine_processors(machine)) == computing


def test_strictest_cgroup_on_the_way_up_counts(machine: Path) -> None:
    put(machine / "proc/self/cgroup", "0::/pod/container\n")
    put(machine / "sys/fs/cgroup/pod/container/cpu.max", "max 100000\n")
    put(machine / "sys/fs/cgroup/pod/cpu.max", "100000 100000\n")
    assert quota(machine) == 1


def test_first_version_of_cgroups_is_read_too(machine: Path) -> None:
    put(machine / "proc/self/cgroup", "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n")
    put(machine / "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us", "100000\n")
    put(machine / "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us", "100000\n")
    assert quota(machine) == 1


def test_no_quota_in_the_first_version_is_minus_one(machine: Path) -> None:
    put(machine / "proc/self/cgroup", "3:cpu:/\n")
    put(machine / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    put(machine / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    assert quota(machine) == 0


@pytest.mark.parametrize(("text", "expected"), [("0", {0}), ("0-2,8\n", {0, 1, 2, 8}), ("1,3", {1, 3})])
def test_ranges_are_read_as_the_kernel_writes_them(text: str, expected: set[int]) -> None:
    assert numbers(text) == expected
