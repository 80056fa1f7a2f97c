/*
 * mod_qpsmtpd: Apache httpd accepts SMTP connections, with its own TLS if wanted, and hands them to a running qpsmtpd.
 *
 *     apxs2 -c mod_qpsmtpd.c && apxs2 -i -n qpsmtpd mod_qpsmtpd.la
 *
 *     LoadModule qpsmtpd_module modules/mod_qpsmtpd.so
 *     Listen 25 smtp
 *     AcceptFilter smtp none
 *     <VirtualHost *:25>
 *         QpsmtpdSocket /run/qpsmtpd/front.sock
 *     </VirtualHost>
 *
 * The daemon's listener: unix:/run/qpsmtpd/front.sock proxy=required. What the daemon knows of the client comes in a PROXY
 * header of version 2: both addresses, and of TLS its version, cipher, server name and client certificate.
 *
 * A session without TLS is carried by one thread for each child process of httpd, so that it holds no worker. With TLS, or where
 * the MPM has no threads, it holds one worker: httpd's filters can be used from nowhere else.
 */

#include "httpd.h"
#include "http_config.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "ap_mpm.h"
#include "mod_ssl.h"
#include "apr_atomic.h"
#include "apr_shm.h"
#include "apr_strings.h"
#include "apr_thread_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

module AP_MODULE_DECLARE_DATA qpsmtpd_module;

#define BLOCK_OCTETS 65536
/* More than the longest time limit of SMTP, RFC 5321 section 4.5.3.2: the daemon ends idle sessions. */
#define SILENCE_MS (20 * 60 * 1000)
/* Between two reads of a TLS handshake. */
#define HANDSHAKE_SECONDS 30
#define REFUSED_HANDSHAKE_SECONDS 5
/* A daemon whose line of waiting clients is full gets that long, in steps of ten milliseconds. */
#define CONNECT_STEPS 100
/* How long a child that is told to end waits for the sessions of its thread. */
#define LEAVE_SECONDS 600
#define MAX_CHILDREN 4096

static const char not_running[] = "421 4.3.2 The mail service is not running, please try again later\r\n";
static const char too_many[] = "421 4.3.2 Too many connections, please try again later\r\n";

/* ---- configuration ---- */

typedef struct {
    const char *path;
    int max_sessions;
} server_config;

static void *make_config(apr_pool_t *pool, server_rec *server) {
    (void)server;
    return apr_pcalloc(pool, sizeof(server_config));
}

static void *merge_config(apr_pool_t *pool, void *base, void *own) {
    server_config *merged = apr_pmemdup(pool, own, sizeof(server_config));
    /* The socket is not inherited: one virtual host that speaks SMTP must not turn all the others into it. */
    if (merged->max_sessions == 0) merged->max_sessions = ((server_config *)base)->max_sessions;
    return merged;
}

static server_config *config_of(server_rec *server) {
    return ap_get_module_config(server->module_config, &qpsmtpd_module);
}

static const char *set_socket(cmd_parms *command, void *unused, const char *path) {
    struct sockaddr_un address;
    (void)unused;
    if (path[0] != '/') return "QpsmtpdSocket needs the absolute path of the daemon's Unix socket";
    if (strlen(path) >= sizeof address.sun_path) return "QpsmtpdSocket: the path is longer than 107 octets";
    config_of(command->server)->path = path;
    return NULL;
}

static const char *set_max_sessions(cmd_parms *command, void *unused, const char *text) {
    char *rest;
    long number = strtol(text, &rest, 10);
    (void)unused;
    if (*rest != 0 || number < 1 || number > 1000000) return "QpsmtpdMaxSessions needs a number from 1 to 1000000";
    config_of(command->server)->max_sessions = (int)number;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_TAKE1("QpsmtpdSocket", set_socket, NULL, RSRC_CONF, "path of the Unix socket the daemon listens on"),
    AP_INIT_TAKE1("QpsmtpdMaxSessions", set_max_sessions, NULL, RSRC_CONF,
        "sessions of all children that may hold a worker at a time; others are told to come back (default: half the workers)"),
    {NULL}};

