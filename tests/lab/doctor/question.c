/* The question's server in C, as the book reconstructs it.
 *
 * What it does: one thread sits in select(), four workers serve. A connection with
 * something to read leaves the list before a worker gets it; the worker puts it back,
 * and writes a byte into a pipe that ends select() (the question's fourth design).
 * With --timeout-ms there is no such byte, and select() ends by itself (its third).
 * With --close there is no keep-alive (where it began).
 *
 * What it costs: the head goes out in one write() and the body in another. --one-write
 * sends them together and changes nothing else.
 *
 * See it break:
 *     cc -std=c11 -O2 -pthread -o question tests/lab/doctor/question.c
 *     ./question
 *     python -m lab probe http://127.0.0.1:PORT --requests 5  # head at once, body late
 *     python -m lab load http://127.0.0.1:PORT --connections 100
 *     kill -USR1 PID                                          # lock_wait_s: hardly any
 *
 * It knows GET and HEAD, and has one document. It ends at SIGTERM or SIGINT and, if its
 * standard input is a pipe, when that is closed.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 4, MAX_REQUEST = 8192, BODY_LENGTH = 70 };

static const char BODY[] =
    "<!doctype html><title>70 bytes</title><p>The document that we serve.\n\n";

static bool one_write, close_always;
static long timeout_ms = -1; /* -1: none; the pipe ends select() */

struct connection {
    struct connection *previous, *next; /* in one list at a time: kept, or jobs */
    int fd;
    size_t received;
    char bytes[MAX_REQUEST + 1]; /* what is not answered yet, and a 0 */
};

/* Whoever walks or changes the list of kept connections holds `lock`: the suspect. Its
 * three counts are changed only by whoever holds it, so that they are exact. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct connection kept = {.previous = &kept, .next = &kept}; /* a ring */
static long lock_uses, lock_waits; /* lock_waits: uses that found it taken */
static double lock_wait_s;         /* how long those waited, together */

static pthread_mutex_t jobs_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t jobs_changed = PTHREAD_COND_INITIALIZER;
static struct connection *first_job, **last_job = &first_job;

static _Atomic long dispatched, select_calls;
static int listener, wake_pipe[2];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void acquire(void) {
    struct timespec asked, got;
    if (pthread_mutex_trylock(&lock) != 0) {
        clock_gettime(CLOCK_MONOTONIC, &asked);
        pthread_mutex_lock(&lock);
        clock_gettime(CLOCK_MONOTONIC, &got);
        lock_wait_s += difftime(got.tv_sec, asked.tv_sec);
        lock_wait_s += (double)(got.tv_nsec - asked.tv_nsec) / 1e9;
        lock_waits++;
    }
    lock_uses++;
}

static void attach(struct connection *c) {
    acquire();
    c->previous = kept.previous;
    c->next = &kept;
    kept.previous->next = c;
    kept.previous = c;
    pthread_mutex_unlock(&lock);
}

static void detach(const struct connection *c) {
    acquire();
    c->previous->next = c->next;
    c->next->previous = c->previous;
    pthread_mutex_unlock(&lock);
}

static void submit(struct connection *c) {
    c->next = NULL;
    pthread_mutex_lock(&jobs_lock);
    *last_job = c;
    last_job = &c->next;
    pthread_cond_signal(&jobs_changed);
    pthread_mutex_unlock(&jobs_lock);
}

static struct connection *next_job(void) {
    pthread_mutex_lock(&jobs_lock);
    while (first_job == NULL) pthread_cond_wait(&jobs_changed, &jobs_lock);
    struct connection *c = first_job;
    first_job = c->next;
    if (first_job == NULL) last_job = &first_job;
    pthread_mutex_unlock(&jobs_lock);
    return c;
}

static bool has(const char *head, const char *line) {
    while ((head = strstr(head, "\r\n")) != NULL)
        if (strncasecmp(head += 2, line, strlen(line)) == 0) return true;
    return false;
}

/* Answer one request; returns whether to keep the connection. */
static bool answer(int fd, const char *head) {
    bool get = strncmp(head, "GET ", 4) == 0, known = get || !strncmp(head, "HEAD ", 5);
    bool keep = known && !close_always && !has(head, "Connection: close") &&
                strstr(head, " HTTP/1.1\r\n") != NULL;
    char text[512];
    int length = snprintf(text, sizeof text,
                          "HTTP/1.1 %s\r\nContent-Type: text/html\r\n"
                          "Content-Length: %d\r\n%s\r\n",
                          known ? "200 OK" : "501 Not Implemented",
                          known ? BODY_LENGTH : 0, keep ? "" : "Connection: close\r\n");
    int rest = get ? BODY_LENGTH : 0;
    if (one_write) { /* the body behind the head, and nothing is left to be written */
        memcpy(text + length, BODY, (size_t)rest);
        length += rest;
        rest = 0;
    }
    return write(fd, text, (size_t)length) == length &&
           (rest == 0 || write(fd, BODY, (size_t)rest) == rest) && keep;
}

