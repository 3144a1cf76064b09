/* A program that reads the device: plain libzmq, one blocking call for each message.
 *
 * usage: subscriber ENDPOINT COUNT FILE
 *
 * Says READY, receives COUNT messages, and writes into FILE when each came: CLOCK_MONOTONIC in nanoseconds, as int64. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

/* As large as a message gets. */
static char message[1 << 20];

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t count = strtoull(argv[2], NULL, 10);
    int64_t *came_ns = malloc(count * sizeof *came_ns);
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_SUB);
    /* It may be here before the device: then the device is found within a millisecond and not, as libzmq does, a tenth
     * of a second. */
    int reconnect_ms = 1, timeout_ms = 20000;
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof reconnect_ms);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "fancyhw_data ", 13);
    if (came_ns == NULL || zmq_connect(socket, argv[1]) != 0)
        return 1;
    puts("READY");
    fflush(stdout);
    for (size_t number = 0; number < count; number++) {
        if (zmq_recv(socket, message, sizeof message, 0) < 0) {
            fprintf(stderr, "message %zu: %s\n", number, zmq_strerror(zmq_errno()));
            return 1;
        }
        came_ns[number] = monotonic_ns();
    }
    FILE *file = fopen(argv[3], "w");
    return file == NULL || fwrite(came_ns, sizeof *came_ns, count, file) != count || fclose(file) != 0;
}
