package Qpsmtpd::Relay;

# Apache httpd with mod_perl 2 accepts SMTP connections and hands them to a running qpsmtpd: the heir of Apache::Qpsmtpd, in
# which the whole daemon ran inside httpd.
#
#     PerlSwitches -I/usr/share/qpsmtpd/apache
#     PerlModule Qpsmtpd::Relay
#     Listen 25 smtp
#     AcceptFilter smtp none
#     <VirtualHost *:25>
#         PerlProcessConnectionHandler Qpsmtpd::Relay
#         PerlSetVar QpsmtpdSocket /run/qpsmtpd/front.sock
#     </VirtualHost>
#
# The daemon's listener: unix:/run/qpsmtpd/front.sock proxy=required

use strict;
use warnings;

use Apache2::Connection  ();
use Apache2::Filter      ();
use Apache2::Log         ();
use Apache2::ServerRec   ();
use Apache2::ServerUtil  ();
use APR::Brigade         ();
use APR::Bucket          ();
use APR::Error           ();
use APR::SockAddr        ();
use APR::Socket          ();
use APR::Status          ();
use Apache2::Const -compile => qw(OK MODE_READBYTES);
use APR::Const     -compile => qw(SUCCESS EOF EAGAIN NONBLOCK_READ);
use Errno                ();
use IO::Handle           ();
use IO::Select           ();
use Socket qw(AF_INET AF_INET6 AF_UNIX SOCK_STREAM inet_pton pack_sockaddr_un);

use constant {
    BLOCK        => 65_536,
    # More than the longest time limit of SMTP (RFC 5321 section 4.5.3.2): the daemon ends idle sessions.
    SILENCE      => 20 * 60,
    NOT_RUNNING  => "421 4.3.2 The mail service is not running, please try again later\r\n",
};

sub handler {
    my $connection = shift;
    my $server     = $connection->base_server;
    my $path       = $server->dir_config('QpsmtpdSocket');
    my $daemon     = defined $path ? connect_daemon($path) : undef;
    if (!$daemon || !write_all($daemon, header($connection, $server->dir_config('QpsmtpdTls')))) {
        $server->log_error("qpsmtpd can't be reached by " . ($path // 'QpsmtpdSocket, which is not set') . ": $!");
        answer($connection, NOT_RUNNING);
        return Apache2::Const::OK;
    }
    relay($connection, $daemon);
    close $daemon;
    return Apache2::Const::OK;
}

sub connect_daemon {
    my $path = shift;
    socket(my $daemon, AF_UNIX, SOCK_STREAM, 0) or return;
    connect($daemon, pack_sockaddr_un($path)) or return;
    return $daemon;
}

# The PROXY header, version 2. Of TLS mod_perl knows only that there is some.
sub header {
    my ($connection, $has_tls) = @_;
    my @ends = map { s/^::ffff:(?=\d+\.)//r } map { $_->ip_get } $connection->client_addr, $connection->local_addr;
    my @ports = map { $_->port } $connection->client_addr, $connection->local_addr;
    my $is_old = !grep { /:/ } @ends;
    my @octets = map { inet_pton($is_old ? AF_INET : AF_INET6, !$is_old && !/:/ ? "::ffff:$_" : $_) } @ends;
    my $block = join('', @octets) . pack('nn', @ports);
    # Client with TLS; a certificate was not verified.
    $block .= pack('Cn/a*', 0x20, pack('CN', 1, 1)) if $has_tls;
    return "\r\n\r\n\0\r\nQUIT\n" . pack('CCn/a*', 0x21, $is_old ? 0x11 : 0x21, $block);
}

sub write_all {
    my ($to, $octets) = @_;
    while (length $octets) {
        my $put = syswrite $to, $octets;
        next if !defined $put && $!{EINTR};
        return if !$put;
        substr($octets, 0, $put, '');
    }
    return 1;
}

# False if the client is gone.
sub answer {
    my ($connection, $octets) = @_;
    my $brigade = APR::Brigade->new($connection->pool, $connection->bucket_alloc);
    $brigade->insert_tail(APR::Bucket->new($connection->bucket_alloc, $octets));
    return eval { $connection->output_filters->fflush($brigade); 1 };
}

# What the client has sent so far; undef if it has ended. TLS may have decrypted more than its socket shows.
sub take {
    my ($connection, $brigade) = @_;
    my $status = $connection->input_filters->get_brigade(
        $brigade, Apache2::Const::MODE_READBYTES, APR::Const::NONBLOCK_READ, BLOCK);
    return '' if $status == APR::Const::EAGAIN || APR::Status::is_EAGAIN($status);
    return if $status != APR::Const::SUCCESS;
    my $octets = '';
    $brigade->flatten($octets);
    my $is_end = 0;
    for (my $bucket = $brigade->first; $bucket; $bucket = $brigade->next($bucket)) { $is_end = 1 if $bucket->is_eos }
    $brigade->cleanup;
    return if $is_end && $octets eq '';
    return $octets;
}

sub relay {
    my ($connection, $daemon) = @_;
    my $brigade   = APR::Brigade->new($connection->pool, $connection->bucket_alloc);
    my $client    = IO::Handle->new_from_fd($connection->client_socket->fileno, 'r') or return;
    my $has_ended = 0;
    my $waits     = IO::Select->new($daemon, $client);
    while (1) {
        if (!$has_ended) {
            my $octets = take($connection, $brigade);
            if (!defined $octets) {
                # The client has no more to say; it may still be answered.
                shutdown $daemon, 1;
                $has_ended = 1;
                $waits->remove($client);
            }
            elsif ($octets ne '') {
                write_all($daemon, $octets) or return;
                next;
            }
        }
        my @ready = $waits->can_read(SILENCE) or return;
        next if !grep { $_ == $daemon } @ready;
        my $got = sysread $daemon, my $block, BLOCK;
        return if !$got;
        answer($connection, $block) or return;
    }
}

1;
