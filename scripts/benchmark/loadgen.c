/* loadgen: the load that the bench scripts put on a server. Built on demand by bench_load.py.

Each of N connections to a port of 127.0.0.1 has one request outstanding at a time; all are driven
by one epoll loop. Requests are CBOR-RPC frames as a Python 2 worker sends them. Answers are read
only as far as the next request needs: the frame's length, that it holds a result, and out of
get_work the encoded spec names and unit keys, which go back as they are.

The protocol with the caller: make the connections, one call on each; print "ready"; wait for a
line; run; print one line of JSON; wait for the end of standard input. A line, or the end of the
input, that comes while the load runs stops it: so a load never outlives its caller.

Modes:
  frames  the frames of --frames FILE in turn, over and over; without the file list_work_specs({}).
          With --every US one connection asks at most once every US microseconds.
  work    get_work of one unit, then update_work_unit to FINISHED with data, by turns;
          --top-up N adds N new units after every N finished ones (not counted, not timed).
  batch   get_work of --batch units, then their updates as one list of requests in one frame.
  add     add_work_units of --batch units, 13 bytes of key, 40 bytes of encoded data.
--count is the number of: requests (frames), units (all other modes); 0 means until stopped. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "loadgen_cbor.h"
#include "loadgen_latency.h"

enum mode { FRAMES, WORK, BATCH, ADD };
enum state { ASKING, FINISHING, TOPPING_UP };

struct conn {
    int fd, number, outstanding;
    enum state state;
    struct buffer in, out; /* out holds the request being sent */
    size_t sent;
    uint64_t started, id;
    long next_frame, finished;
};

static struct {
    int port, connections, idle, mode, batch, top_up, specs, scatter, limit;
    uint64_t count, first, every;
    const char *frames;
} want = {.connections = 1, .batch = 1, .specs = 1, .limit = 600};

static struct buffer frames;
static size_t *frame_starts;
static long frame_count;

static struct {
    uint64_t units, errors, lost, idle_errors, ran_out;
} seen;

static uint64_t left, made;
static int active, epoll_fd;

static void die(const char *what) {
    fprintf(stderr, "loadgen: %s: %s\n", what, errno ? strerror(errno) : "not possible");
    exit(1);
}

static void put_get_work(struct buffer *b, struct conn *c, int max_jobs) {
    char worker[32];
    snprintf(worker, sizeof worker, "worker-%06d", c->number);
    open_call(b, 2);
    put_string(b, worker);
    put_head(b, 5, 3);
    put_option(b, "lease_time", 900);
    put_option(b, "available_gb", 7);
    put_option(b, "max_jobs", max_jobs);
    close_call(b, ++c->id, "get_work");
}

static void put_update(struct buffer *b, struct conn *c, const byte *names, size_t len) {
    open_call(b, 3);
    put(b, names, len); /* spec name and unit key, as they came */
    put_head(b, 5, 2);
    put_option(b, "status", 4);
    put_string(b, "data");
    put_data(b, "work done:", c->id);
    close_call(b, ++c->id, "update_work_unit");
}

static void put_add(struct buffer *b, struct conn *c, int units) {
    char spec[16], key[16];
    snprintf(spec, sizeof spec, "spec%02d", (int)((want.first + made) / units % want.specs));
    open_call(b, 2);
    put_string(b, spec);
    put_head(b, 4, units);
    for (int i = 0; i < units; i++, made++) {
        uint64_t number = want.first + made;
        /* Multiplied by a prime, modulo the 10^12 keys there are: all different, in no order. */
        if (want.scatter)
            number = (uint64_t)((unsigned __int128)number * 387420489019ull % 1000000000000ull);
        snprintf(key, sizeof key, "u%012llu", (unsigned long long)number);
        put(b, "\xd8\x80\x82", 3); /* a tuple of two */
        put_string(b, key);
        put_data(b, "work to do", number);
    }
    close_call(b, ++c->id, "add_work_units");
}

