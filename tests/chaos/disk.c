/* What a process asks of the file system below one folder: written down in order, and made to fail where told.

   Loaded by LD_PRELOAD, asleep until `disk_watch` is called, and in that process only. Every call that changes a file
   or a folder is one record: a line `CALL fd number length path|path2`, then `length` bytes of what was written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum fault { NONE, KILL_BEFORE, KILL_AFTER, NO_SPACE, IO_ERROR, SHORT_WRITE };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t watched;
static char root[PATH_MAX];
static int trace = -1, fault, left, full;
static char fault_call[16], fault_pattern[256];
static char *paths[4096]; /* of open files below the root */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Fails `call` on the `nth` path that matches; NO_SPACE lasts from there on, everything else happens once. */
int disk_watch(const char *below, int trace_file, const char *call, const char *pattern, int nth, int what)
{
    if (!realpath(below, root))
        return -1;
    trace = trace_file;
    snprintf(fault_call, sizeof fault_call, "%s", call);
    snprintf(fault_pattern, sizeof fault_pattern, "%s", pattern);
    left = nth, fault = what, full = 0;
    watched = getpid();
    return 0;
}

/* The path from the root on; "." for the root; NULL for what is elsewhere. */
static const char *below(const char *path)
{
    size_t length = strlen(root);
    if (strncmp(path, root, length))
        return NULL;
    return path[length] == '/' ? path + length + 1 : path[length] ? NULL : ".";
}

static const char *resolved(int folder, const char *path, char *whole)
{
    char at[PATH_MAX], link[64];
    if (path[0] == '/') {
        snprintf(whole, PATH_MAX, "%s", path);
    } else {
        if (folder == AT_FDCWD) {
            if (!getcwd(at, sizeof at))
                return NULL;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
            ssize_t length = readlink(link, at, sizeof at - 1);
            if (length < 0)
                return NULL;
            at[length] = 0;
        }
        if (snprintf(whole, PATH_MAX, "%s/%s", at, path) >= PATH_MAX)
            return NULL;
    }
    return below(whole);
}

static int awake(void) { return watched && getpid() == watched; }

static void put(const void *bytes, size_t length)
{
    while (length) {
        ssize_t written = REAL(write)(trace, bytes, length);
        if (written <= 0)
            _exit(99); /* a trace with a hole proves nothing */
        bytes = (const char *)bytes + written;
        length -= written;
    }
}

static void note(const char *call, int fd, long long number, const char *path, const char *path2, const void *bytes,
                 size_t length)
{
    char line[2 * PATH_MAX + 100];
    if (trace < 0)
        return;
    int size = snprintf(line, sizeof line, "%s %d %lld %zu %s|%s\n", call, fd, number, length, path, path2);
    put(line, size);
    if (length)
        put(bytes, length);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

/* What is to happen to this call. The lock is held from here to the end of the call: the trace is the true order. */
static int enter(const char *call, const char *path, int grows)
{
    pthread_mutex_lock(&lock);
    int now = NONE;
    if (fault && left > 0 && !strcmp(call, fault_call) && !fnmatch(fault_pattern, path, 0) && --left == 0)
        now = fault;
    if (now == KILL_BEFORE)
        die();
    if (now == NO_SPACE)
        full = 1;
    if (full && grows)
        now = NO_SPACE;
    if (now == NO_SPACE)
        errno = ENOSPC;
    if (now == IO_ERROR)
        errno = EIO;
    return now;
}

static int leave(int now)
{
    int kept = errno;
    if (now == KILL_AFTER)
        die();
    pthread_mutex_unlock(&lock);
    errno = kept;
    return 0;
}

#define FAILS(now) ((now) == NO_SPACE || (now) == IO_ERROR)

static int opened(int (*real)(int, const char *, int, ...), int folder, const char *path, int flags, mode_t mode)
{
    char whole[PATH_MAX];
    const char *at = awake() ? resolved(folder, path, whole) : NULL;
    if (!at)
        return real(folder, path, flags, mode);
    struct stat before;
    int makes = (flags & O_CREAT) && fstatat(folder, path, &before, 0) != 0;
    int empties = (flags & O_TRUNC) && !makes;
    int now = enter(makes ? "create" : "open", at, makes);
    int fd = FAILS(now) ? -1 : real(folder, path, flags, mode);
    if (fd >= 0 && fd < 4096) {
        free(paths[fd]);
        paths[fd] = strdup(at);
        note(makes ? "create" : "open", fd, 0, at, "", NULL, 0);
        if (empties)
            note("truncate", fd, 0, at, "", NULL, 0);
    }
    leave(now);
    return fd;
}

static int through_openat(int folder, const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    mode_t mode = va_arg(list, mode_t);
    va_end(list);
    return REAL(openat)(folder, path, flags, mode);
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode = va_arg(list, mode_t);                                                                                   \
        va_end(list);                                                                                                  \
    }

int open(const char *path, int flags, ...) { MODE(flags) return opened(through_openat, AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...)
{
    MODE(flags) return opened(through_openat, AT_FDCWD, path, flags | O_LARGEFILE, mode);
}
int openat(int folder, const char *path, int flags, ...)
{
    MODE(flags) return opened(through_openat, folder, path, flags, mode);
}
int openat64(int folder, const char *path, int flags, ...)
{
    MODE(flags) return opened(through_openat, folder, path, flags | O_LARGEFILE, mode);
}

static const char *of(int fd) { return awake() && fd >= 0 && fd < 4096 ? paths[fd] : NULL; }

int close(int fd)
{
    if (of(fd)) {
        pthread_mutex_lock(&lock);
        note("close", fd, 0, paths[fd], "", NULL, 0);
        free(paths[fd]);
        paths[fd] = NULL;
        pthread_mutex_unlock(&lock);
    }
    return REAL(close)(fd);
}

static ssize_t written(int fd, const void *bytes, size_t length, off_t at, int seeks)
{
    const char *path = of(fd);
    if (!path) {
        if (awake() && (fd == 1 || fd == 2)) { /* what people were told, in its place among the writes */
            pthread_mutex_lock(&lock);
            note("told", fd, 0, "", "", bytes, length);
            pthread_mutex_unlock(&lock);
        }
        return seeks ? REAL(write)(fd, bytes, length) : REAL(pwrite)(fd, bytes, length, at);
    }
    int now = enter("write", path, 1);
    if (now == SHORT_WRITE && length > 1)
        length /= 2;
    if (seeks)
        at = (fcntl(fd, F_GETFL) & O_APPEND) ? lseek(fd, 0, SEEK_END) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = FAILS(now) ? -1 : seeks ? REAL(write)(fd, bytes, length) : REAL(pwrite)(fd, bytes, length, at);
    if (done > 0)
        note("write", fd, at, path, "", bytes, done);
    leave(now);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t length) { return written(fd, bytes, length, 0, 1); }
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t at) { return written(fd, bytes, length, at, 0); }
ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t at) { return written(fd, bytes, length, at, 0); }