/* ---- how many workers SMTP holds ---- */

/* One entry for each child. A child that crashed leaves its entry behind, which counts for nothing then. */
typedef struct {
    volatile apr_uint32_t pid;
    volatile apr_uint32_t sessions;
} child_entry;

static apr_shm_t *shared;
static child_entry *children;
static child_entry *own_entry;
static int default_max_sessions;

static int is_alive(apr_uint32_t pid) { return pid != 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM); }

static void claim_entry(void) {
    apr_uint32_t pid = (apr_uint32_t)getpid();
    for (int at = 0; at < MAX_CHILDREN; at++) {
        apr_uint32_t old = children[at].pid;
        if (is_alive(old) || apr_atomic_cas32(&children[at].pid, pid, old) != old) continue;
        apr_atomic_set32(&children[at].sessions, 0);
        own_entry = &children[at];
        return;
    }
}

/* Counts this connection and returns how many hold a worker now, in all children. Counting comes first: of clients that come at
   once each must see the others. */
static int hold_worker(void) {
    int sessions = 0;
    if (own_entry == NULL) return 0;
    apr_atomic_inc32(&own_entry->sessions);
    for (int at = 0; at < MAX_CHILDREN && children[at].pid != 0; at++)
        if (children[at].sessions > 0 && is_alive(children[at].pid)) sessions += (int)children[at].sessions;
    return sessions;
}

static void free_worker(void) {
    if (own_entry != NULL) apr_atomic_dec32(&own_entry->sessions);
}

/* ---- the connection to the daemon and its header ---- */

static int connect_daemon(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    /* A blocking call would hold the worker for as long as a stopped daemon does not accept. */
    for (int step = 0; step <= CONNECT_STEPS; step++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
        if (errno != EAGAIN) break;
        usleep(10000);
        errno = EAGAIN;
    }
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

typedef struct {
    unsigned char octets[4096];
    size_t length;
} header;

static void add(header *to, const void *octets, size_t length) {
    if (to->length + length > sizeof to->octets) return;
    memcpy(to->octets + to->length, octets, length);
    to->length += length;
}

static void add_number(header *to, unsigned number) {
    unsigned char octets[2] = {(unsigned char)(number >> 8), (unsigned char)number};
    add(to, octets, 2);
}

static void add_field(header *to, unsigned char type, const char *text) {
    size_t length = text == NULL ? 0 : strlen(text);
    if (length == 0 || length > 255) return;
    add(to, &type, 1);
    add_number(to, (unsigned)length);
    add(to, text, length);
}

static APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *look_up_tls;
static APR_OPTIONAL_FN_TYPE(ssl_is_https) *is_tls;

static const char *tls_fact(conn_rec *c, const char *name) {
    return look_up_tls(c->pool, c->base_server, c, NULL, apr_pstrdup(c->pool, name));
}

static void add_tls(header *to, conn_rec *c) {
    header facts;
    facts.length = 0;
    const char *verify = tls_fact(c, "SSL_CLIENT_VERIFY");
    int has_certificate = verify != NULL && strcmp(verify, "NONE") != 0;
    unsigned char begin[5] = {has_certificate ? 1 | 2 | 4 : 1, 0, 0, 0,
        has_certificate && strcmp(verify, "SUCCESS") == 0 ? 0 : 1};
    unsigned char type = 0x20;
    add_field(to, 0x02, tls_fact(c, "SSL_TLS_SNI"));
    add(&facts, begin, sizeof begin);
    add_field(&facts, 0x21, tls_fact(c, "SSL_PROTOCOL"));
    if (has_certificate) add_field(&facts, 0x22, tls_fact(c, "SSL_CLIENT_S_DN_CN"));
    add_field(&facts, 0x23, tls_fact(c, "SSL_CIPHER"));
    add(to, &type, 1);
    add_number(to, (unsigned)facts.length);
    add(to, facts.octets, facts.length);
}

/* Both ends of one family, mapped addresses as IPv4; 0 if they have none that PROXY knows. */
static int add_ends(header *to, apr_sockaddr_t *client, apr_sockaddr_t *local) {
    unsigned char ends[2][16];
    int is_v4 = 1;
    apr_sockaddr_t *each[2] = {client, local};
    for (int at = 0; at < 2; at++) {
        struct in6_addr *address = &each[at]->sa.sin6.sin6_addr;
        if (each[at]->family == APR_INET) {
            memcpy(ends[at], "\0\0\0\0\0\0\0\0\0\0\377\377", 12);
            memcpy(ends[at] + 12, &each[at]->sa.sin.sin_addr, 4);
        } else if (each[at]->family == APR_INET6) {
            memcpy(ends[at], address, 16);
            if (!IN6_IS_ADDR_V4MAPPED(address)) is_v4 = 0;
        } else return 0;
    }
    for (int at = 0; at < 2; at++) add(to, ends[at] + (is_v4 ? 12 : 0), is_v4 ? 4 : 16);
    add_number(to, client->port);
    add_number(to, local->port);
    return is_v4 ? 4 : 6;
}

static int write_header(int daemon, conn_rec *c, int has_tls) {
    static const unsigned char signature[12] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};
    header head, rest;
    head.length = rest.length = 0;
    int family = add_ends(&rest, c->client_addr, c->local_addr);
    unsigned char kind[2] = {0x21, family == 4 ? 0x11 : family == 6 ? 0x21 : 0x00};
    if (family != 0) {
        add_field(&rest, 0x05, c->log_id);
        if (has_tls) add_tls(&rest, c);
    }
    add(&head, signature, sizeof signature);
    add(&head, kind, sizeof kind);
    add_number(&head, (unsigned)rest.length);
    add(&head, rest.octets, rest.length);
    return write(daemon, head.octets, head.length) == (ssize_t)head.length;
}

