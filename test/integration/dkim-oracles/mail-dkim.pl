# Verifies and signs by Debian's libmail-dkim-perl: orders in JSON, one a line, answers likewise.
use strict;
use warnings;
use JSON::PP;
use MIME::Base64;
use Net::DNS;
use Mail::DKIM::Signer;
use Mail::DKIM::Verifier;

package Zone {
    sub new { my ($class, $keys) = @_; return bless {keys => $keys}, $class }

    sub send {
        my ($self, $name, $type) = @_;
        my $packet = Net::DNS::Packet->new($name, $type);
        my $text   = $self->{keys}{$name};
        if (defined $text) {
            my @strings = $text =~ /(.{1,255})/gs;
            $packet->push(answer => Net::DNS::RR->new(owner => $name, type => 'TXT', ttl => 1, txtdata => \@strings));
        }
        else { $packet->header->rcode('NXDOMAIN') }
        return $packet;
    }
    sub errorstring { return 'NXDOMAIN' }
}

package main;

$| = 1;
while (my $line = <STDIN>) {
    my $order   = decode_json($line);
    my $message = decode_base64($order->{message});
    my $answer  = $order->{do} eq 'verify' ? verify($order, $message) : sign_it($order, $message);
    print encode_json($answer), "\n";
}

sub verify {
    my ($order, $message) = @_;
    Mail::DKIM::DNS::resolver(Zone->new($order->{keys}));
    my $verifier = Mail::DKIM::Verifier->new();
    $verifier->PRINT($message);
    $verifier->CLOSE;
    return {result => $verifier->result, reason => $verifier->result_detail};
}

sub sign_it {
    my ($order, $message) = @_;
    my $signer = Mail::DKIM::Signer->new(
        Algorithm => $order->{algorithm},
        Method    => $order->{canonicalization},
        Domain    => $order->{domain},
        Selector  => $order->{selector},
        KeyFile   => $order->{keyFile},
    );
    $signer->PRINT($message);
    $signer->CLOSE;
    return {message => encode_base64($signer->signature->as_string . "\r\n" . $message, '')};
}