/* Sockets. */
static void watch(struct conn *c, int what, int how) {
    struct epoll_event event = {.events = what, .data.ptr = c};
    if (epoll_ctl(epoll_fd, how, c->fd, &event))
        die("epoll_ctl");
}

static void end_conn(struct conn *c, int lost) {
    seen.lost += lost;
    active--;
    close(c->fd);
    c->fd = -1;
}

static void push_out(struct conn *c) {
    int was_partial = c->sent > 0;
    ssize_t n = send(c->fd, c->out.at + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        end_conn(c, 1);
        return;
    }
    c->sent += n > 0 ? n : 0;
    if (c->sent < c->out.len)
        watch(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    else if (was_partial)
        watch(c, EPOLLIN, EPOLL_CTL_MOD);
}

/* Send the message as a frame; `raw` is one already. */
static void send_message(struct conn *c, const struct buffer *message, int raw) {
    c->out.len = c->sent = 0;
    if (!raw) {
        put(&c->out, "\xd8\x18", 2);
        put_head(&c->out, 2, message->len);
    }
    put(&c->out, message->at, message->len);
    c->outstanding = 1;
    c->started = now_ns();
    push_out(c);
}

static void take(uint64_t n) { left = want.count ? left - (n < left ? n : left) : 1; }

/* Send the next request that begins a cycle, or end the connection's part. */
static void next_request(struct conn *c) {
    static struct buffer message;
    message.len = 0;
    c->state = ASKING;
    if (!left) {
        end_conn(c, 0);
        return;
    }
    if (want.mode == FRAMES) {
        long i = c->next_frame++ % frame_count;
        struct buffer one = {frames.at + frame_starts[i], frame_starts[i + 1] - frame_starts[i], 0};
        take(1);
        send_message(c, &one, 1);
        return;
    }
    take(want.batch);
    if (want.mode == ADD)
        put_add(&message, c, want.batch);
    else
        put_get_work(&message, c, want.batch);
    send_message(c, &message, 0);
}

/* The units that get_work answered go back as finished. 0: there were none, or no such answer. */
static int finish_units(struct conn *c, const byte *p, const byte *end) {
    static struct buffer message;
    uint64_t n, units = 1;
    p = into(result_of(p, end), end, &n); /* the pair (what was got, message) */
    if (want.mode == BATCH)
        p = into(p, end, &units);
    if (!p || !units) {
        seen.errors += !p;
        seen.ran_out += !!p;
        return 0;
    }
    message.len = 0;
    if (want.mode == BATCH)
        put_head(&message, 4, units);
    for (uint64_t i = 0; i < units; i++) {
        const byte *names = into(p, end, &n), *after = skip(skip(names, end), end);
        if (!after || *names == 0xf6) {
            seen.errors += !after;
            seen.ran_out += !!after;
            return 0;
        }
        put_update(&message, c, names, after - names);
        p = skip(after, end);
    }
    seen.units += units;
    c->finished += units;
    c->state = FINISHING;
    send_message(c, &message, 0);
    return 1;
}

static void top_up(struct conn *c) {
    static struct buffer message;
    message.len = 0;
    c->state = TOPPING_UP;
    c->finished = 0;
    put_add(&message, c, want.top_up);
    send_message(c, &message, 0);
}

static void on_answer(struct conn *c, const byte *p, const byte *end) {
    c->outstanding = 0;
    if (c->state != TOPPING_UP)
        record(now_ns() - c->started);
    if ((want.mode == WORK || want.mode == BATCH) && c->state == ASKING) {
        if (!finish_units(c, p, end))
            end_conn(c, 0);
        return;
    }
    if (want.mode == FRAMES) {
        seen.errors += !(*p >> 5 == 4 || result_of(p, end)); /* a batch's answers are a list */
    } else if (want.mode == BATCH) {
        uint64_t n = 0;
        for (p = into(p, end, &n); n; n--, p = skip(p, end))
            seen.errors += !says_true(p, end);
    } else {
        seen.errors += !says_true(p, end);
        seen.units += want.mode == ADD ? want.batch : 0;
    }
    if (want.top_up && c->finished >= want.top_up)
        top_up(c);
    else if (!want.every) /* else the timer brings the next one */
        next_request(c);
}

/* Read what has come: 1: the answer is whole; 0: not yet; -1: the connection is lost. */
static int read_answer(struct conn *c, const byte **body, const byte **end) {
    reserve(&c->in, 4096);
    ssize_t n = recv(c->fd, c->in.at + c->in.len, c->in.cap - c->in.len, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN && fcntl(c->fd, F_GETFL) & O_NONBLOCK ? 0 : -1;
    c->in.len += n;
    size_t start = 0;
    ssize_t whole = frame_length(c->in.at, c->in.len, &start);
    if (whole < 0 || (whole && c->in.len > (size_t)whole))
        return -1;
    if (!whole || c->in.len < (size_t)whole)
        return 0;
    *body = c->in.at + start;
    *end = c->in.at + whole;
    c->in.len = 0;
    return 1;
}

/* One small call on a connection that blocks: 0 when it was answered. */
static int call_once(struct conn *c) {
    static struct buffer message;
    const byte *body, *end;
    int got;
    message.len = 0;
    put_list_work_specs(&message, ++c->id);
    send_message(c, &message, 0);
    c->outstanding = 0;
    while (!(got = read_answer(c, &body, &end)))
        ;
    return got == 1 ? 0 : -1;
}

static void connect_conn(struct conn *c, int number) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(want.port)};
    struct timeval limit = {.tv_sec = 10};
    int one = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    c->number = number;
    if ((c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
        die("socket");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    errno = 0;
    if (call_once(c))
        die("the first call on a connection");
}

static void load_frames(void) {
    size_t start = 0, body, cap = 0;
    ssize_t n;
    if (want.frames) {
        FILE *file = fopen(want.frames, "rb");
        if (!file)
            die(want.frames);
        do {
            reserve(&frames, 65536);
            frames.len += n = fread(frames.at + frames.len, 1, 65536, file);
        } while (n);
        fclose(file);
    } else {
        struct buffer message = {0};
        put_list_work_specs(&message, 1);
        put(&frames, "\xd8\x18", 2);
        put_head(&frames, 2, message.len);
        put(&frames, message.at, message.len);
        free(message.at);
    }
    for (; start < frames.len; start += n, frame_count++) {
        if ((n = frame_length(frames.at + start, frames.len - start, &body)) <= 0)
            die("--frames: not frames");
        if (frame_count + 2 > (long)cap) {
            cap = cap * 2 + 16;
            if (!(frame_starts = realloc(frame_starts, cap * sizeof *frame_starts)))
                die("memory");
        }
        frame_starts[frame_count] = start;
        frame_starts[frame_count + 1] = start + n;
    }
}

static void run(struct conn *conns) {
    struct epoll_event events[1024];
    struct conn timer = {.fd = -1}, input = {.fd = STDIN_FILENO};
    uint64_t deadline = now_ns() + want.limit * 1000000000ull, ticks;
    const byte *body, *end;
    active = want.connections;
    watch(&input, EPOLLIN, EPOLL_CTL_ADD);
    if (want.every) {
        struct timespec t = {want.every / 1000000000, want.every % 1000000000};
        struct itimerspec period = {t, t};
        timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        timerfd_settime(timer.fd, 0, &period, NULL);
        watch(&timer, EPOLLIN, EPOLL_CTL_ADD);
    }
    for (int i = 0; i < want.connections; i++) {
        fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
        watch(&conns[i], EPOLLIN, EPOLL_CTL_ADD);
        if (!want.every)
            next_request(&conns[i]);
    }
    while (active > 0) {
        int n = epoll_wait(epoll_fd, events, 1024, 1000);
        if (now_ns() > deadline) {
            fprintf(stderr, "loadgen: not done in %d seconds\n", want.limit);
            seen.errors++;
            return;
        }
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (c == &input)
                return;
            if (c == &timer) {
                if (read(timer.fd, &ticks, sizeof ticks) > 0 && !conns->outstanding)
                    next_request(conns);
                continue;
            }
            if (events[i].events & EPOLLOUT)
                push_out(c);
            if (c->fd < 0 || !(events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                continue;
            int got = read_answer(c, &body, &end);
            if (got < 0)
                end_conn(c, 1);
            else if (got)
                on_answer(c, body, end);
        }
    }
}

static void parse_options(int argc, char **argv) {
    static const char *modes[] = {"frames", "work", "batch", "add"};
    static const struct option names[] = {
        {"port", 1, 0, 'p'},    {"mode", 1, 0, 'm'},  {"connections", 1, 0, 'c'},
        {"count", 1, 0, 'n'},   {"idle", 1, 0, 'i'},  {"frames", 1, 0, 'f'},
        {"every", 1, 0, 'e'},   {"batch", 1, 0, 'b'}, {"top-up", 1, 0, 't'},
        {"specs", 1, 0, 's'},   {"first", 1, 0, 'k'}, {"scatter", 0, 0, 'x'},
        {"limit", 1, 0, 'l'},   {0, 0, 0, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        uint64_t n = optarg ? strtoull(optarg, NULL, 10) : 0;
        switch (option) {
        case 'p': want.port = n; break;
        case 'm':
            for (want.mode = ADD; want.mode >= 0 && strcmp(modes[want.mode], optarg); want.mode--)
                ;
            if (want.mode < 0)
                die(optarg);
            break;
        case 'c': want.connections = n; break;
        case 'n': want.count = n; break;
        case 'i': want.idle = n; break;
        case 'f': want.frames = optarg; break;
        case 'e': want.every = n * 1000; break;
        case 'b': want.batch = n; break;
        case 't': want.top_up = n; break;
        case 's': want.specs = n; break;
        case 'k': want.first = n; break;
        case 'x': want.scatter = 1; break;
        case 'l': want.limit = n; break;
        default: exit(2);
        }
    }
    if (want.mode == WORK)
        want.batch = 1;
    if (want.every)
        want.connections = 1; /* the timer serves one connection */
    left = want.count ? want.count : 1;
}

static double processor_seconds(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    struct rlimit files;
    char line[16];
    parse_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    load_frames();
    int all = want.connections + want.idle;
    struct conn *conns = calloc(all, sizeof *conns);
    for (int i = 0; i < all; i++)
        connect_conn(&conns[i], i);
    printf("ready\n");
    fflush(stdout);
    if (read(STDIN_FILENO, line, sizeof line) <= 0)
        return 1;
    double before = processor_seconds();
    uint64_t start = now_ns();
    run(conns);
    double seconds = (now_ns() - start) / 1e9;
    double cpu = processor_seconds() - before;
    for (int i = want.connections; i < all; i++)
        seen.idle_errors += call_once(&conns[i]) != 0;
    printf("{");
    print_latencies();
    printf(", \"units\": %llu, \"seconds\": %.6f, \"cpu_seconds\": %.6f, ",
           (unsigned long long)seen.units, seconds, cpu);
    printf("\"errors\": %llu, \"lost\": %llu, \"idle_errors\": %llu, \"ran_out\": %llu}\n",
           (unsigned long long)seen.errors, (unsigned long long)seen.lost,
           (unsigned long long)seen.idle_errors, (unsigned long long)seen.ran_out);
    fflush(stdout);
    while (read(STDIN_FILENO, line, sizeof line) > 0)
        ;
    return 0;
}