/* ---- a session in a worker: through httpd's filters ---- */

static int write_all(int fd, const char *octets, apr_size_t length) {
    while (length > 0) {
        ssize_t put = write(fd, octets, length);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return 0;
        octets += put;
        length -= (apr_size_t)put;
    }
    return 1;
}

static apr_status_t tell_client(conn_rec *c, const char *octets, apr_size_t length) {
    apr_bucket_brigade *brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_brigade_write(brigade, NULL, NULL, octets, length);
    APR_BRIGADE_INSERT_TAIL(brigade, apr_bucket_flush_create(c->bucket_alloc));
    apr_status_t status = ap_pass_brigade(c->output_filters, brigade);
    apr_brigade_destroy(brigade);
    return status;
}

typedef enum { NOTHING_YET, TAKEN, ENDED, FAILED } progress;

/* Carries what the client has sent so far. TLS may have decrypted more than its socket shows, so this comes before a wait. */
static progress take_from_client(conn_rec *c, apr_bucket_brigade *brigade, int daemon) {
    apr_status_t status =
        ap_get_brigade(c->input_filters, brigade, AP_MODE_READBYTES, APR_NONBLOCK_READ, BLOCK_OCTETS);
    progress outcome = NOTHING_YET;
    if (APR_STATUS_IS_EOF(status)) return ENDED;
    if (status != APR_SUCCESS) return APR_STATUS_IS_EAGAIN(status) || APR_STATUS_IS_EINTR(status) ? NOTHING_YET : FAILED;
    while (!APR_BRIGADE_EMPTY(brigade) && outcome != FAILED) {
        apr_bucket *bucket = APR_BRIGADE_FIRST(brigade);
        const char *octets;
        apr_size_t length;
        if (APR_BUCKET_IS_EOS(bucket)) outcome = ENDED;
        else if (!APR_BUCKET_IS_METADATA(bucket)) {
            if (apr_bucket_read(bucket, &octets, &length, APR_BLOCK_READ) != APR_SUCCESS) outcome = FAILED;
            else if (length > 0) outcome = write_all(daemon, octets, length) ? TAKEN : FAILED;
        }
        apr_bucket_delete(bucket);
    }
    apr_brigade_cleanup(brigade);
    return outcome;
}

