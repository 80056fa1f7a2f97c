# Verifies ARC chains by Mail::DKIM: a line of JSON with message (base64) and keys; a line with the result.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Mail::DKIM::ARC::Verifier;
use Net::DNS::RR;

my $keys = {};
{
    no warnings qw(redefine once);
    my $find = sub {
        my ($name) = @_;
        my $text = $keys->{$name} or return;
        return Net::DNS::RR->new(name => $name, type => 'TXT', txtdata => [ $text =~ /(.{1,255})/g ]);
    };
    *Mail::DKIM::DNS::query = $find;
    *Mail::DKIM::DNS::query_async = sub {
        my ($name, $type, %more) = @_;
        my $success = $more{Callbacks}{Success} || sub { $_[0] };
        return sub { $success->($find->($name)) };
    };
}

my $json = JSON::PP->new->canonical;
$| = 1;
while (my $line = <STDIN>) {
    my $question = $json->decode($line);
    $keys = $question->{keys};
    my $verifier = Mail::DKIM::ARC::Verifier->new;
    $verifier->PRINT(decode_base64($question->{message}));
    $verifier->CLOSE;
    print $json->encode({ status => $verifier->result, reason => $verifier->result_detail }), "\n";
}
