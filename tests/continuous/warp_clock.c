/*
 * warp_clock.c - runs a program on a wall clock that stands still until it is set.
 *
 *     warp_clock FILE PROGRAM [ARGUMENT]...        FILE: 8 bytes, the time in ns since 1970, changed by whoever drives it
 *
 * For a program that asks the kernel itself, as Go's do, a preloaded library is of no use. So the program is traced: the
 * vDSO is hidden from it at exec, which makes it ask by system call; a seccomp filter stops it at these alone, and the
 * answer comes from FILE. Clocks other than CLOCK_REALTIME are left as they are, so that timers go on. x86-64 Linux.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOAD(what) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, what))
#define GIVE(what) BPF_STMT(BPF_RET | BPF_K, what)

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void run_program(char **argv)
{
    struct sock_filter code[] = {LOAD(nr),
                                 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
                                 LOAD(args[0]),
                                 BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0 /* CLOCK_REALTIME */, 0, 1),
                                 GIVE(SECCOMP_RET_TRACE),
                                 GIVE(SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0 || raise(SIGSTOP) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        die("trace");
    execv(argv[0], argv);
    die(argv[0]);
}

/* The auxiliary vector lies behind arguments and environment on the new program's stack. */
static void hide_vdso(pid_t pid)
{
    struct user_regs_struct regs;

    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    uint64_t at = regs.rsp + 8 + 8 * ((uint64_t)ptrace(PTRACE_PEEKDATA, pid, regs.rsp, 0) + 1);
    while (ptrace(PTRACE_PEEKDATA, pid, at, 0))
        at += 8;
    for (at += 8;; at += 16) {
        long type = ptrace(PTRACE_PEEKDATA, pid, at, 0);
        if (type == AT_NULL)
            return;
        if (type == AT_SYSINFO_EHDR)
            ptrace(PTRACE_POKEDATA, pid, at, AT_IGNORE);
    }
}

static void answer(pid_t pid, int64_t now)
{
    struct user_regs_struct regs;

    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    ptrace(PTRACE_POKEDATA, pid, regs.rsi, now / 1000000000);
    ptrace(PTRACE_POKEDATA, pid, regs.rsi + 8, now % 1000000000);
    regs.orig_rax = (unsigned long long)-1; /* no call: */
    regs.rax = 0;                           /* its result */
    ptrace(PTRACE_SETREGS, pid, 0, &regs);
}

int main(int argc, char **argv)
{
    int file = argc > 2 ? open(argv[1], O_RDONLY) : -1, status;
    volatile const int64_t *now = mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    pid_t first, pid;

    if (now == MAP_FAILED)
        die("usage: warp_clock FILE PROGRAM [ARGUMENT]...");
    if ((first = fork()) == 0)
        run_program(argv + 2);
    waitpid(first, &status, 0);
    ptrace(PTRACE_SETOPTIONS, first, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACEEXEC | PTRACE_O_TRACECLONE |
                                            PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK);
    ptrace(PTRACE_CONT, first, 0, 0);
    while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        int signal = 0;
        if (pid <= 0 || !WIFSTOPPED(status)) {
            if (pid == first && (WIFEXITED(status) || WIFSIGNALED(status)))
                return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
            continue;
        }
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
            hide_vdso(pid);
        else if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8))
            answer(pid, *now);
        else if (status >> 16 == 0 && WSTOPSIG(status) != SIGSTOP) /* SIGSTOP: a new thread's first stop */
            signal = WSTOPSIG(status);
        ptrace(PTRACE_CONT, pid, 0, signal);
    }
    return 0;
}