static void relay_in_worker(conn_rec *c, int client, int daemon) {
    apr_bucket_brigade *brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    char block[BLOCK_OCTETS];
    int has_ended = 0;
    for (;;) {
        progress outcome = has_ended ? NOTHING_YET : take_from_client(c, brigade, daemon);
        if (outcome == FAILED) return;
        if (outcome == ENDED) {
            /* The client has no more to say; it may still be answered. */
            shutdown(daemon, SHUT_WR);
            has_ended = 1;
        }
        if (outcome == TAKEN) continue;
        struct pollfd waits[2] = {{.fd = daemon, .events = POLLIN}, {.fd = client, .events = POLLIN}};
        int ready = poll(waits, has_ended ? 1 : 2, SILENCE_MS);
        if (ready == 0) return;
        if (ready < 0 || waits[0].revents == 0) continue;
        ssize_t got = read(daemon, block, sizeof block);
        if (got <= 0 || tell_client(c, block, (apr_size_t)got) != APR_SUCCESS) return;
    }
}

/* ---- sessions without a worker: one thread for each child ---- */

typedef struct session session;

/* One end of a session, and what the other end has sent that this one does not take yet. */
typedef struct end end;
struct end {
    session *of;
    end *other;
    int fd;
    /* It has said that it ends: its last octets have to be read down to the end of file. */
    int is_ending;
    /* Nothing more comes from it; the other end has been told. */
    int has_ended, is_told;
    char *kept;
    size_t start, stop;
};

struct session {
    end client, daemon;
    int is_over;
    session *next_over;
};

static int relay_poll = -1;
static volatile apr_uint32_t relayed;
static pthread_t relay_thread;
/* Held while a session is handed over and while one is ended: the thread may see its end before both ends are watched. */
static pthread_mutex_t handing_over = PTHREAD_MUTEX_INITIALIZER;

static int is_passing(int problem) { return problem == EAGAIN || problem == EWOULDBLOCK || problem == EINTR; }

/* Edges, so that an end that is not read for a while does not wake the thread. That it takes octets again is asked for only
   while some are kept: the daemon's socket would tell each time the daemon reads. */
static int watch(end *e, int operation, uint32_t besides) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET | besides, .data.ptr = e};
    return epoll_ctl(relay_poll, operation, e->fd, &event) == 0;
}

static int keep(end *to, const char *octets, size_t length) {
    to->kept = malloc(length);
    if (to->kept == NULL) return 0;
    memcpy(to->kept, octets, length);
    to->start = 0;
    to->stop = length;
    return watch(to, EPOLL_CTL_MOD, EPOLLOUT);
}

/* 1 if nothing is kept any more, 0 if something is, -1 if the end is gone. */
static int put_kept(end *to) {
    while (to->start < to->stop) {
        ssize_t put = send(to->fd, to->kept + to->start, to->stop - to->start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0) return is_passing(errno) ? 0 : -1;
        to->start += (size_t)put;
    }
    free(to->kept);
    to->kept = NULL;
    return watch(to, EPOLL_CTL_MOD, 0) ? 1 : -1;
}

/* Carries what `from` sends until there is no more or the other end does not take it; 0 if an end is gone. */
static int carry(end *from, char *block) {
    end *to = from->other;
    while (to->kept == NULL && !from->has_ended) {
        ssize_t got = recv(from->fd, block, BLOCK_OCTETS, MSG_DONTWAIT);
        if (got < 0) return is_passing(errno);
        if (got == 0) {
            from->has_ended = 1;
            break;
        }
        ssize_t put = send(to->fd, block, (size_t)got, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put < 0 && !is_passing(errno)) return 0;
        if (put < got) {
            size_t sent = put < 0 ? 0 : (size_t)put;
            if (!keep(to, block + sent, (size_t)got - sent)) return 0;
        } else if (got < BLOCK_OCTETS && !from->is_ending) return 1;
    }
    if (from->has_ended && to->kept == NULL && !from->is_told) {
        shutdown(to->fd, SHUT_WR);
        from->is_told = 1;
    }
    return 1;
}

