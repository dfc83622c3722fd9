/* loadgen_cbor.h: the CBOR-RPC that loadgen.c writes and reads, and nothing about sockets.

A frame is tag 24 over a byte string that holds one message (RFC 8949, 3.4.5.1). Requests have the
key order of a Python 2 client. Answers may have any; they are of definite length. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef unsigned char byte;

struct buffer {
    byte *at;
    size_t len, cap;
};

/* Writing CBOR. */
static void reserve(struct buffer *b, size_t more) {
    if (b->len + more > b->cap) {
        b->cap = (b->len + more) * 2;
        if (!(b->at = realloc(b->at, b->cap)))
            abort(); /* no memory */
    }
}

static void put(struct buffer *b, const void *p, size_t n) {
    reserve(b, n);
    memcpy(b->at + b->len, p, n);
    b->len += n;
}

static void put_head(struct buffer *b, int major, uint64_t n) {
    byte h[5] = {(byte)(major << 5 | 26), (byte)(n >> 24), (byte)(n >> 16), (byte)(n >> 8),
                 (byte)n};
    if (n < 24)
        h[0] = (byte)(major << 5 | n), put(b, h, 1);
    else if (n < 256)
        h[3] = (byte)(major << 5 | 24), put(b, h + 3, 2);
    else if (n < 65536)
        h[2] = (byte)(major << 5 | 25), put(b, h + 2, 3);
    else
        put(b, h, 5);
}

static void put_string(struct buffer *b, const char *s) {
    put_head(b, 2, strlen(s));
    put(b, s, strlen(s));
}

static void put_option(struct buffer *b, const char *name, uint64_t value) {
    put_string(b, name);
    put_head(b, 0, value);
}

static void open_call(struct buffer *b, int parameters) {
    put(b, "\xa3\x46params", 8);
    put_head(b, 4, parameters);
}

static void close_call(struct buffer *b, uint64_t id, const char *method) {
    put_option(b, "id", id);
    put(b, "\x46method", 7);
    put_string(b, method);
}

/* The data of a unit: {b'data': 32 bytes}, 40 bytes encoded. */
static void put_data(struct buffer *b, const char *what, uint64_t number) {
    char text[40];
    snprintf(text, sizeof text, "%.10s %021llu", what, (unsigned long long)number);
    put(b, "\xa1\x44"
           "data\x58\x20",
        8);
    put(b, text, 32);
}

static void put_list_work_specs(struct buffer *b, uint64_t id) {
    open_call(b, 1);
    put_head(b, 5, 0);
    close_call(b, id, "list_work_specs");
}

/* Reading CBOR: each returns where the next item starts, or NULL: the bytes are not as expected. */
static const byte *head(const byte *p, const byte *end, int *major, uint64_t *n) {
    if (!p || p >= end || (*p & 31) > 27)
        return NULL;
    int more = (*p & 31) < 24 ? 0 : 1 << ((*p & 31) - 24);
    *major = *p >> 5;
    *n = *p++ & 31;
    if (end - p < more)
        return NULL;
    for (*n = more ? 0 : *n; more; more--)
        *n = *n << 8 | *p++;
    return p;
}

static const byte *skip(const byte *p, const byte *end) {
    int major = 0;
    uint64_t n = 0;
    if (!(p = head(p, end, &major, &n)))
        return NULL;
    if (major == 2 || major == 3)
        return n <= (uint64_t)(end - p) ? p + n : NULL;
    uint64_t items = major == 4 ? n : major == 5 ? 2 * n : major == 6 ? 1 : 0;
    while (p && items--)
        p = skip(p, end);
    return p;
}

/* Into an array, through a tag before it. */
static const byte *into(const byte *p, const byte *end, uint64_t *count) {
    int major = 0;
    p = head(p, end, &major, count);
    if (p && major == 6)
        p = head(p, end, &major, count);
    return p && major == 4 ? p : NULL;
}

/* The value of `result` in an answer. */
static const byte *result_of(const byte *p, const byte *end) {
    int major = 0;
    uint64_t pairs = 0, n = 0;
    p = head(p, end, &major, &pairs);
    if (!p || major != 5)
        return NULL;
    while (p && pairs--) {
        const byte *key = head(p, end, &major, &n);
        if (!key || n > (uint64_t)(end - key))
            return NULL;
        if (n == 6 && !memcmp(key, "result", 6))
            return key + 6;
        p = skip(key + n, end);
    }
    return NULL;
}

static int says_true(const byte *p, const byte *end) {
    uint64_t n;
    p = into(result_of(p, end), end, &n);
    return p && p < end && *p == 0xf5;
}

/* The length of the frame at the start of the bytes; 0: too few to tell; -1: no frame. The
content starts at *body. */
static ssize_t frame_length(const byte *p, size_t len, size_t *body) {
    int major = 0;
    uint64_t n = 0;
    if (len < 3)
        return 0;
    if (p[0] != 0xd8 || p[1] != 0x18 || p[2] >> 5 != 2)
        return -1;
    const byte *content = head(p + 2, p + len, &major, &n);
    if (!content)
        return 0;
    *body = content - p;
    return *body + n;
}
