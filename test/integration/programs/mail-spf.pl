# Answers questions about SPF by Mail::SPF: a line of JSON with ip, from and helo; a line with the result. The port of the name
# server is the argument.
use strict;
use warnings;
use JSON::PP;
use Mail::SPF;
use Net::DNS::Resolver;

my ($port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(
    config_file   => undef,
    nameservers   => ['127.0.0.1'],
    port          => $port,
    recurse       => 0,
    defnames      => 0,
    dnsrch        => 0,
    retry         => 1,
    retrans       => 1,
    udp_timeout   => 2,
    udppacketsize => 65000,
    igntc         => 1,
);
my $server = Mail::SPF::Server->new(hostname => 'mx.test', dns_resolver => $resolver);
my $json = JSON::PP->new->latin1->canonical;

$| = 1;
while (my $line = <STDIN>) {
    my $question = $json->decode($line);
    my $isHelo = $question->{from} eq '';
    my $result = eval {
        $server->process(Mail::SPF::Request->new(
            versions      => [1],
            scope         => $isHelo ? 'helo' : 'mfrom',
            identity      => $isHelo ? $question->{helo} : $question->{from},
            helo_identity => $question->{helo},
            ip_address    => $question->{ip},
        ));
    };
    print $json->encode(
        defined($result) ? { result => $result->code, text => "" . $result->text } : { died => "$@" }), "\n";
}
