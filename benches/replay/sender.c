/* The least that a replay must do: messages from memory, sent when they are due, or as fast as they are taken.
 *
 * usage: sender ENDPOINT MESSAGES MESSAGE_BYTES INTERVAL_NS LATENESS
 *
 * The file MESSAGES holds messages of MESSAGE_BYTES each, one behind the other. They are sent when a subscriber is there:
 * one each INTERVAL_NS, or without a pause when that is 0, but none is dropped. Into the file LATENESS is written how late
 * each one left, in nanoseconds, as int64. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <zmq.h>

/* fancyhwd's precise pacing (src/clock.rs), to compare like with like: it wakes so much early and watches the clock. */
#define SPIN_NS 60000

/* Messages that libzmq may hold for a subscriber: as many as fancyhwd asks for with packets of 16 samples. */
#define QUEUE_MESSAGES 13500

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void wait_until(int64_t due_ns)
{
    int64_t wake_ns = due_ns - SPIN_NS;
    struct timespec wake = { wake_ns / 1000000000, wake_ns % 1000000000 };
    while (monotonic_ns() < wake_ns)
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, NULL);
    while (monotonic_ns() < due_ns)
        ;
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 2;
    size_t message_bytes = strtoull(argv[3], NULL, 10);
    int64_t interval_ns = strtoll(argv[4], NULL, 10);
    FILE *file = fopen(argv[2], "r");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        return 1;
    size_t bytes = (size_t) ftell(file), count = bytes / message_bytes;
    char *messages = malloc(bytes);
    int64_t *late_ns = calloc(count, sizeof *late_ns);
    rewind(file);
    if (messages == NULL || late_ns == NULL || fread(messages, 1, bytes, file) != bytes)
        return 1;
    fclose(file);

    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_XPUB);
    int nodrop = 1, queue_messages = QUEUE_MESSAGES;
    zmq_setsockopt(socket, ZMQ_XPUB_NODROP, &nodrop, sizeof nodrop);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &queue_messages, sizeof queue_messages);
    char subscription[64];
    if (zmq_bind(socket, argv[1]) != 0 || zmq_recv(socket, subscription, sizeof subscription, 0) < 0)
        return 1;

    prctl(PR_SET_TIMERSLACK, 1);
    int64_t began_ns = monotonic_ns();
    for (size_t number = 0; number < count; number++) {
        int64_t due_ns = began_ns + (int64_t) number * interval_ns;
        if (interval_ns > 0)
            wait_until(due_ns);
        /* Handed over now: at this rate there is always room. */
        if (interval_ns > 0)
            late_ns[number] = monotonic_ns() - due_ns;
        if (zmq_send(socket, messages + number * message_bytes, message_bytes, 0) < 0)
            return 1;
    }
    /* Until the subscription ends: when the sender closes an ipc connection that is full, libzmq does not give the
     * subscriber what the kernel still holds for it. */
    zmq_recv(socket, subscription, sizeof subscription, 0);
    zmq_close(socket);
    zmq_ctx_term(context);
    file = fopen(argv[5], "w");
    return file == NULL || fwrite(late_ns, sizeof *late_ns, count, file) != count || fclose(file) != 0;
}
