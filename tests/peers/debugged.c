/* A program that reads the device, to be stopped by a debugger: plain libzmq.
 *
 * usage: debugged ENDPOINT COUNT FILE NUMBER...
 *
 * Says READY and the number of its process, receives COUNT packets, and calls here() at those with these NUMBERs, from 0. Writes into
 * FILE for each packet when it came and when the program went on behind it (CLOCK_MONOTONIC in nanoseconds, as int64), and its bytes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define PACKET 45

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* Where the debugger has its breakpoint. */
__attribute__((noinline, noclone)) void here(size_t number)
{
    __asm__ volatile("" : : "r"(number) : "memory");
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return 2;
    size_t count = strtoull(argv[2], NULL, 10);
    FILE *file = fopen(argv[3], "w");
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_SUB);
    int unlimited = 0, timeout_ms = 60000;
    zmq_setsockopt(socket, ZMQ_RCVHWM, &unlimited, sizeof unlimited);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "fancyhw_data ", 13);
    if (file == NULL || zmq_connect(socket, argv[1]) != 0)
        return 1;
    printf("READY %ld\n", (long) getpid());
    fflush(stdout);
    for (size_t number = 0; number < count; number++) {
        char packet[PACKET];
        int bytes;
        do
            bytes = zmq_recv(socket, packet, sizeof packet, 0);
        while (bytes < 0 && zmq_errno() == EINTR);
        if (bytes != PACKET) {
            fprintf(stderr, "packet %zu: %d bytes, %s\n", number, bytes, zmq_strerror(zmq_errno()));
            return 1;
        }
        int64_t times_ns[2] = { monotonic_ns(), 0 };
        for (int i = 4; i < argc; i++)
            if (strtoull(argv[i], NULL, 10) == number)
                here(number);
        times_ns[1] = monotonic_ns();
        fwrite(times_ns, sizeof times_ns, 1, file);
        fwrite(packet, sizeof packet, 1, file);
    }
    return fclose(file) != 0;
}
