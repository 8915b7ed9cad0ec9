"""One run as plain values that any process can receive, and the function that computes it.

Nothing heavy is imported at the top: a worker process must be able to set its thread count before numpy and torch.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from labelbench_plus.contracts.annotators import Purse
    from labelbench_plus.isolation.cell import Cell
    from labelbench_plus.oracle import AnswersPending
    from labelbench_plus.running.chosen import Chosen
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.store.run_store import RoundRecord, RunStore
    from labelbench_plus.suite import Isolation

Outcome = Literal["finished", "already done", "busy"]
ANSWERS = "answers"  # the folder of what somebody was asked and answered, beside the output directory
BUSY_SECONDS = 2.0  # between two looks at a run whose choices are waited for


@dataclass(frozen=True)
class Where:
    """Where runs are computed, and with which resources.

    Attributes
    ----------
    root: the output directory. cache: of features. device: "cpu" or "cuda".
    plugin_files: given with `--plugin`.
    concurrency: how many runs share the device of one; above one, its timings mean little.
    kept_in: the folder of given answers; None for the usual one.
    purse: what may be paid for answers; None: nothing.
    """

    root: Path
    cache: Path
    device: str = "cpu"
    plugin_files: tuple[Path, ...] = ()
    concurrency: int = 1
    kept_in: Path | None = None
    purse: Purse | None = None

    @property
    def answers(self) -> Path:
        """Where answers that somebody gave are kept: if nobody says, beside the output directory; not in the cache."""
        return self.root.parent / ANSWERS if self.kept_in is None else self.kept_in

    @property
    def hidden(self) -> tuple[Path, ...]:
        """What third-party code must not read: results, features, answers."""
        return self.root, self.cache, self.answers

    @classmethod
    def here(
        cls,
        root: Path,
        device: str = "cpu",
        plugin_files: Sequence[Path] = (),
        *,
        answers: Path | None = None,
        purse: Purse | None = None,
    ) -> Where:
        """This machine, with this user's cache."""
        from labelbench_plus.store.artefacts import default_cache_dir

        files = tuple(path.resolve() for path in plugin_files)
        return cls(root, default_cache_dir(), device, files, kept_in=answers, purse=purse)


@dataclass(frozen=True)
class Mirror:
    """The name and mode under which runs are mirrored to W&B.

    Attributes
    ----------
    not_before: W&B is not contacted before this time (as of `time.time`).
    """

    suite: str = ""
    mode: Literal["disabled", "offline", "online"] = "disabled"
    not_before: float = 0.0


NOT_MIRRORED = Mirror()


@dataclass(frozen=True)
class Noted:
    """What is kept of an attempt.

    Attributes
    ----------
    about: kept in its record, e.g. the scheduler's `job` and its `restart` number.
    log: whether its output goes into a file beside its record rather than to the terminal.
    """

    about: dict[str, Any] = field(default_factory=dict)
    log: bool = False


@dataclass(frozen=True)
class Job:
    """A run to carry out.

    Attributes
    ----------
    run_id, spec, title: what to run (`RunSpec.as_json`), and what people call it.
    isolate: have strategies choose in a process that never receives a hidden label; None has them choose here.
    reports: what third-party strategies are, where they are isolated: none of their code runs here.
    keep_model: keep the last model in the run's folder; for a finished run, train it again on what was bought.
    """

    run_id: str
    spec: dict[str, Any]
    title: str
    where: Where
    mirror: Mirror = NOT_MIRRORED
    noted: Noted = field(default_factory=Noted)
    isolate: Isolation | None = None
    reports: tuple[str, ...] = ()
    keep_model: bool = False

    @classmethod
    def of(
        cls,
        spec: RunSpec,
        where: Where,
        mirror: Mirror = NOT_MIRRORED,
        *,
        isolate: Isolation | None = None,
        keep_model: bool = False,
    ) -> Job:
        """The run of a spec, printing to the terminal."""
        from labelbench_plus.isolation.reported import reports_of

        reports = reports_of((spec.strategy, spec.initial))
        return cls(
            spec.id, spec.as_json(), str(spec), where, mirror, isolate=isolate, reports=reports, keep_model=keep_model
        )


def why_no_models(runs: Iterable[RunSpec]) -> str:
    """Why the models of these runs cannot be kept, before any work; empty if they can."""
    unable = sorted({spec.trainer.name for spec in runs if not spec.trainer.saves_models})
    if not unable:
        return ""
    names = f"trainer{'s' * (len(unable) > 1)} {', '.join(map(repr, unable))}"
    return f"models of {names} cannot be kept: there is no save_model; leave --keep-models out, or choose another"


