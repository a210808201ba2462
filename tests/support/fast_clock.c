/* A preloaded library in which time passes faster: clocks, and what waits by them. How fast, and since when, stands in the
   file FAST_CLOCK, for all that have it in common; a wait that is under way when that changes ends as it began.
   Deadlines that the kernel keeps itself (SO_RCVTIMEO) stay as long as they are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

/* What fast_clock.py writes: `turn` is odd while it does. Times in nanoseconds. */
struct pace {
    _Atomic uint64_t turn;
    double speed;
    int64_t since; /* the kernel's monotonic clock when this speed began, */
    int64_t ahead; /* and how far all clocks were ahead then */
};

static const struct pace *shared;

__attribute__((constructor)) static void begin(void)
{
    const char *name = getenv("FAST_CLOCK");
    int file = name ? open(name, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *found = mmap(NULL, sizeof(struct pace), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (found != MAP_FAILED)
        shared = found;
}

static int64_t kernel(clockid_t clock)
{
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static struct pace pace(void)
{
    struct pace found = {0, 1.0, 0, 0};
    uint64_t turn;
    if (!shared)
        return found;
    do {
        turn = atomic_load(&shared->turn);
        found.speed = shared->speed;
        found.since = shared->since;
        found.ahead = shared->ahead;
        atomic_thread_fence(memory_order_seq_cst);
    } while (turn & 1 || turn != atomic_load(&shared->turn));
    return found;
}

static int is_fast(clockid_t clock)
{
    return clock != CLOCK_PROCESS_CPUTIME_ID && clock != CLOCK_THREAD_CPUTIME_ID && clock >= 0;
}

static int64_t ahead(void)
{
    struct pace now = pace();
    return now.ahead + (int64_t)((now.speed - 1.0) * (double)(kernel(CLOCK_MONOTONIC) - now.since));
}

static struct timespec spec(int64_t span)
{
    struct timespec found = {span / SECOND, span % SECOND};
    return found;
}

static struct timespec slowed(int64_t span)
{
    return spec(span > 0 ? (int64_t)((double)span / pace().speed) : 0);
}

/* How long it really is until a moment of this clock. */
static struct timespec until(clockid_t clock, const struct timespec *moment)
{
    return slowed(moment->tv_sec * SECOND + moment->tv_nsec - kernel(clock) - ahead());
}

/* The same moment for who does not know that clocks are fast. */
static struct timespec real(clockid_t clock, const struct timespec *moment)
{
    struct timespec rest = until(clock, moment);
    return spec(kernel(clock) + rest.tv_sec * SECOND + rest.tv_nsec);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && is_fast(clock))
        *now = spec(now->tv_sec * SECOND + now->tv_nsec + ahead());
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    int failed = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return failed;
}

time_t time(time_t *now)
{
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *left)
{
    int64_t span = wanted->tv_sec * SECOND + wanted->tv_nsec;
    struct timespec rest = flags & TIMER_ABSTIME ? until(clock, wanted) : slowed(span);
    if (!syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &rest, &rest))
        return 0;
    if (left && !(flags & TIMER_ABSTIME))
        *left = spec((int64_t)((double)(rest.tv_sec * SECOND + rest.tv_nsec) * pace().speed));
    return errno;
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    int failed = clock_nanosleep(CLOCK_MONOTONIC, 0, wanted, left);
    if (failed)
        errno = failed;
    return failed ? -1 : 0;
}

int epoll_wait(int file, struct epoll_event *events, int most, int milliseconds)
{
    struct timespec rest = slowed(milliseconds * 1000000LL);
    return syscall(SYS_epoll_pwait2, file, events, most, milliseconds < 0 ? NULL : &rest, NULL, 0);
}

int poll(struct pollfd *files, nfds_t number, int milliseconds)
{
    struct timespec rest = slowed(milliseconds * 1000000LL);
    return ppoll(files, number, milliseconds < 0 ? NULL : &rest, NULL);
}

int select(int number, fd_set *readable, fd_set *writable, fd_set *others, struct timeval *most)
{
    struct timespec rest = slowed(most ? most->tv_sec * SECOND + most->tv_usec * 1000 : 0);
    return pselect(number, readable, writable, others, most ? &rest : NULL, NULL);
}

/* dlsym finds the oldest version of a symbol, and that of conditions is another thing than today's. */
static void *next(const char *name, const char *version)
{
    void *found = dlvsym(RTLD_NEXT, name, version);
    return found ? found : dlsym(RTLD_NEXT, name);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *moment)
{
    static int (*wait)(sem_t *, clockid_t, const struct timespec *);
    struct timespec end = real(clock, moment);
    if (!wait)
        wait = next("sem_clockwait", "GLIBC_2.34");
    return wait(semaphore, clock, &end);
}

int sem_timedwait(sem_t *semaphore, const struct timespec *moment)
{
    return sem_clockwait(semaphore, CLOCK_REALTIME, moment);
}

/* Which clock a condition has only its maker knows: the one that is nearer to the moment. */
int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *moment)
{
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    int64_t day = kernel(CLOCK_REALTIME) / SECOND + ahead() / SECOND;
    struct timespec end = real(moment->tv_sec > day / 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, moment);
    if (!wait)
        wait = next("pthread_cond_timedwait", "GLIBC_2.3.2");
    return wait(condition, mutex, &end);
}
