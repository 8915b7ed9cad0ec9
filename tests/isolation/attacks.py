"""Ways out of a process: each a function that says whether it went through. Also a strategy that tries one.

Run as a program with a folder, it tries all of them unconfined and prints what went through, as JSON.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import signal
import socket
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
SECCOMP = ctypes.CDLL("libseccomp.so.2")
REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def call(name, *arguments):
    """Whether the kernel lets a system call through, whatever it then says of its arguments."""
    number = SECCOMP.seccomp_syscall_resolve_name(name.encode())
    if number < 0:
        return False
    ctypes.set_errno(0)
    done = LIBC.syscall(number, *(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments))
    return done >= 0 or ctypes.get_errno() not in REFUSED


def is_socket(descriptor):
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except OSError:
        return False


def made(family, kind, protocol=0):
    socket.socket(family, kind, protocol).close()
    return True


def udp(folder):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        return out.sendto(b"labels", ("127.0.0.1", 9)) > 0


def tcp(folder):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return True


def unix(folder, address=None):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as out:
        out.connect(address or str(folder / "docker.sock"))
        return True


def abstract(folder):
    return unix(folder, f"\0{folder.name}")


def connected_again(folder):
    """The socket that is there, turned to somebody else."""
    inherited = next(fd for fd in range(3, 1000) if is_socket(fd))
    address = b"\1\0" + str(folder / "docker.sock").encode()
    return LIBC.connect(inherited, address, len(address)) == 0 or ctypes.get_errno() not in REFUSED


def fork(folder):
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return True


def clone(folder):
    """A process that shares all memory, as vfork makes it."""
    return subprocess.run(["/bin/true"], check=True).returncode == 0


def clone3(folder):
    arguments = (ctypes.c_uint64 * 8)(0)
    return call("clone3", arguments, 3)  # too short a structure: nothing is made where it goes through


def execute(folder):
    return call("execve", b"/nowhere", None, None)


def execute_memory(folder):
    return call("execveat", os.memfd_create("program"), b"", None, None, 0x1000)


def file_read(folder):
    return bool((folder / "labels.json").read_bytes())


def file_listed(folder):
    return bool(os.listdir(folder))


def file_written(folder):
    (folder / "labels.json").write_text("[]")
    return True


def file_emptied(folder):
    os.close(os.open(folder / "labels.json", os.O_RDONLY | os.O_TRUNC))
    return True


def code_emptied(folder):
    os.close(os.open(__file__, os.O_RDONLY | os.O_TRUNC))
    return True


def file_mode(folder):
    os.chmod(folder / "labels.json", 0o600)
    return True


def file_times(folder):
    os.utime(folder / "labels.json")
    return True


def file_marked(folder):
    os.setxattr(folder / "labels.json", "user.mark", b"1")
    return True


def file_watched(folder):
    return call("inotify_init1", 0)


def file_linked(folder):
    os.symlink("/etc/passwd", "link")
    return Path("link").read_text() != ""


def passwords(folder):
    return bool(Path("/etc/passwd").read_text())


def home(folder):
    import pwd

    return bool(os.listdir(pwd.getpwuid(os.getuid()).pw_dir) or True)


def shared_memory(folder):
    return bool((Path("/dev/shm") / folder.name).read_bytes())


def shared_memory_written(folder):
    (Path("/dev/shm") / f"{folder.name}.new").write_bytes(b"1")
    return True


def device(folder):
    os.close(os.open("/dev/full", os.O_RDWR))
    return True


def parent_memory(folder):
    with open(f"/proc/{os.getppid()}/mem", "rb") as memory:
        return memory is not None


def parent_environment(folder):
    return bool(Path(f"/proc/{os.getppid()}/environ").read_bytes())


def parent_signalled(folder):
    os.kill(os.getppid(), signal.SIGCONT)
    return True


def parent_signalled_in_thread(folder):
    return call("tgkill", os.getppid(), os.getppid(), 0)


def parent_signalled_by_file(folder):
    """SIGIO for the parent whenever something comes in."""
    ours, _ = os.pipe()
    fcntl.fcntl(ours, fcntl.F_SETOWN, os.getppid())
    return fcntl.fcntl(ours, fcntl.F_GETOWN) == os.getppid()


def parent_limited(folder):
    import resource

    return bool(resource.prlimit(os.getppid(), resource.RLIMIT_CORE))


def parent_slowed(folder):
    os.setpriority(os.PRIO_PROCESS, os.getppid(), os.getpriority(os.PRIO_PROCESS, os.getppid()))
    return True


def parent_pinned(folder):
    os.sched_setaffinity(os.getppid(), os.sched_getaffinity(os.getppid()))
    return True


def parent_traced(folder):
    return call("ptrace", 0x4206, os.getppid(), 0, 0)  # PTRACE_SEIZE, which does not stop it


def parent_read(folder):
    return call("process_vm_readv", os.getppid(), None, 0, None, 0, 0)


def parent_descriptors(folder):
    return call("pidfd_open", os.getppid(), 0) or call("pidfd_getfd", -1, 0, 0)


def threads_in_a_namespace(folder):
    return call("unshare", 0x40000000)


MINE = {
    "netlink": lambda folder: made(socket.AF_NETLINK, socket.SOCK_RAW),
    "packet": lambda folder: made(socket.AF_PACKET, socket.SOCK_RAW),
    "raw": lambda folder: made(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    "vsock": lambda folder: made(socket.AF_VSOCK, socket.SOCK_STREAM),
    "shmget": lambda folder: call("shmget", 0, 4096, 0o600),
    "semget": lambda folder: call("semget", 0, 0, 0),
    "msgget": lambda folder: call("msgget", 1, 0),
    "mq_open": lambda folder: call("mq_open", b"none", 0, 0, None),
    "io_uring": lambda folder: call("io_uring_setup", 0, None),
    "userfaultfd": lambda folder: call("userfaultfd", -1),
    "bpf": lambda folder: call("bpf", -1, None, 0),
    "keyctl": lambda folder: call("keyctl", 0, -3, 0),
    "add_key": lambda folder: call("add_key", b"user", b"x", None, 0, 0),
    "perf": lambda folder: call("perf_event_open", None, 0, -1, -1, 0),
    "mount": lambda folder: call("mount", None, None, None, 0, None),
    "chroot": lambda folder: call("chroot", None),
    "setns": lambda folder: call("setns", -1, 0),
    "handle": lambda folder: call("open_by_handle_at", -1, None, 0),
    "mknod": lambda folder: call("mknodat", -1, None, 0, 0),
    "personality": lambda folder: call("personality", 0xFFFFFFFF),
    "seccomp": lambda folder: call("seccomp", 9, 0, None),
    "dumpable": lambda folder: call("prctl", 4, 1, 0, 0, 0),
    "pushed": lambda folder: call("ioctl", 0, 0x5412, b"x"),
}
ROUTES = {
    **{
        name: value
        for name, value in list(globals().items())
        if callable(value)
        and getattr(value, "__module__", None) == __name__
        and name not in ("call", "made", "is_socket")
    },
    **MINE,
}
ANYBODY = """
udp tcp unix abstract fork clone execute execute_memory file_read file_listed file_written file_emptied code_emptied
file_mode file_times file_watched file_linked passwords home shared_memory shared_memory_written parent_environment
parent_signalled parent_signalled_in_thread parent_signalled_by_file parent_limited parent_slowed parent_pinned
netlink shmget semget msgget mq_open personality seccomp dumpable pushed device
"""
"""What goes through for anybody who is not confined."""


def goes_through(route, folder):
    """Whether an attack does what it is about."""
    try:
        return bool(ROUTES[route](folder))
    except (OSError, StopIteration):
        return False


if __name__ == "__main__":
    where = Path(sys.argv[1])
    os.chdir(where)
    print(json.dumps([route for route in ROUTES if goes_through(route, where)]))
else:
    import torch

    from labelbench_plus.strategies import PoolStrategy, strategies

    @strategies.register("attack")
    @dataclass(frozen=True)
    class Attack(PoolStrategy):
        """Tries every way out, and answers the numbers of those that went through."""

        folder: str

        def select(self, view, n, rng):
            tried = enumerate(ROUTES)
            return torch.tensor([number for number, route in tried if goes_through(route, Path(self.folder))] or [-1])

    @strategies.register("worker")
    @dataclass(frozen=True)
    class Worker(PoolStrategy):
        """Does what strategies do: threads, scratch files, libraries."""

        def select(self, view, n, rng):
            import tempfile
            import threading

            from sklearn.cluster import KMeans

            torch.set_num_threads(2)
            torch.randn(600, 600) @ torch.randn(600, 600)
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "a.bin"
                file.write_bytes(b"1" * 10)
                file.rename(file.with_name("b.bin"))
                with open(file.with_name("b.bin"), "r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
                    assert mapped[0] == ord("1")
            KMeans(2, n_init=1, random_state=0).fit(view.candidates[:20, None].numpy())
            return view.candidates[:n]