#define ON_FILE(name, call, number, what)                                                                              \
    const char *path = of(fd);                                                                                         \
    if (!path)                                                                                                         \
        return what;                                                                                                   \
    int now = enter(call, path, 0);                                                                                    \
    int done = FAILS(now) ? -1 : what;                                                                                 \
    if (!done)                                                                                                         \
        note(call, fd, number, path, "", NULL, 0);                                                                     \
    leave(now);                                                                                                        \
    return done;

int fsync(int fd) { ON_FILE(fsync, "sync", 0, REAL(fsync)(fd)) }
int fdatasync(int fd) { ON_FILE(fdatasync, "sync", 0, REAL(fdatasync)(fd)) }
int syncfs(int fd) { ON_FILE(syncfs, "syncall", 0, REAL(syncfs)(fd)) }
int ftruncate(int fd, off_t size) { ON_FILE(ftruncate, "truncate", size, REAL(ftruncate)(fd, size)) }
int ftruncate64(int fd, off64_t size) { ON_FILE(ftruncate64, "truncate", size, REAL(ftruncate)(fd, size)) }

#define ON_PATH(call, folder, path, grows, what)                                                                       \
    char whole[PATH_MAX];                                                                                              \
    const char *at = awake() ? resolved(folder, path, whole) : NULL;                                                   \
    if (!at)                                                                                                           \
        return what;                                                                                                   \
    int now = enter(call, at, grows);                                                                                  \
    int done = FAILS(now) ? -1 : what;                                                                                 \
    if (!done)                                                                                                         \
        note(call, -1, 0, at, "", NULL, 0);                                                                            \
    leave(now);                                                                                                        \
    return done;

int mkdir(const char *path, mode_t mode) { ON_PATH("mkdir", AT_FDCWD, path, 1, REAL(mkdir)(path, mode)) }
int mkdirat(int f, const char *path, mode_t mode) { ON_PATH("mkdir", f, path, 1, REAL(mkdirat)(f, path, mode)) }
int rmdir(const char *path) { ON_PATH("rmdir", AT_FDCWD, path, 0, REAL(rmdir)(path)) }
int unlink(const char *path) { ON_PATH("unlink", AT_FDCWD, path, 0, REAL(unlink)(path)) }
int unlinkat(int f, const char *path, int flags)
{
    ON_PATH(flags & AT_REMOVEDIR ? "rmdir" : "unlink", f, path, 0, REAL(unlinkat)(f, path, flags))
}
int symlink(const char *to, const char *path) { ON_PATH("symlink", AT_FDCWD, path, 1, REAL(symlink)(to, path)) }

static int moved(int folder, const char *path, int folder2, const char *path2)
{
    char whole[PATH_MAX], whole2[PATH_MAX];
    const char *at = awake() ? resolved(folder, path, whole) : NULL;
    const char *at2 = awake() ? resolved(folder2, path2, whole2) : NULL;
    if (!at || !at2)
        return REAL(renameat)(folder, path, folder2, path2);
    int now = enter("rename", at2, 1);
    int done = FAILS(now) ? -1 : REAL(renameat)(folder, path, folder2, path2);
    if (!done)
        note("rename", -1, 0, at, at2, NULL, 0);
    leave(now);
    return done;
}
int rename(const char *path, const char *path2) { return moved(AT_FDCWD, path, AT_FDCWD, path2); }
int renameat(int folder, const char *path, int folder2, const char *path2)
{
    return moved(folder, path, folder2, path2);
}
