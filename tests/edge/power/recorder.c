/* Writes down what a process does to the files of one folder (LD_PRELOAD).
 *
 * KHAEN_POWER_FOLDER names the folder, KHAEN_POWER_LOG the record, outside of it. An entry is there
 * when the call returns: whatever the process says to others afterwards was said after it.
 * Entry, packed, in the machine's byte order: operation (1 byte), length of the name (2), offset
 * (8), length of the data (4), name, data. A size to which a file was cut stands as the offset.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct head {
    uint8_t operation;
    uint16_t name_length;
    uint64_t offset;
    uint32_t length;
} __attribute__((packed));

static void record(char operation, const char *name, uint64_t offset, const void *data, size_t length)
{
    static int log = -1;
    int error = errno;
    if (log < 0)
        log = open(getenv("KHAEN_POWER_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    struct head head = {operation, strlen(name), offset, length};
    struct iovec parts[] = {
        {&head, sizeof head}, {(void *)name, head.name_length}, {(void *)data, length}};
    if (log < 0 || writev(log, parts, 3) < 0)
        abort();
    errno = error;
}

/* The name of a path within the folder, NULL for any other. */
static const char *within(const char *path)
{
    const char *folder = getenv("KHAEN_POWER_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length) || path[length] != '/')
        return NULL;
    return path + length + 1;
}

static const char *name_of(int fd, char path[PATH_MAX])
{
    char link[32];
    int error = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    errno = error;
    if (length < 0)
        return NULL;
    path[length] = 0;
    return within(path);
}

/* Do it, and write it down where it is done to one of our files and comes to something. */
#define RECORDED(call, name, operation, offset, data, length)          \
    const char *known = (name);                                       \
    if (!known)                                                       \
        return call;                                                  \
    pthread_mutex_lock(&lock);                                        \
    __typeof__(call) done = call;                                     \
    if (done >= 0)                                                    \
        record(operation, known, offset, data, length);               \
    pthread_mutex_unlock(&lock);                                      \
    return done

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    char path[PATH_MAX];
    RECORDED(REAL(pwrite64)(fd, data, length, offset), name_of(fd, path), 'w', offset, data, done);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return pwrite64(fd, data, length, offset);
}

ssize_t write(int fd, const void *data, size_t length)
{
    char path[PATH_MAX];
    RECORDED(REAL(write)(fd, data, length), name_of(fd, path), 'w',
             lseek(fd, 0, SEEK_CUR) - done, data, done);
}

int ftruncate64(int fd, off64_t size)
{
    char path[PATH_MAX];
    RECORDED(REAL(ftruncate64)(fd, size), name_of(fd, path), 't', size, NULL, 0);
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int fsync(int fd)
{
    char path[PATH_MAX];
    RECORDED(REAL(fsync)(fd), name_of(fd, path), 's', 0, NULL, 0);
}

int fdatasync(int fd)
{
    char path[PATH_MAX];
    RECORDED(REAL(fdatasync)(fd), name_of(fd, path), 's', 0, NULL, 0);
}

int unlink(const char *path)
{
    RECORDED(REAL(unlink)(path), within(path), 'u', 0, NULL, 0);
}

int rename(const char *from, const char *to)
{
    const char *target = within(to);
    target = target ? target : "";
    RECORDED(REAL(rename)(from, to), within(from), 'r', 0, target, strlen(target));
}
