/*
 * The least any server can do: one thread, epoll, ready replies, one send per read. Keeps step with a client and no more:
 * nothing is kept, checked or asked. Usage: epoll-floor PORT. What it counted is printed when it is told to end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_SOCKETS 65536
#define CHUNK 65536
#define REPLIES 65536
#define LINE 512

static const char END[] = "\r\n.\r\n";
static const char REFUSED[] = "@elsewhere.test>";

/* Octets left of a chunk; how much of END has been seen, while in data; the start of a line, while in commands. */
static struct session {
  size_t chunk_left;
  int is_last;
  int in_data;
  int matched;
  int length;
  char line[LINE];
} sessions[MAX_SOCKETS];

static char chunk[CHUNK];
static char replies[REPLIES];
static size_t reply_length;

static unsigned long sessions_taken;
static unsigned long messages_taken;

static void end(int signal) {
  (void)signal;
  printf("%lu connections, %lu messages\n", sessions_taken, messages_taken);
  fflush(stdout);
  _exit(0);
}

static void reply(const char *text) {
  size_t length = strlen(text);
  if (reply_length + length > sizeof replies) return;
  memcpy(replies + reply_length, text, length);
  reply_length += length;
}

static void begin_chunk(struct session *session) {
  char *rest;
  session->line[session->length] = 0;
  session->chunk_left = session->length < 5 ? 0 : strtoul(session->line + 5, &rest, 10);
  session->is_last = session->length >= 5 && strstr(rest, "LAST") != NULL;
  if (session->chunk_left > 0) return;
  messages_taken += session->is_last;
  reply("250 taken\r\n");
}

/* Returns the position after what is there of the chunk. */
static size_t read_chunk(struct session *session, size_t at, size_t length) {
  size_t here = length - at < session->chunk_left ? length - at : session->chunk_left;
  session->chunk_left -= here;
  if (session->chunk_left > 0) return at + here;
  messages_taken += session->is_last;
  reply(session->is_last ? "250 taken\r\n" : "250 go on\r\n");
  return at + here;
}

/* Returns 1 if the connection is to be closed. */
static int obey(struct session *session) {
  switch (session->line[0] & 0xdf) {
  case 'E': reply("250-floor\r\n250-8BITMIME\r\n250-CHUNKING\r\n250 PIPELINING\r\n"); return 0;
  case 'B': begin_chunk(session); return 0;
  case 'D': reply("354 go ahead\r\n"); session->in_data = 1; session->matched = 2; return 0;
  case 'Q': reply("221 bye\r\n"); return 1;
  case 'R':
    session->line[session->length] = 0;
    reply(strstr(session->line, REFUSED) ? "550 not here\r\n" : "250 ok\r\n");
    return 0;
  default: reply("250 ok\r\n"); return 0;
  }
}

/* Returns the position after the end of data, or length. Text without CR is passed over by memchr. */
static size_t read_data(struct session *session, size_t at, size_t length) {
  while (at < length) {
    if (session->matched == 0) {
      const char *cr = memchr(chunk + at, '\r', length - at);
      if (cr == NULL) return length;
      at = (size_t)(cr - chunk) + 1;
      session->matched = 1;
    } else if (chunk[at] == END[session->matched]) {
      at++;
      if (++session->matched == 5) {
        session->in_data = 0;
        messages_taken++;
        reply("250 taken\r\n");
        return at;
      }
    } else {
      /* The octet may itself begin the sequence. */
      session->matched = 0;
    }
  }
  return at;
}

/* Returns 1 if the connection is to be closed. */
static int work(struct session *session, size_t length) {
  size_t at = 0;
  while (at < length) {
    if (session->chunk_left > 0) {
      at = read_chunk(session, at, length);
      continue;
    }
    if (session->in_data) {
      at = read_data(session, at, length);
      continue;
    }
    char octet = chunk[at++];
    if (octet != '\n') {
      if (session->length < LINE - 1) session->line[session->length++] = octet;
      continue;
    }
    int is_over = obey(session);
    session->length = 0;
    if (is_over) return 1;
  }
  return 0;
}

static void admit(int epoll, int listener) {
  for (;;) {
    int one = 1;
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (client < 0) return;
    if (client >= MAX_SOCKETS) {
      close(client);
      continue;
    }
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    sessions_taken++;
    memset(&sessions[client], 0, sizeof sessions[client]);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = client};
    epoll_ctl(epoll, EPOLL_CTL_ADD, client, &event);
    if (send(client, "220 floor ESMTP\r\n", 17, MSG_NOSIGNAL) < 0) close(client);
  }
}

static void attend(int client) {
  ssize_t length = read(client, chunk, sizeof chunk);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length <= 0) {
    close(client);
    return;
  }
  reply_length = 0;
  int is_over = work(&sessions[client], (size_t)length);
  if (reply_length > 0 && send(client, replies, reply_length, MSG_NOSIGNAL) < 0) is_over = 1;
  if (is_over) close(client);
}

int main(int count, char **args) {
  int one = 1;
  signal(SIGTERM, end);
  signal(SIGINT, end);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(count > 1 ? args[1] : "0"))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0) {
    perror("epoll-floor");
    return 1;
  }
  int epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  struct epoll_event ready[256];
  for (;;) {
    int many = epoll_wait(epoll, ready, 256, -1);
    for (int index = 0; index < many; index++) {
      if (ready[index].data.fd == listener) admit(epoll, listener);
      else attend(ready[index].data.fd);
    }
  }
}
