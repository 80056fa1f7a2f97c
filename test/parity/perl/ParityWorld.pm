package ParityWorld;

# What stands around the Perl daemon in a comparison: -MParityWorld, in front of the daemon's program.
# PARITY_DNS=ADDRESS:PORT  the name server that every plugin asks. Net::DNS reads RES_NAMESERVERS itself, but under -T what it
#                          reads stays tainted, and no question leaves.
# PARITY_CLIENT=ADDRESS    where clients come from, whatever the socket says.
# PARITY_CLIENT_NAME=NAME  what their address is called; without it the name server is asked.

use strict;
use warnings;
use Net::DNS;
use Qpsmtpd::TcpServer;

if (($ENV{PARITY_DNS} // '') =~ /^([0-9.]+):(\d+)$/) {
    my ($address, $port) = ($1, $2);
    # The first resolver reads /etc/resolv.conf, once; what is set after it is the default of all others.
    Net::DNS::Resolver->new;
    Net::DNS::Resolver->nameservers($address);
    Net::DNS::Resolver->port($port);
}

if (($ENV{PARITY_CLIENT} // '') =~ /^([0-9.]+)$/) {
    my $client = $1;
    my $locate = \&Qpsmtpd::TcpServer::lrpip;
    no warnings 'redefine';
    *Qpsmtpd::TcpServer::lrpip = sub {
        my @ends = $locate->(@_);
        $ends[4] = $client;
        return @ends;
    };
}

if (($ENV{PARITY_CLIENT_NAME} // '') =~ /^([\w.:\[\]-]+)$/) {
    my $name = $1;
    my $describe = \&Qpsmtpd::TcpServer::tcpenv;
    no warnings 'redefine';
    *Qpsmtpd::TcpServer::tcpenv = sub { return (($describe->(@_))[0, 1], $name) };
}

1;
