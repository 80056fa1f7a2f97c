/*
 * qpsmtpd-connect: hands one connection of tcpserver, tcpsvd, inetd or xinetd to a running qpsmtpd.
 *
 * A super-server starts a program for each client. Starting Node for each takes a tenth of a second and tens of megabytes; this
 * program takes two milliseconds. It connects to the daemon, says in a PROXY header (version 1) who the client is, and carries
 * octets in both directions until both sides have ended.
 *
 *     cc -O2 -Wall -Wextra -o qpsmtpd-connect qpsmtpd-connect.c
 *     tcpserver 0 25 qpsmtpd-connect /run/qpsmtpd/front.sock
 *
 * The daemon's listener: unix:/run/qpsmtpd/front.sock proxy=required
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* What super-servers take for a fault that may pass. */
#define EXIT_SOFT 111
#define EXIT_USAGE 64
#define BUFFER_OCTETS 65536
/* Longer than any time limit of SMTP (RFC 5321 section 4.5.3.2): the daemon ends idle sessions, not this program. */
#define SILENCE_MS (20 * 60 * 1000)

static const char usage[] =
    "usage: qpsmtpd-connect /PATH/OF/SOCKET | HOST PORT\n"
    "\n"
    "Relays the connection on descriptors 0 and 1 to a running qpsmtpd, whose listener says proxy=required.\n"
    "The client is the other end of descriptor 0, or what TCPREMOTEIP and TCPREMOTEPORT say.\n";

struct flow {
    int from, to;
    size_t start, end;
    int has_ended, is_closed;
    char octets[BUFFER_OCTETS];
};

/* Descriptor 2 may be the client's socket too: nothing but SMTP goes out. */
static int put_off(int client) {
    static const char reply[] = "421 4.3.2 The mail service is not running, please try again later\r\n";
    if (write(client, reply, sizeof reply - 1) < 0) return EXIT_SOFT;
    return EXIT_SOFT;
}

static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) return -1;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
    close(fd);
    return -1;
}

static int connect_tcp(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found, *at;
    int fd = -1, one = 1;
    if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
    for (at = found; at != NULL && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* Address and port of one end, as text; 0 if it is no TCP socket. An IPv4 client of an IPv6 socket is an IPv4 client. */
static int end_of(int (*ask)(int, struct sockaddr *, socklen_t *), int fd, char *text, unsigned *port) {
    struct sockaddr_storage end;
    socklen_t length = sizeof end;
    if (ask(fd, (struct sockaddr *)&end, &length) != 0) return 0;
    if (end.ss_family == AF_INET) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&end;
        *port = ntohs(v4->sin_port);
        return inet_ntop(AF_INET, &v4->sin_addr, text, INET6_ADDRSTRLEN) ? 4 : 0;
    }
    if (end.ss_family != AF_INET6) return 0;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&end;
    *port = ntohs(v6->sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, INET6_ADDRSTRLEN) ? 4 : 0;
    return inet_ntop(AF_INET6, &v6->sin6_addr, text, INET6_ADDRSTRLEN) ? 6 : 0;
}

/* The same from the environment of ucspi programs; 0 if it is not there, or is no address. */
static int end_in(const char *ip_name, const char *port_name, char *text, unsigned *port) {
    const char *ip = getenv(ip_name), *number = getenv(port_name);
    unsigned char octets[16];
    char *rest;
    if (ip == NULL || number == NULL || strlen(ip) >= INET6_ADDRSTRLEN) return 0;
    unsigned long value = strtoul(number, &rest, 10);
    if (*number < '0' || *number > '9' || *rest != 0 || value > 65535) return 0;
    *port = (unsigned)value;
    strcpy(text, ip);
    if (inet_pton(AF_INET, ip, octets) == 1) return 4;
    return inet_pton(AF_INET6, ip, octets) == 1 ? 6 : 0;
}

static int write_header(int daemon) {
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], line[128];
    unsigned from_port = 0, to_port = 0;
    int family = end_of(getpeername, 0, from, &from_port);
    int local = end_of(getsockname, 0, to, &to_port);
    if (family == 0) {
        family = end_in("TCPREMOTEIP", "TCPREMOTEPORT", from, &from_port);
        local = end_in("TCPLOCALIP", "TCPLOCALPORT", to, &to_port);
    }
    /* A client that nobody knows gets the address of the daemon's socket. */
    int length = family == 0 || family != local
        ? snprintf(line, sizeof line, "PROXY UNKNOWN\r\n")
        : snprintf(line, sizeof line, "PROXY TCP%d %s %s %u %u\r\n", family, from, to, from_port, to_port);
    return write(daemon, line, (size_t)length) == length;
}

static int is_passing(int fault) { return fault == EAGAIN || fault == EWOULDBLOCK || fault == EINTR; }

/* Reads if there is room, writes what there is; 0 if one of the sides is gone. */
static int carry(struct flow *flow) {
    if (!flow->has_ended && flow->end < BUFFER_OCTETS) {
        ssize_t got = read(flow->from, flow->octets + flow->end, BUFFER_OCTETS - flow->end);
        if (got > 0) flow->end += (size_t)got;
        else if (got == 0) flow->has_ended = 1;
        else if (!is_passing(errno)) return 0;
    }
    if (flow->start < flow->end) {
        ssize_t put = write(flow->to, flow->octets + flow->start, flow->end - flow->start);
        if (put > 0) flow->start += (size_t)put;
        else if (put < 0 && !is_passing(errno)) return 0;
    }
    if (flow->start == flow->end) flow->start = flow->end = 0;
    if (flow->has_ended && flow->end == 0 && !flow->is_closed) {
        /* A half-closed client still reads its last replies. A pipe has no other half. */
        if (shutdown(flow->to, SHUT_WR) != 0 && errno == ENOTSOCK) close(flow->to);
        flow->is_closed = 1;
    }
    return 1;
}

static void relay(int daemon) {
    static struct flow flows[2];
    flows[0].from = 0, flows[0].to = daemon;
    flows[1].from = daemon, flows[1].to = 1;
    for (int fd = 0; fd <= 1; fd++) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(daemon, F_SETFL, fcntl(daemon, F_GETFL) | O_NONBLOCK);
    /* The daemon's end decides: a client may have nothing more to say and still be answered. */
    while (!flows[1].is_closed) {
        struct pollfd waits[4];
        nfds_t count = 0;
        for (int each = 0; each < 2; each++) {
            struct flow *flow = &flows[each];
            if (!flow->has_ended && flow->end < BUFFER_OCTETS)
                waits[count++] = (struct pollfd){.fd = flow->from, .events = POLLIN};
            if (flow->start < flow->end) waits[count++] = (struct pollfd){.fd = flow->to, .events = POLLOUT};
        }
        if (poll(waits, count, SILENCE_MS) == 0) return;
        for (int each = 0; each < 2; each++)
            if (!flows[each].is_closed && !carry(&flows[each])) return;
    }
}

int main(int count, char **arguments) {
    if (count < 2 || count > 3 || arguments[1][0] == '-' || (count == 2) != (arguments[1][0] == '/')) {
        int is_asked = count == 2 && strcmp(arguments[1], "--help") == 0;
        fputs(usage, is_asked ? stdout : stderr);
        return is_asked ? 0 : EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    int daemon = count == 2 ? connect_unix(arguments[1]) : connect_tcp(arguments[1], arguments[2]);
    if (daemon < 0 || !write_header(daemon)) return put_off(1);
    relay(daemon);
    return 0;
}
