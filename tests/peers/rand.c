/* What the C library says: COUNT values of (int16_t) rand() after srand(SEED), little-endian, on standard output.
 *
 * usage: rand SEED COUNT */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    srand((unsigned) strtoul(argv[1], NULL, 10));
    for (long i = 0; i < atol(argv[2]); i++) {
        uint16_t value = (uint16_t) rand();
        putchar(value & 0xff);
        putchar(value >> 8);
    }
    return 0;
}
