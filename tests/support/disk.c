/* A preloaded library in which calls fail as they do on file systems that cannot be had in a test: vfat, SMB, a dying disk.
   DISK_FAULTS is CALL:ERRNO:TEXT, several with ';' between them: the call fails where the path has the text, an empty text is
   every path. DISK_ARMED, if there is one, names a file without which nothing fails. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int fails(const char *call, int descriptor, const char *name)
{
    const char *faults = getenv("DISK_FAULTS"), *armed = getenv("DISK_ARMED");
    char path[4096] = "", link[64], text[512], named[64];
    int number, used;

    if (!faults || (armed && syscall(SYS_faccessat, AT_FDCWD, armed, F_OK)))
        return 0;
    if (name)
        strncpy(path, name, sizeof path - 1);
    else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
        if (readlink(link, path, sizeof path - 1) < 0)
            return 0;
    }
    while (*faults) {
        text[0] = 0;
        if (sscanf(faults, "%63[^:]:%d:%n", named, &number, &used) < 2)
            return 0;
        sscanf(faults + used, "%511[^;]", text);
        if (!strcmp(named, call) && strstr(path, text)) {
            errno = number;
            return 1;
        }
        faults = strchrnul(faults + used, ';');
        faults += *faults == ';';
    }
    return 0;
}

static int is_folder(int descriptor)
{
    struct stat status;
    return !fstat(descriptor, &status) && S_ISDIR(status.st_mode);
}

#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

/* "modes": the file has that of a file system without modes. */
int fstat64(int descriptor, struct stat64 *status)
{
    int failed = REAL(fstat64)(descriptor, status);
    if (!failed && fails("modes", descriptor, 0))
        status->st_mode |= 0755;
    return failed;
}

int fstat(int descriptor, struct stat *status)
{
    return fstat64(descriptor, (struct stat64 *) status);
}

int renameat(int from, const char *name, int to, const char *other)
{
    return fails("rename", 0, other) ? -1 : REAL(renameat)(from, name, to, other);
}

int openat64(int folder, const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return fails(flags & O_CREAT ? "create" : "open", 0, name) ? -1 : REAL(openat64)(folder, name, flags, mode);
}

int openat(int folder, const char *name, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return fails(flags & O_CREAT ? "create" : "open", 0, name) ? -1 : REAL(openat)(folder, name, flags, mode);
}

int futimens(int descriptor, const struct timespec times[2])
{
    return fails("utime", descriptor, 0) ? -1 : REAL(futimens)(descriptor, times);
}

int fsync(int descriptor)
{
    return fails(is_folder(descriptor) ? "fsync-folder" : "fsync", descriptor, 0) ? -1 : REAL(fsync)(descriptor);
}

int fdatasync(int descriptor)
{
    return fails("fsync", descriptor, 0) ? -1 : REAL(fdatasync)(descriptor);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset)
{
    return fails("write", descriptor, 0) ? -1 : REAL(pwrite64)(descriptor, data, size, offset);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset)
{
    return fails("write", descriptor, 0) ? -1 : REAL(pwrite)(descriptor, data, size, offset);
}

int flock(int descriptor, int operation)
{
    return fails("flock", descriptor, 0) ? -1 : REAL(flock)(descriptor, operation);
}
