/* loadgen_latency.h: the time each call took, kept as a histogram. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* Latencies: 64 buckets for each doubling, so a quantile is exact to 1.6 percent. */
static uint64_t buckets[64 * 64], calls, longest, total_ns;

static void record(uint64_t ns) {
    int e = ns < 64 ? 5 : 63 - __builtin_clzll(ns);
    buckets[ns < 64 ? ns : (uint64_t)(e - 5) * 64 + ((ns >> (e - 6)) & 63)]++;
    total_ns += ns;
    longest = ns > longest ? ns : longest;
    calls++;
}

static double quantile_us(double share) {
    uint64_t below = 0, wanted = (uint64_t)(share * calls);
    for (uint64_t i = 0; i < 64 * 64; i++) {
        below += buckets[i];
        if (below > wanted)
            return (i < 64 ? i : (64 + i % 64) << (i / 64 - 1)) / 1e3;
    }
    return longest / 1e3;
}

/* JSON members, in microseconds. */
static void print_latencies(void) {
    printf("\"calls\": %llu, \"mean_us\": %.3f, ", (unsigned long long)calls,
           calls ? total_ns / 1e3 / calls : 0);
    printf("\"p50_us\": %.3f, \"p99_us\": %.3f, \"max_us\": %.3f", quantile_us(0.5),
           quantile_us(0.99), longest / 1e3);
}