/* False if the session is over: an end is gone, or the daemon has said its last, whatever the client has left to say. */
static int attend(end *e, uint32_t events, char *block) {
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) e->is_ending = 1;
    if (e->kept != NULL) {
        int put = put_kept(e);
        if (put < 0 || (put > 0 && !carry(e->other, block))) return 0;
    }
    if (!carry(e, block)) return 0;
    return !e->of->daemon.is_told;
}

static void end_session(session *s) {
    pthread_mutex_lock(&handing_over);
    pthread_mutex_unlock(&handing_over);
    close(s->client.fd);
    close(s->daemon.fd);
    free(s->client.kept);
    free(s->daemon.kept);
    free(s);
    apr_atomic_dec32(&relayed);
}

static void *run_relay(void *unused) {
    static char block[BLOCK_OCTETS];
    struct epoll_event events[256];
    (void)unused;
    for (;;) {
        /* Both ends of a session may be among the events: it is freed when all of them have been seen. */
        session *over = NULL;
        int count = epoll_wait(relay_poll, events, 256, -1);
        for (int at = 0; at < count; at++) {
            end *e = events[at].data.ptr;
            if (e->of->is_over || attend(e, events[at].events, block)) continue;
            e->of->is_over = 1;
            e->of->next_over = over;
            over = e->of;
        }
        while (over != NULL) {
            session *next = over->next_over;
            end_session(over);
            over = next;
        }
    }
    return NULL;
}

/* True if the thread has taken both descriptors over. */
static int relay_in_thread(int client, int daemon) {
    session *s = calloc(1, sizeof *s);
    if (s == NULL) return 0;
    s->client = (end){.of = s, .other = &s->daemon, .fd = client};
    s->daemon = (end){.of = s, .other = &s->client, .fd = daemon};
    apr_atomic_inc32(&relayed);
    pthread_mutex_lock(&handing_over);
    int is_watched = watch(&s->client, EPOLL_CTL_ADD, 0);
    /* The thread has it: if this fails, a client that is shut down ends the session. */
    if (is_watched && !watch(&s->daemon, EPOLL_CTL_ADD, 0)) shutdown(client, SHUT_RDWR);
    pthread_mutex_unlock(&handing_over);
    if (is_watched) return 1;
    free(s);
    apr_atomic_dec32(&relayed);
    return 0;
}

static apr_status_t leave_child(void *unused) {
    (void)unused;
    /* httpd waits for a child that ends gracefully; sessions go on that long. */
    for (int tenths = 0; relayed > 0 && tenths < LEAVE_SECONDS * 10; tenths++) usleep(100000);
    if (own_entry != NULL) apr_atomic_set32(&own_entry->pid, 0);
    return APR_SUCCESS;
}

/* ---- hooks ---- */

static int open_daemon(conn_rec *c, const char *path, int has_tls) {
    int daemon = connect_daemon(path);
    if (daemon >= 0 && write_header(daemon, c, has_tls)) return daemon;
    ap_log_cerror(APLOG_MARK, APLOG_ERR, errno, c, "qpsmtpd can't be reached by %s", path);
    if (daemon >= 0) close(daemon);
    tell_client(c, not_running, sizeof not_running - 1);
    return -1;
}

/* A client that begins no handshake must not hold a worker for long, least of all one that is only to be refused. */
static int finish_handshake(conn_rec *c, apr_socket_t *socket, int seconds) {
    apr_interval_time_t usual;
    apr_bucket_brigade *brigade = apr_brigade_create(c->pool, c->bucket_alloc);
    apr_socket_timeout_get(socket, &usual);
    if (usual < 0 || usual > apr_time_from_sec(seconds)) apr_socket_timeout_set(socket, apr_time_from_sec(seconds));
    apr_status_t status = ap_get_brigade(c->input_filters, brigade, AP_MODE_INIT, APR_BLOCK_READ, 0);
    apr_brigade_destroy(brigade);
    apr_socket_timeout_set(socket, usual);
    return status == APR_SUCCESS;
}

