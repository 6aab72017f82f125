/* A clock of the day that is wrong by as many seconds as a file says, for programs that are started with LD_PRELOAD. Clocks that only
 * count on are right. */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("WRONG_CLOCK");
    int file = path && !result && clock == CLOCK_REALTIME ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        char text[32] = {0};
        if (read(file, text, sizeof text - 1) > 0)
            now->tv_sec += strtoll(text, NULL, 10);
        close(file);
    }
    return result;
}
