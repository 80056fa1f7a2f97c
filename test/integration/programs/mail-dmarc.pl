# Answers questions about DMARC by Mail::DMARC: a line of JSON with from, spf and dkim; a line with the result. The port of the
# name server is the argument.
use strict;
use warnings;
use JSON::PP;
use Mail::DMARC::PurePerl;
use Net::DNS::Resolver;

my ($port) = @ARGV;
my $resolver = Net::DNS::Resolver->new(
    config_file => undef,
    nameservers => ['127.0.0.1'],
    port        => $port,
    defnames    => 0,
    dnsrch      => 0,
);
my $json = JSON::PP->new->canonical;

$| = 1;
while (my $line = <STDIN>) {
    my $question = $json->decode($line);
    my $dmarc = Mail::DMARC::PurePerl->new;
    $dmarc->set_resolver($resolver);
    my $answer = eval {
        $dmarc->header_from($question->{from});
        $dmarc->source_ip('192.0.2.1');
        $dmarc->spf($question->{spf});
        $dmarc->dkim($question->{dkim});
        my $result = $dmarc->validate;
        my $reason = $result->reason && $result->reason->[0];
        +{
            result      => $result->result,
            disposition => $result->disposition,
            comment     => $reason && $reason->comment || '',
        };
    };
    print $json->encode($answer || { died => "$@" }), "\n";
}