static void serve_in_worker(conn_rec *c, server_config *config, int has_tls, apr_socket_t *socket, int client) {
    int limit = config->max_sessions != 0 ? config->max_sessions : default_max_sessions;
    int held = hold_worker();
    int is_refused = held > limit;
    /* To be refused in words takes a worker too: above half as many again the connection is closed. */
    if (held <= limit + (limit + 1) / 2 &&
        (!has_tls || finish_handshake(c, socket, is_refused ? REFUSED_HANDSHAKE_SECONDS : HANDSHAKE_SECONDS))) {
        int daemon = -1;
        if (is_refused) tell_client(c, too_many, sizeof too_many - 1);
        else daemon = open_daemon(c, config->path, has_tls);
        if (daemon >= 0) {
            fcntl(daemon, F_SETFL, fcntl(daemon, F_GETFL) & ~O_NONBLOCK);
            relay_in_worker(c, client, daemon);
            close(daemon);
        }
    }
    free_worker();
}

static int process_connection(conn_rec *c) {
    server_config *config = config_of(c->base_server);
    if (config->path == NULL) return DECLINED;
    apr_socket_t *socket = ap_get_module_config(c->conn_config, &core_module);
    int has_tls = is_tls != NULL && look_up_tls != NULL && is_tls(c);
    int client;
    apr_os_sock_get(&client, socket);
    apr_socket_opt_set(socket, APR_TCP_NODELAY, 1);
    if (has_tls || relay_poll < 0) {
        serve_in_worker(c, config, has_tls, socket, client);
        return OK;
    }
    int daemon = open_daemon(c, config->path, 0);
    if (daemon < 0) return OK;
    int own = fcntl(client, F_DUPFD_CLOEXEC, 0);
    if (own >= 0 && relay_in_thread(own, daemon)) {
        /* httpd closes its descriptor, and does not shut the connection down: ours is a duplicate. */
        c->aborted = 1;
        return OK;
    }
    ap_log_cerror(APLOG_MARK, APLOG_ERR, errno, c, "qpsmtpd: no descriptor or memory for another session");
    if (own >= 0) close(own);
    close(daemon);
    tell_client(c, too_many, sizeof too_many - 1);
    return OK;
}

static void begin_child(apr_pool_t *pool, server_rec *server) {
    int is_threaded = 0;
    claim_entry();
    ap_mpm_query(AP_MPMQ_IS_THREADED, &is_threaded);
    if (is_threaded != AP_MPMQ_NOT_SUPPORTED && (relay_poll = epoll_create1(EPOLL_CLOEXEC)) >= 0) {
        /* Signals are for httpd's own threads. */
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&relay_thread, NULL, run_relay, NULL) != 0) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, errno, server, "qpsmtpd: no thread, sessions hold workers");
            close(relay_poll);
            relay_poll = -1;
        }
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    apr_pool_cleanup_register(pool, NULL, leave_child, apr_pool_cleanup_null);
}

static int after_config(apr_pool_t *pool, apr_pool_t *log, apr_pool_t *temporary, server_rec *server) {
    int daemons = 1, threads = 1;
    (void)log, (void)temporary;
    look_up_tls = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    is_tls = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
    if (apr_shm_create(&shared, MAX_CHILDREN * sizeof(child_entry), NULL, pool) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, errno, server, "qpsmtpd: no shared memory");
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    children = apr_shm_baseaddr_get(shared);
    memset((void *)children, 0, MAX_CHILDREN * sizeof(child_entry));
    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &daemons);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    default_max_sessions = daemons * (threads > 0 ? threads : 1) / 2;
    if (default_max_sessions < 1) default_max_sessions = 1;
    return OK;
}

static void register_hooks(apr_pool_t *pool) {
    /* The handshake is begun here, once the session is counted. */
    static const char *const after[] = {"mod_ssl.c", NULL};
    (void)pool;
    ap_hook_post_config(after_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(begin_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_process_connection(process_connection, NULL, after, APR_HOOK_MIDDLE);
}

AP_DECLARE_MODULE(qpsmtpd) = {
    STANDARD20_MODULE_STUFF, NULL, NULL, make_config, merge_config, commands, register_hooks};
