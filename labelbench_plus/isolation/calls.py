"""What a confined process may still ask of the kernel: named system calls and nothing else (seccomp).

The names become a filter by libseccomp, which every Linux distribution ships and knows the numbers of each processor.
What is not listed fails with EPERM, calls that are yet to be invented included. What the list is about:

* files that Landlock lets through are opened, read, written, removed; modes, owners and times of files, which Landlock
  does not watch over, are left alone;
* threads are made, processes are not; no program is started;
* no socket, no shared memory by name, no semaphore, no message queue, no io_uring, no ptrace, no bpf, no namespace;
* of what can be aimed at another process (signals, limits, scheduling) only the process itself is a target.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator, Sequence

MACHINES = ("x86_64", "aarch64")  # where `clone` takes its flags first
EPERM, ENOSYS = 1, 38
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
MASKED = 7  # SCMP_CMP_MASKED_EQ
OPTIMIZE, TREE = 8, 2  # SCMP_FLTATR_CTL_OPTIMIZE: a balanced tree instead of a list

PLAIN = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 close close_range dup dup2 dup3 lseek
stat fstat lstat newfstatat statx statfs fstatfs access faccessat faccessat2 readlink readlinkat getdents getdents64
getcwd chdir fchdir umask ftruncate fallocate fadvise64 fsync fdatasync sync_file_range flock
mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 copy_file_range sendfile pipe pipe2 memfd_create
mmap munmap mprotect mremap madvise mincore msync mlock munlock mlock2 brk membarrier get_mempolicy
futex futex_waitv set_robust_list get_robust_list rseq set_tid_address arch_prctl
rt_sigaction rt_sigprocmask rt_sigreturn rt_sigtimedwait rt_sigsuspend rt_sigpending sigaltstack pause
sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
getpid getppid gettid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp getpgid getsid getpriority
uname sysinfo getrusage times getrlimit getcpu getrandom
clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time timer_create timer_settime timer_gettime
timer_delete timer_getoverrun setitimer getitimer alarm timerfd_create timerfd_settime timerfd_gettime
poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
wait4 waitid exit exit_group restart_syscall
"""

CLONE_THREAD, CLONE_NEW_ANYTHING = 0x00010000, 0x7E020000  # threads, but none in a namespace of its own
ACCESS_MODE, WRITE_ONLY, READ_WRITE, TRUNCATE = 3, 1, 2, os.O_TRUNC
FCNTL = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1033, 1034)  # descriptors, flags, locks, seals: no owner, no signal
IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # is it a terminal, how large, bytes left, blocking, on exec
PRCTL = (15, 16, 0x53564D41)  # names of threads and of pieces of memory
UNIX = 1


class _Condition(ctypes.Structure):
    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def restrict_calls(device: str = "cpu") -> str:
    """Restrict this process, which must have one thread, to the listed system calls. This cannot be undone.

    Parameters
    ----------
    device: "cuda" leaves its driver what it needs: any `ioctl`, and making (not connecting) UNIX sockets.

    Returns
    -------
    Why it could not be done; empty if it was.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        return f"no list of system calls for {machine}"
    try:
        library = _library()
    except OSError as error:
        return f"libseccomp cannot be loaded: {error}"
    context = library.seccomp_init(ERRNO | EPERM)
    if not context:
        return "libseccomp does not start"
    library.seccomp_attr_set(context, OPTIMIZE, TREE)  # older ones have no tree, and are as strict
    for action, name, conditions in _rules(device):
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number < 0:  # this processor has no such call, or this libseccomp knows none
            continue
        listed = (_Condition * len(conditions))(*conditions)
        if failed := library.seccomp_rule_add_array(context, action, number, len(conditions), listed):
            return f"libseccomp refuses a rule for {name}: {os.strerror(-failed)}"
    if failed := library.seccomp_load(context):
        return f"the kernel refuses the filter: {os.strerror(-failed)}"
    library.seccomp_release(context)
    return ""


def _rules(device: str) -> Iterator[tuple[int, str, Sequence[_Condition]]]:
    """(action, call, conditions on its arguments); rules for one call are alternatives."""
    for name in PLAIN.split():
        yield ALLOW, name, ()
    yield ERRNO | ENOSYS, "clone3", ()  # its flags cannot be seen; the C library then takes `clone`
    yield ALLOW, "clone", [_Condition(0, MASKED, CLONE_THREAD | CLONE_NEW_ANYTHING, CLONE_THREAD)]
    # To empty a file without the right to write, which Landlock knows since its third version, is opened by nobody.
    yield ALLOW, "openat", [_Condition(2, MASKED, TRUNCATE, 0)]
    for mode in (WRITE_ONLY, READ_WRITE):
        yield ALLOW, "openat", [_Condition(2, MASKED, ACCESS_MODE | TRUNCATE, mode | TRUNCATE)]
    for command in FCNTL:
        yield ALLOW, "fcntl", [_Condition(1, MASKED, 0xFFFFFFFF, command)]
    for command in PRCTL:
        yield ALLOW, "prctl", [_Condition(0, MASKED, 0xFFFFFFFF, command)]
    yield ALLOW, "tgkill", [_Condition(0, MASKED, 0xFFFFFFFF, os.getpid())]
    for name in ("prlimit64", "sched_setaffinity"):
        yield ALLOW, name, [_Condition(0, MASKED, 0xFFFFFFFF, 0)]
    if device == "cpu":
        for command in IOCTL:
            yield ALLOW, "ioctl", [_Condition(1, MASKED, 0xFFFFFFFF, command)]
        return
    yield ALLOW, "ioctl", ()
    for name in ("socket", "socketpair"):
        yield ALLOW, name, [_Condition(0, MASKED, 0xFFFFFFFF, UNIX)]
    for name in ("bind", "listen", "accept4", "getsockname", "setsockopt", "getsockopt", "shutdown"):
        yield ALLOW, name, ()


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = [ctypes.c_uint32]
    library.seccomp_attr_set.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32]
    library.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    library.seccomp_rule_add_array.argtypes = [
        ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Condition),
    ]  # fmt: skip
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_release.argtypes = [ctypes.c_void_p]
    return library