def sharing(workers: int, device: str, cores: int) -> int:
    """How many of `workers` single-threaded runs share a device: the GPU, or a core."""
    return workers if device == "cuda" else -(-workers // cores)


def local_jobs(
    runs: Sequence[RunSpec],
    where: Where,
    workers: int,
    mirror: Mirror = NOT_MIRRORED,
    *,
    isolate: Isolation | None = None,
    keep_models: bool = False,
) -> list[Job]:
    """A job for each unfinished one of `runs`, for `workers` processes of this machine.

    Finished runs are left out, unless they should be mirrored to W&B, or their model is wanted and missing.
    """
    from labelbench_plus.store.run_store import RunStore

    def left(store: RunStore) -> bool:
        return not store.done or mirror.mode != "disabled" or (keep_models and not store.model_folder.exists())

    todo = [spec for spec in runs if left(RunStore(where.root, spec.id))]
    shared = sharing(max(1, min(workers, len(todo))), where.device, os.cpu_count() or 1)
    where = replace(where, concurrency=shared)
    return [Job.of(spec, where, mirror, isolate=isolate, keep_model=keep_models) for spec in todo]


def carry_out(job: Job, on_round: Callable[[int], None]) -> Outcome | AnswersPending:
    """Run a job from its current state to its end in this process.

    If answers are still to come, or would cost more than may be paid, the run is released and the function returns what
    it waits for; that is not an error. Called again with the answers or a higher limit, it continues.

    A run with a proxy needs the choices of another run (`RunSpec.selection`). If that is unfinished, it is run first,
    as a run of its own; if another process holds it, this one waits.

    Parameters
    ----------
    on_round: called with the number of rounds committed, after each; now and then while others are waited for.
    """
    from labelbench_plus.isolation.cell import Cell
    from labelbench_plus.isolation.reported import Pinned
    from labelbench_plus.oracle import AnswersPending
    from labelbench_plus.plugins import load_plugin_file
    from labelbench_plus.spec import RunSpec
    from labelbench_plus.store.run_store import RunStore
    from labelbench_plus.tracking.wandb_mirror import Subject, mirror_from_files

    where, mirrored = job.where, job.mirror
    for file in where.plugin_files if job.isolate is None else ():
        load_plugin_file(file)
    spec = RunSpec.from_json(job.spec, None if job.isolate is None else Pinned(job.reports))
    store = RunStore(where.root, job.run_id)
    if store.done:
        mirror_from_files(Subject.of(spec), store, mirrored.suite, mirrored.mode, mirrored.not_before)
        if not job.keep_model or store.model_folder.exists():
            return "already done"
        job = replace(job, mirror=NOT_MIRRORED)
    try:
        chosen = _chosen(job, spec, store, on_round)
    except AnswersPending as pending:
        return pending
    with Cell(where.plugin_files, where.hidden, job.isolate, device=where.device) as cell:
        return _carry_on(job, spec, store, chosen, cell, on_round)


def _carry_on(
    job: Job, spec: RunSpec, store: RunStore, chosen: Chosen | None, cell: Cell, on_round: Callable[[int], None]
) -> Outcome | AnswersPending:
    """Finish a run, with the choices of another run or with those made in `cell` or here."""
    from labelbench_plus.contracts.problems import Place
    from labelbench_plus.isolation.suites import as_manifest, check_isolation, statement
    from labelbench_plus.loop import run
    from labelbench_plus.oracle import AnswersPending
    from labelbench_plus.running.failures import facts_of
    from labelbench_plus.running.waiting import noted
    from labelbench_plus.shown import say
    from labelbench_plus.steps import Select, select_here
    from labelbench_plus.store.lease import LeaseLost, RunBusy
    from labelbench_plus.store.manifest import check_others_code, manifest
    from labelbench_plus.store.numbered import file_name
    from labelbench_plus.tracking.wandb_mirror import Subject, WandbMirror
    from labelbench_plus.warm_up import warm_up

    where, mirrored = job.where, job.mirror
    isolation = chosen.isolation if chosen is not None else None
    if job.isolate is not None and chosen is None:
        try:
            cell.start()
        except Exception as error:
            _note_failure(job, store, error)
            raise
        isolation = as_manifest(job.isolate, cell.held, spec, where.plugin_files)
    mirror = WandbMirror(Subject.of(spec), store.folder, mirrored.suite, mirrored.mode, mirrored.not_before)

    def listener(record: RoundRecord, costs: dict[str, float | None]) -> None:
        mirror.round(record, costs)
        on_round(record.number + 1)

    about = {**job.noted.about, "isolate": job.isolate.kind} if job.isolate else job.noted.about
    origin = manifest(spec, where.device, chosen.provenance if chosen else None, isolation, where.plugin_files)
    try:
        lease = store.open(
            spec,
            origin,
            lambda holder: still_exists(holder, job.noted.about),
            lambda error: {"failure": facts_of(error)},
            **about,
        )
    except RunBusy:
        return "busy"
    try:
        log = store.folder / "attempts" / file_name(lease.number, ".log") if job.noted.log else None
        with _printing_to(log):
            if log is not None and job.isolate is not None and chosen is None:
                say(statement(job.isolate, cell.held, [spec]), flush=True)
            check_others_code(store.manifest(), origin, store.folder)
            select: Select = cell.select if job.isolate else select_here
            shared = where.concurrency
            if chosen is not None:
                chosen.check(store)
                select, shared = chosen.select(len(store.rounds())), max(shared, chosen.concurrency)
            else:
                check_isolation(store.manifest().get("isolation"), isolation, store.folder)
            warm_up(spec.trainer, *(() if job.isolate else (spec.strategy, spec.initial)))
            place = Place(where.cache, where.device, shared, where.answers, where.purse)
            run(spec, store, lease, place, listener, select, keep_model=job.keep_model)
    except AnswersPending as pending:
        lease.release("waiting", str(pending), **noted(pending))
        mirror.abandon(failed=False)
        return pending
    except LeaseLost as lost:  # nothing failed: another process goes on with the run
        lease.release("stopped", str(lost))
        mirror.abandon(failed=False)
        return "busy"
    except Exception as error:
        lease.release("failed", f"{type(error).__name__}: {error}", failure=facts_of(error))
        mirror.abandon(failed=True)
        raise
    except BaseException:  # Ctrl-C or a request to stop: what is committed stays, the next attempt goes on from it
        lease.release("stopped")
        mirror.abandon(failed=False)
        raise
    with contextlib.suppress(OSError):  # a full disk: the run is done all the same
        mirror.finish()  # before the lease is given back: nobody else mirrors a run that somebody holds
    lease.release("finished")
    return "finished"


def _chosen(job: Job, spec: RunSpec, store: RunStore, on_round: Callable[[int], None]) -> Chosen | None:
    """What the proxy's run bought, computing it if necessary; None for a run without a proxy.

    No process holds a run while waiting for another, and that other run never waits, so there is no deadlock.
    """
    if spec.proxy is None:
        return None
    from labelbench_plus.oracle import AnswersPending
    from labelbench_plus.running.chosen import Chosen
    from labelbench_plus.store.run_store import RunStore

    first = spec.selection
    work = replace(job, run_id=first.id, spec=first.as_json(), title=str(first), mirror=NOT_MIRRORED, keep_model=False)
    try:
        while (outcome := carry_out(work, lambda rounds: on_round(0))) == "busy":
            on_round(0)
            time.sleep(BUSY_SECONDS)
        if isinstance(outcome, AnswersPending):
            raise outcome
        return Chosen.of(RunStore(job.where.root, first.id))
    except Exception as error:  # noted of this run too: nobody would look for it in the other's folder
        _note_failure(job, store, error, f" (in run {first.id}, which chooses its labels)")
        raise


def _note_failure(job: Job, store: RunStore, error: Exception, where: str = "") -> None:
    """Note, as an attempt, why a run could not even begin."""
    from labelbench_plus.oracle import AnswersPending
    from labelbench_plus.running.failures import facts_of
    from labelbench_plus.running.waiting import noted
    from labelbench_plus.store.lease import RunBusy, acquire

    about = job.noted.about
    with contextlib.suppress(OSError, RunBusy):
        (store.folder / "attempts").mkdir(parents=True, exist_ok=True)
        lease = acquire(store.folder / "attempts", lambda holder: still_exists(holder, about), **about)
        if isinstance(error, AnswersPending):
            lease.release("waiting", f"{error}{where}", **noted(error))
        else:
            lease.release("failed", f"{type(error).__name__}: {error}{where}", failure=facts_of(error))


def still_exists(holder: dict[str, Any], me: dict[str, Any]) -> bool | None:
    """Whether the job that holds a run still exists, as far as `me`, the job that wants it, can tell.

    A scheduler runs one incarnation of a job at a time, so a holder that is an earlier incarnation of our own job has
    ended, whatever its heartbeat says. For any other job the scheduler is asked; its answer can only extend a lease,
    since a job that is no longer listed may still have a process.
    """
    if not holder.get("launcher") or not holder.get("job"):
        return None
    if holder["job"] == me.get("job"):
        return False if holder.get("restart", 0) < me.get("restart", 0) else None
    from labelbench_plus.plugins import registry

    return registry("launchers").load(holder["launcher"]).exists(holder["job"], holder.get("restart", 0)) or None


@contextlib.contextmanager
def _printing_to(path: Path | None) -> Iterator[None]:
    """Redirect the output of this process and its libraries to a file, including a traceback that passes through."""
    if path is None:
        yield
        return
    import traceback

    from labelbench_plus.oracle import AnswersPending

    kept = [os.dup(1), os.dup(2)]
    with open(path, "ab", buffering=0) as file:
        try:
            for descriptor in (1, 2):
                os.dup2(file.fileno(), descriptor)
            yield
        except AnswersPending:
            raise
        except Exception:
            with contextlib.suppress(OSError):
                traceback.print_exc()
            raise
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError):
                    stream.flush()
            for descriptor, old in zip((1, 2), kept, strict=True):
                os.dup2(old, descriptor)
                os.close(old)
