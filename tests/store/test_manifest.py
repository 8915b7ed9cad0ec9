"""What a manifest says of its machine: two of one name may still round otherwise."""

import pytest

from labelbench_plus.store import manifest
from labelbench_plus.submission.machines import same_machine

EPYC = {"model name": "AMD EPYC", "vendor_id": "AuthenticAMD", "model": "1", "flags": "fpu avx avx2 fma"}


@pytest.fixture
def on(monkeypatch):
    """The machine that has such a first processor."""

    def found(about):
        monkeypatch.setattr(manifest, "_cpuinfo", lambda: about)
        manifest.machine.cache_clear()
        return {**manifest.machine("cpu"), "code": {"commit": "c" * 40, "dirty": None}}

    yield found
    manifest.machine.cache_clear()


def test_processors_of_one_name_are_told_apart_by_what_decides_the_last_bit(on):
    here = on(EPYC)
    assert here["cpu"] == "AMD EPYC" and same_machine(here, on(EPYC))
    for other in ({"model": "17"}, {"flags": "fpu avx avx2 fma avx512f"}, {"cache size": "1024 KB"}):
        there = on({**EPYC, **other})
        assert there["cpu"] == "AMD EPYC" and not same_machine(here, there), other
    assert same_machine(here, on({**EPYC, "flags": "avx avx2 fma hypervisor", "cpu MHz": "2000"}))
    assert not same_machine(here, {name: value for name, value in here.items() if name != "cpu_kind"})


def test_a_system_that_says_nothing_of_its_processor_has_a_kind_too(on):
    assert on({})["cpu_kind"] == on({})["cpu_kind"]
    assert on({"Processor": "ARMv8"})["cpu"] == "unknown"