/* Read, and answer what has come whole; returns whether to keep the connection. */
static bool serve(struct connection *c) {
    for (bool answered = false; !answered;) { /* half a request holds up the worker */
        ssize_t got = read(c->fd, c->bytes + c->received, MAX_REQUEST - c->received);
        if (got <= 0) return false; /* the client has gone, or its request is too long */
        c->received += (size_t)got;
        c->bytes[c->received] = '\0';
        for (char *end; (end = strstr(c->bytes, "\r\n\r\n")) != NULL; answered = true) {
            end[2] = '\0'; /* the head ends with its last line */
            if (!answer(c->fd, c->bytes)) return false;
            c->received -= (size_t)(end + 4 - c->bytes);
            memmove(c->bytes, end + 4, c->received + 1);
        }
    }
    return true;
}

static void *work(void *unused) {
    for (struct connection *c; (c = next_job()) != NULL;)
        if (serve(c)) {
            attach(c); /* first into the list, then the byte */
            if (timeout_ms < 0 && write(wake_pipe[1], "", 1) < 0 && errno != EAGAIN)
                die("write to the pipe");
        } else {
            close(c->fd);
            free(c);
        }
    return unused;
}

/* One call of select(), and what comes of it. */
static void watch_once(void) {
    struct connection *watched[FD_SETSIZE] = {NULL}; /* by descriptor */
    struct timeval wait = {timeout_ms / 1000, (int)(timeout_ms % 1000 * 1000)};
    fd_set set;
    int highest = listener; /* opened after the pipe, and so a higher number */
    FD_ZERO(&set);
    FD_SET(wake_pipe[0], &set);
    FD_SET(listener, &set);
    acquire();
    for (struct connection *c = kept.next; c != &kept; c = c->next) {
        FD_SET(c->fd, &set);
        watched[c->fd] = c;
        if (c->fd > highest) highest = c->fd;
    }
    pthread_mutex_unlock(&lock);
    select_calls++;
    if (select(highest + 1, &set, NULL, NULL, timeout_ms < 0 ? NULL : &wait) < 0)
        die("select");
    char bytes[4096];
    if (FD_ISSET(wake_pipe[0], &set) && read(wake_pipe[0], bytes, sizeof bytes) < 0)
        die("read from the pipe");
    for (int fd = 0; fd <= highest; fd++)
        if (watched[fd] != NULL && FD_ISSET(fd, &set)) {
            detach(watched[fd]); /* first out of the list, then to a worker */
            dispatched++;
            submit(watched[fd]);
        }
    int fd = FD_ISSET(listener, &set) ? accept(listener, NULL, NULL) : -1;
    struct connection *new = fd < 0 || fd >= FD_SETSIZE ? NULL : calloc(1, sizeof *new);
    if (new != NULL) {
        new->fd = fd;
        attach(new);
    } else if (fd >= 0)
        close(fd); /* FD_SET() would write past the end of the set */
}

static void *watch(void *unused) {
    for (;;) watch_once();
    return unused;
}

static void *end_with_stdin(void *unused) {
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) continue;
    kill(getpid(), SIGTERM);
    return unused;
}

static void start(void *(*run)(void *)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, run, NULL) != 0) die("pthread_create");
}

static void print_stats(void) {
    acquire();
    printf("question stats dispatched=%ld select_calls=%ld lock_uses=%ld "
           "lock_waits=%ld lock_wait_s=%.6f\n",
           dispatched, select_calls, lock_uses, lock_waits, lock_wait_s);
    pthread_mutex_unlock(&lock);
}

int main(int unused, char **argv) {
    (void)unused;
    while (*++argv != NULL)
        if (strcmp(*argv, "--one-write") == 0) one_write = true;
        else if (strcmp(*argv, "--close") == 0) close_always = true;
        else if (strcmp(*argv, "--timeout-ms") == 0 && argv[1] != NULL)
            timeout_ms = atol(*++argv);
        else
            return fputs("question [--one-write] [--close] [--timeout-ms N]\n", stderr);
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (pipe(wake_pipe) < 0 || fcntl(wake_pipe[1], F_SETFL, O_NONBLOCK) < 0 ||
        (listener = socket(AF_INET, SOCK_STREAM, 0)) < 0 ||
        bind(listener, (struct sockaddr *)&address, length) < 0 ||
        listen(listener, SOMAXCONN) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die("listen");
    sigset_t awaited; /* no thread is interrupted; this one waits for the signals */
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGINT);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &awaited, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < WORKERS; i++) start(work);
    start(watch);
    struct stat in;
    if (fstat(STDIN_FILENO, &in) == 0 && S_ISFIFO(in.st_mode)) start(end_with_stdin);
    printf("question listening on http://127.0.0.1:%d\n", ntohs(address.sin_port));
    for (int number = SIGUSR1; number == SIGUSR1; print_stats())
        sigwait(&awaited, &number);
    return 0;
}
