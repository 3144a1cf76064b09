/* A device as its maker would write it: plain libzmq, PUB, the same envelope, srand(12345).
 *
 * usage: publisher ENDPOINT COUNT INTERVAL_US
 *
 * Prints the bound endpoint, waits for the end of standard input, then publishes COUNT packets and prints the samples
 * of each as a JSON array. */
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define TOPIC "fancyhw_data "
#define SAMPLES 16

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    void *context = zmq_ctx_new();
    void *socket = zmq_socket(context, ZMQ_PUB);
    if (zmq_bind(socket, argv[1]) != 0) {
        fprintf(stderr, "bind: %s\n", zmq_strerror(zmq_errno()));
        return 1;
    }
    char endpoint[256];
    size_t size = sizeof endpoint;
    zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, endpoint, &size);
    printf("%s\n", endpoint);
    fflush(stdout);
    while (getchar() != EOF)
        ;

    srand(12345);
    for (long packet = 0; packet < atol(argv[2]); packet++) {
        int16_t samples[SAMPLES];
        char envelope[sizeof TOPIC - 1 + sizeof samples];
        for (int i = 0; i < SAMPLES; i++) {
            samples[i] = (int16_t) rand();
            printf("%s%d", i ? "," : "[", samples[i]);
        }
        printf("]\n");
        memcpy(envelope, TOPIC, sizeof TOPIC - 1);
        memcpy(envelope + sizeof TOPIC - 1, samples, sizeof samples);
        zmq_send(socket, envelope, sizeof envelope, 0);
        usleep((useconds_t) atol(argv[3]));
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    return 0;
}
