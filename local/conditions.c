/*
 * Loaded beside libfaketime 0.9.10, for what that one leaves out or gets wrong in the calls that Python makes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* libfaketime fails with EINVAL when the moment to wake up at has just passed, even for clocks it leaves alone. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *until, struct timespec *left) {
    return syscall(SYS_clock_nanosleep, clock, flags, until, left) ? errno : 0;
}

/*
 * libfaketime changes the times in what stat() returns. On 64-bit Linux stat64(), which Python calls, is the same
 * function. Only files below $PRETENDED_FILES (folders with colons between them) are changed: byte code carries the
 * time of its source, so with another time Python would compile every module again.
 */

int __fxstatat(int version, int folder, const char *path, struct stat *found, int flags);

static int is_pretended(const char *path) {
    const char *folder = getenv("PRETENDED_FILES");
    while (path && path[0] == '/' && folder && *folder) {
        size_t length = strcspn(folder, ":");
        if (!strncmp(path, folder, length)) return 1;
        folder += length + (folder[length] == ':');
    }
    return path && path[0] != '/';
}

int stat64(const char *path, struct stat64 *found) {
    if (is_pretended(path)) return stat(path, (struct stat *)found);
    return fstatat(AT_FDCWD, path, (struct stat *)found, 0);
}

int lstat64(const char *path, struct stat64 *found) {
    if (is_pretended(path)) return lstat(path, (struct stat *)found);
    return fstatat(AT_FDCWD, path, (struct stat *)found, AT_SYMLINK_NOFOLLOW);
}

int fstat64(int file, struct stat64 *found) { return fstat(file, (struct stat *)found); }

int fstatat64(int folder, const char *path, struct stat64 *found, int flags) {
    if (is_pretended(path)) return __fxstatat(1, folder, path, (struct stat *)found, flags);
    return fstatat(folder, path, (struct stat *)found, flags);
}
