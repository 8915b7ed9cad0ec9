import errno

from labelbench_plus.running.failures import facts_of, group, kind_of
from labelbench_plus.store.atomic import TemporaryLost


def test_whose_fault_an_error_is():
    class OutOfMemoryError(RuntimeError):
        pass

    assert kind_of(OSError(errno.ENOSPC, "No space left on device")) == "infra"
    assert kind_of(OSError(errno.ESTALE, "Stale file handle")) == "infra"
    assert kind_of(ConnectionResetError()) == "infra"
    assert kind_of(RuntimeError("CUDA error: uncorrectable ECC error encountered")) == "infra"
    assert kind_of(RuntimeError("CUDA error: device-side assert triggered")) == "code"
    assert kind_of(FileNotFoundError(errno.ENOENT, "no such file")) == "code"
    assert kind_of(OutOfMemoryError("CUDA out of memory")) == "resources"
    assert kind_of(TemporaryLost(errno.ESTALE, "somebody removed what was being written")) == "infra"
    assert kind_of(RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")) == "infra"
    wrapped = ValueError("cannot be kept")
    wrapped.__cause__ = OSError(errno.EDQUOT, "Disk quota exceeded")
    assert kind_of(wrapped) == "infra"


def test_the_deepest_line_of_a_plugin_is_where_it_happened():
    try:
        int("x")
    except ValueError as error:
        facts = facts_of(error)
    assert facts["type"] == "ValueError"
    assert facts["where"].startswith("test_failures.py:")


def test_a_hundred_failures_make_a_few_groups():
    def failure(number):
        where = f"file{number % 3}.py:1"
        return f"{number:04x}", {
            "detail": f"OutOfMemoryError: tried to get {number} MiB",
            "failure": {"type": "OutOfMemoryError", "where": where, "kind": "resources"},
        }

    groups = group(failure(number) for number in range(100))
    assert [len(each.runs) for each in groups] == [34, 33, 33]
    assert groups[0].kind == "resources"
    assert "lower the trainer's batch size" in groups[0].suggestion
    (diverged,) = group([("a", {"detail": "ScoreError: trainer 'mlp', round 0: score 'nll' is not finite: nan"})])
    assert diverged.kind == "code" and "a smaller learning rate" in diverged.suggestion
    (nameless,) = group([("a", {"detail": "the worker process died: killed by SIGKILL (out of memory?)"})])
    assert "`memory`" in nameless.suggestion
