/* The least that a recorder of several devices must do: wait for all of them, receive, and stamp with both clocks.
 *
 * usage: poll COUNT ENDPOINT...
 *
 * Says READY, and ends after COUNT messages or at SIGTERM. Says how many came. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#define DEVICES_MAX 64

static volatile sig_atomic_t stopped;
static volatile int64_t stamp_ns;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv)
{
    int devices = argc - 2;
    if (devices < 1 || devices > DEVICES_MAX)
        return 2;
    uint64_t count = strtoull(argv[1], NULL, 10), came = 0;
    void *context = zmq_ctx_new();
    zmq_pollitem_t items[DEVICES_MAX] = {{0}};
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGTERM, &action, NULL);
    for (int device = 0; device < devices; device++) {
        int reconnect_ms = 10;
        items[device].socket = zmq_socket(context, ZMQ_SUB);
        items[device].events = ZMQ_POLLIN;
        zmq_setsockopt(items[device].socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof reconnect_ms);
        zmq_setsockopt(items[device].socket, ZMQ_SUBSCRIBE, "fancyhw_data", 12);
        if (zmq_connect(items[device].socket, argv[2 + device]) != 0)
            return 1;
    }
    puts("READY");
    fflush(stdout);
    zmq_msg_t message;
    zmq_msg_init(&message);
    while (came < count && !stopped) {
        if (zmq_poll(items, devices, -1) < 0)
            continue;
        for (int device = 0; device < devices; device++) {
            if (!(items[device].revents & ZMQ_POLLIN))
                continue;
            while (zmq_msg_recv(&message, items[device].socket, ZMQ_DONTWAIT) >= 0) {
                stamp_ns = now_ns(CLOCK_REALTIME) + now_ns(CLOCK_MONOTONIC);
                came++;
            }
        }
    }
    printf("%llu\n", (unsigned long long)came);
    return 0;
}
