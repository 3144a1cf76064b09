/* The least that a subscriber must do, in the clear or encrypted: receive and stamp.
 *
 * usage: secured COUNT ENDPOINT [SERVER_KEY PUBLIC_KEY SECRET_KEY]
 *
 * Says READY, and ends after COUNT messages. Says when the first one came, on the wall clock. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 3 && argc != 6)
        return 2;
    uint64_t count = strtoull(argv[1], NULL, 10);
    void *socket = zmq_socket(zmq_ctx_new(), ZMQ_SUB);
    int high_water_mark = 100000;
    zmq_setsockopt(socket, ZMQ_RCVHWM, &high_water_mark, sizeof high_water_mark);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "fancyhw_data", 12);
    if (argc == 6) {
        zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, argv[3], 41);
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, argv[4], 41);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, argv[5], 41);
    }
    if (zmq_connect(socket, argv[2]) != 0)
        return 1;
    puts("READY");
    fflush(stdout);
    volatile int64_t stamp_ns;
    int64_t first_ns = 0;
    zmq_msg_t message;
    zmq_msg_init(&message);
    for (uint64_t came = 0; came < count; came++) {
        if (zmq_msg_recv(&message, socket, 0) < 0)
            return 1;
        stamp_ns = now_ns(CLOCK_MONOTONIC);
        int64_t unix_ns = now_ns(CLOCK_REALTIME);
        if (came == 0)
            first_ns = unix_ns;
    }
    (void)stamp_ns;
    printf("%lld\n", (long long)first_ns);
    return 0;
}
