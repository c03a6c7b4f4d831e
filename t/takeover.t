#!/usr/bin/perl

# Who takes a stream over from whom, and who waits: the same key at once,
# anybody else after 3 s of silence, and who was displaced not before 10 s have
# gone by while the other one sends.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(time);

use Live::Encoder;
use Live::Nginx qw(wait_for);
use Live::RTMP;
use Live::Stream;

my ($key, $key2) = map {
    join '', 'k-', map { ('a' .. 'z')[ rand 26 ] } 1 .. 32
} 1 .. 2;

my $ng = Live::Nginx->new(
    workers => 2,
    files => { 'keys' => join '', map { 'own ' . sha256_hex($_) . "\n" }
        $key, $key2 },
    conf => <<'EOC');
live { live_store %%STORE%% 128m; live_segment 1s; live_part 200ms; }
stream {
    live_stream_keys %%DIR%%/keys;
    server { listen %%PORT_open%%; live_rtmp; live_publish_auth off; }
    server { listen %%PORT_keyed%%; live_rtmp; live_publish_auth token; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
    }
}
EOC

chmod 0644, $ng->dir . '/keys';
$ng->start;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));
my ($here, $there) = ('127.0.0.1', '127.0.0.2');

# --- a publisher that has only begun

{
    my $first = encoder(open => $here);
    is($first->publish('begun'), 'NetStream.Publish.Start', 'one that begins');
    refused(encoder(open => $there), 'begun', qr/somebody else/,
        'has its stream before it has sent anything');
}

# --- a publisher that has gone

{
    my $first = encoder(open => $here);
    $first->publish('gone');
    feed($first, 'gone', 0, 2500);
    ok(view('gone')->wait_live, 'a publisher');
    my $next = encoder(open => $there);
    feed($first, 'gone', 2500, 2600);
    $first->reset_hard;
    ok(view('gone')->wait_state('interrupted'), 'is lost');
    refused($next, 'gone', qr/somebody else/,
        'another address waits for 3 s of silence');

    my $back = encoder(open => $here);
    is($back->publish('gone'), 'NetStream.Publish.Start',
        'the same one comes back at once');
    feed($back, 'gone', 2600, 3600);
    ok(view('gone')->wait_live, 'and goes on');

    $back->reset_hard;
    ok(view('gone')->wait_state('interrupted'), 'lost again');
    ok(wait_for(sub { accepted(encoder(open => $there), 'gone') }, 15,
        'silence'), 'after some silence it is anybody\'s');
}

{
    my $first = encoder(keyed => $here);
    $first->publish($key);
    feed($first, 'own', 0, 2500);
    ok(view('own')->wait_live, 'a publisher with a key');
    my $next = encoder(keyed => $here);
    my $same = encoder(keyed => $there);
    feed($first, 'own', 2500, 2600);
    $first->reset_hard;
    ok(view('own')->wait_state('interrupted'), 'is lost');
    refused($next, $key2, qr/somebody else/,
        'another key of the stream waits, whatever its address');
    is($same->publish($key), 'NetStream.Publish.Start',
        'the same key does not, whatever its address');
    feed($same, 'own', 2600, 3600);
    ok(view('own')->wait_live, 'live again');
    $same->unpublish($key);
    ok(view('own')->wait_state('ended'), 'ended');
    my $other = encoder(keyed => $here);
    is($other->publish($key2), 'NetStream.Publish.Start',
        'a stream that has ended is anybody\'s at once');
    $other->unpublish($key2);
}

# --- two encoders with one key

{
    my $a = encoder(keyed => $here);
    $a->publish($key);
    feed($a, 'own', 0, 2500);
    my $b = encoder(keyed => $there);
    my $began = time();
    is($b->publish($key), 'NetStream.Publish.Start', 'takes over at once');
    ok($a->closed_within(10), 'the other one is closed');

    my $again = encoder(keyed => $here);
    feed($b, 'own', 0, 2500);
    refused($again, $key, qr/another encoder with the same key/,
        'and waits while the new one sends');

    # the winner may come back, and the loser still waits
    my $b2 = encoder(keyed => $there);
    $again = encoder(keyed => $here);
    is($b2->publish($key), 'NetStream.Publish.Start',
        'the new one reconnects');
    feed($b2, 'own', 2500, 3500);
    refused($again, $key, qr/another encoder with the same key/,
        'which changes nothing');

    my ($from, $start) = (3500, time());
    my $in;
    ok(wait_for(sub {
        my $to = 3500 + int((time() - $start) * 10) * 100;
        return if $to == $from;
        my $c = encoder(keyed => $here);
        feed($b2, 'own', $from, $to);
        $from = $to;
        $in = accepted($c, $key);
    }, 30, 'ten seconds'), 'in the end it gets the stream');
    cmp_ok(time() - $began, '>', 9.9, 'not before 10 s');
    undef $in;
}

# --- two encoders with one address, where that is all there is

{
    my $a = encoder(open => $here);
    $a->publish('pair');
    feed($a, 'pair', 0, 2500);
    my $b = encoder(open => $here);
    is($b->publish('pair'), 'NetStream.Publish.Start', 'takes over at once');
    ok($a->closed_within(10), 'the other one is closed');

    my $again = encoder(open => $here);
    feed($b, 'pair', 0, 2500);
    refused($again, 'pair', qr/another encoder/,
        'the two do not take turns while one sends');
    ok(wait_for(sub { accepted(encoder(open => $here), 'pair') }, 10,
        'a pause'), 'one that sends no more does not keep it');
}

$ng->finish;
done_testing;

# Everything up to the publish.
sub encoder {
    my ($port, $from) = @_;
    my $c = Live::RTMP->new(port => $ng->port($port), from => $from,
        timeout => 10);

    $c->handshake;
    $c->connect_app('live');
    $c->create_stream;
    $c->set_chunk_size(60000);

    return $c;
}

sub accepted {
    my ($c, $name) = @_;

    return ($c->publish($name) // '') eq 'NetStream.Publish.Start' ? $c : undef;
}

sub refused {
    my ($c, $name, $why, $text) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $code = $c->publish($name);
    my $said = $c->{status}{description} // '';

    ok($code eq 'NetStream.Publish.BadName' && $said =~ $why, $text)
        or diag("$code: $said");
}

# Sends the media from one time to another (ms) as fast as it goes, until the
# server has seen some of it.
sub feed {
    my ($c, $name, $from, $to) = @_;
    my $now = time() * 1000;

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
        && $_->{ts} >= $from && $_->{ts} < $to } @$tags;
    $c->poll;

    wait_for(sub { (view($name)->status->{input_ms} // 0) >= $now - 1 }, 10,
        'input');
}

sub view { return Live::Stream->new($ng, 'http', $_[0]) }
