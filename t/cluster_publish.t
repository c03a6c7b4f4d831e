#!/usr/bin/perl

# live_publish_auth http://…: the control plane decides who may publish, and
# what happens when it is slow, wrong, or not there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Encoder;
use Live::FakeControl;
use Live::Nginx qw(wait_for);
use Live::Prometheus;
use Live::RTMP;
use Live::Stream;
use Live::Token;

my $node_key = unpack 'H*', Live::Token::random_bytes(32);
my $cp = Live::FakeControl->new(node_key => $node_key);
my $tls = Live::FakeControl->new(node_key => $node_key, tls => 1);
my $dead = Live::FakeControl->new;

$_->start for $cp, $tls;

my $conf = <<'EOC';
live {
    live_store %%STORE%% 128m;
    live_node_id test.node-1;
    live_node_key %%DIR%%/node.key;
    live_control_ca %%CA%%;
    live_resume 2s;
}
stream {
    server { listen 127.0.0.1:%%PORT_rtmp%%; live_rtmp;
             live_publish_auth %%URL%%/internal/publish; }
    server { listen 127.0.0.1:%%PORT_tls%%; live_rtmp;
             live_publish_auth %%TLS%%/internal/publish; }
    server { listen 127.0.0.1:%%PORT_tlsip%%; live_rtmp;
             live_publish_auth %%TLSIP%%/internal/publish; }
    server { listen 127.0.0.1:%%PORT_dead%%; live_rtmp;
             live_publish_auth %%DEAD%%/x/internal/publish; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/   { live_hls; live_token off; }
        location /status  { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

my $ng = Live::Nginx->new(workers => 4, vars => { URL => $cp->url,
    TLS => $tls->url('localhost'), TLSIP => $tls->url, DEAD => $dead->url,
    CA => $tls->ca }, conf => $conf);

chmod 0755, $tls->{dir};
$ng->write('node.key', "$node_key\n");
chmod 0644, $ng->dir . '/node.key', $tls->ca;
$ng->start;

my $tags = Live::RTMP::load_flv(Live::Encoder::media(gop => 25, seconds => 20));
my $from = 2;               # refused ones are counted by address
my @secrets;

sub key {
    push @secrets, my $k = 'k' . unpack 'H*', Live::Token::random_bytes(20);
    return $k;
}

sub connected {
    my ($port, %opt) = @_;
    my $c = Live::RTMP->new(port => $ng->port($port), timeout => 10,
        from => $opt{from} // '127.0.1.' . $from++);

    $c->handshake;
    $c->connect_app('live');
    $c->create_stream;

    return $c;
}

# (code, description, the connection)
sub publish {
    my ($name, %opt) = @_;
    my $c = connected($opt{port} // 'rtmp', %opt);
    my $code = $c->publish($name);

    return ($code, $c->{status}{description}, $c);
}

sub refused {
    my ($name, $why, $title, %opt) = @_;
    my ($code, $text, $c) = publish($name, %opt);

    is($code, 'NetStream.Publish.BadName', "refused: $title");
    like($text, $why, "and told why: $title");
    $c->close;
}

sub accepted {
    my ($name, $title, %opt) = @_;
    my ($code, $text, $c) = publish($name, %opt);

    is($code, 'NetStream.Publish.Start', $title) or diag($text);
    return $c;
}

sub done {
    my ($c, $stream) = @_;

    $c->close;
    wait_for(sub {
        my $n = () = $ng->log_grep(qr/publish of "$stream" (?:lost|finished)/);
        my $m = () = $ng->log_grep(qr/publish of "$stream" started/);
        return $n == $m;
    }, 10, "the publish of $stream to stop");
}

sub metric {
    my ($result) = @_;
    my $m = Live::Prometheus->parse($ng->get('http', '/metrics')->body);

    return $m->value('ngx_live_publish_decisions_total', result => $result);
}

sub feed {
    my ($c, $from_ms, $to) = @_;

    $c->send_tag($_) for grep { $_->{header} } @$tags;
    $c->send_tag($_) for grep { !$_->{header} && $_->{type} != 18
        && $_->{ts} >= $from_ms && $_->{ts} < $to } @$tags;
}

# --- yes and no

my $key = key();
$cp->publisher($key => { stream => 'demo', user => '17', broadcast => '123',
    owner => 'ab' x 32, expires => undef, settings => {
        part_ms => 200, segment_ms => 1000, window_ms => 12000 } });

{
    my $c = accepted($key, 'a key that the control plane knows');
    my ($r) = $cp->requests('publish');

    is($r->{path}, '/internal/publish', 'it was asked at that URL');
    is($r->{body}{credential}, $key, 'for the key');
    is($r->{body}{stream}, undef, 'without a stream');
    is($r->{body}{node}, 'test.node-1', 'by this node');
    is($r->{body}{protocol}, 'rtmp', 'over RTMP');
    is($r->{body}{addr}, '127.0.1.2', 'with the address');
    like($r->{headers}{authorization}, qr/^Live-Node /, 'signed');

    feed($c, 0, 4000);
    $c->poll;
    my $v = Live::Stream->new($ng, 'http', 'demo');
    ok($v->wait_live, 'the stream is the one of the answer');
    is($v->playlist->{target}, 1, 'the settings are those of the answer');
    cmp_ok($v->playlist->{part_target}, '<', 0.26, 'parts, too');
    is($v->status->{window_ms}, 12000, 'and the window');
    done($c, 'demo');

    $c = accepted("demo?key=$key", 'the key beside the stream');
    is(($cp->requests('publish'))[-1]{body}{stream}, 'demo',
        'both are told');
    done($c, 'demo');
}

refused("other?key=$key", qr/^That key is for another stream\.$/,
    'a key for another stream');
refused(key(), qr/^This stream key is not known\.$/, 'an unknown key');

{
    my $odd = key();
    $cp->publisher($odd => "Suspended: \x{e9}\n" . 'x' x 500);
    refused($odd, qr/^Suspended: [ -~]+x+$/, 'a long sentence, not all ASCII');
    cmp_ok(metric('refused'), '>=', 3, 'counted');

    my $bad = key();
    $cp->publisher($bad => { stream => '../x' });
    refused($bad, qr/at the moment/, 'an answer with no valid stream');

    my $set = key();
    $cp->publisher($set => { stream => 'odd', settings => {
        part_ms => 7, segment_ms => 1000000, max_bitrate => -5 } });
    done(accepted($set, 'settings out of bounds do not count'), 'odd');
    ok($ng->log_grep(qr/settings for the publish of "odd" are left out/),
        'and are logged');
}

# --- connections are kept

{
    my %conn;
    my $k = key();

    $cp->publisher($k => { stream => 'kept' });
    done(accepted($k, "publish $_"), 'kept') for 1 .. 10;
    $conn{ $_->{conn} }++ for grep { $_->{body}{credential} eq $k }
        $cp->requests('publish');
    cmp_ok(scalar keys %conn, '<=', 4, 'connections are kept: one a worker')
        or diag(explain(\%conn));

    $cp->stop;
    $cp->start;
    done(accepted($k, "publish $_ after all kept ones were closed"), 'kept')
        for 1 .. 6;

    $cp->mode(publish => { chunked => 1 });
    done(accepted($k, 'a chunked answer'), 'kept');
    $cp->mode(publish => { once => 1 });
    done(accepted($k, "an answer that closes, $_"), 'kept') for 1 .. 3;
    $cp->mode(publish => {});
}

# --- slow

{
    my $k = key();

    $cp->publisher($k => { stream => 'slow' });
    $cp->mode(publish => { delay => 1 });

    # the encoder does not wait for the answer with its media
    my $quick = connected('rtmp');
    $quick->publish($k, no_wait => 1);
    feed($quick, 0, 4000);
    ok($ng->reload, 'a reload while it is asked');
    my $st = $quick->wait_status(10);
    is($st->{code}, 'NetStream.Publish.Start', 'accepted afterwards');
    ok(Live::Stream->new($ng, 'http', 'slow')->wait_live,
        'what was sent meanwhile is not lost');
    done($quick, 'slow');

    # the peer leaves meanwhile
    my $before = () = $ng->log_grep(qr/publish of "slow" started/);
    my $gone = connected('rtmp');
    my $n = $cp->requests('publish');
    $gone->publish($k, no_wait => 1);
    ok(wait_for(sub { $cp->requests('publish') > $n }, 5), 'asked');
    $gone->close;
    done(accepted($k, 'somebody else is let in'), 'slow');
    my $after = () = $ng->log_grep(qr/publish of "slow" started/);
    is($after, $before + 1, 'who has left is not published');

    $cp->mode(publish => { delay => 20 });
    my $fresh = key();
    $cp->publisher($fresh => { stream => 'never' });
    refused($fresh, qr/cannot check stream keys at the moment/,
        'no answer in time');
    ok($ng->log_grep(qr/could not be asked who may publish: no answer in time/),
        'logged');
    $cp->mode(publish => {});
}

# --- wrong

{
    my %wrong = (
        'no JSON' => { body => 'nonsense' },
        'JSON, but no answer' => { body => '[]' },
        'no HTTP' => { raw => "SSH-2.0-x\r\n\r\n" },
        'no answer' => { close => 1 },
        'too long' => { huge => 5_000_000 },
        'half' => { raw => "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{" },
        '500' => { status => 500 }, '503' => { status => 503 },
    );

    for my $what (sort keys %wrong) {
        my $k = key();
        $cp->publisher($k => { stream => 'wrong' });
        $cp->mode(publish => $wrong{$what});
        refused($k, qr/cannot check stream keys at the moment/,
            "the answer is $what");
    }

    $cp->mode(publish => { status => 401 });
    refused(key(), qr/could not check the stream key/, 'the answer is 401');
    $cp->mode(publish => {});
}

refused(key(), qr/at the moment/, 'nobody answers', port => 'dead');

# --- remembered

{
    my ($k, $bad) = (key(), key());

    $cp->publisher($k => { stream => 'again', broadcast => '7' });
    done(accepted($k, 'accepted once'), 'again');

    $cp->stop;
    my %pids;

    for (1 .. 12) {
        done(accepted($k, "accepted again without a control plane, $_"),
            'again');
    }

    $pids{$_}++ for map { /\] (\d+)#/ } $ng->log_grep(
        qr/the publish of "again" is let in, as it was before/);
    cmp_ok(scalar keys %pids, '>', 1, 'by several workers')
        or diag(explain(\%pids));
    cmp_ok(metric('remembered'), '>=', 12, 'counted');
    refused($bad, qr/at the moment/, 'a key that never was accepted');
    refused("other?key=$k", qr/at the moment/, 'the key, but another stream');

    ok($ng->reload, 'a reload');
    done(accepted($k, 'it is remembered by the next generation'), 'again');

    $cp->start;
    $cp->mode(publish => { status => 502 });
    done(accepted($k, 'accepted when the answer is 502'), 'again');
    $cp->mode(publish => {});
    $cp->publisher($k => 'This key was revoked.');
    refused($k, qr/^This key was revoked\.$/, 'a 403 counts');
    $cp->stop;
    refused($k, qr/at the moment/, 'and ends the memory');
    $cp->start;

    my $short = key();
    $cp->publisher($short => { stream => 'short', expires => time() + 2 });
    done(accepted($short, 'a key that ends soon'), 'short');
    $cp->mode(publish => { status => 500 });
    my $end = time() + 3;
    wait_for(sub { time() > $end }, 5);
    refused($short, qr/at the moment/, 'is not remembered beyond that');
    $cp->mode(publish => {});
}

# --- many wrong keys

{
    my $n = $cp->requests('publish');
    my $text;

    for (1 .. 60) {
        (undef, $text, my $c) = publish(key(), from => '127.0.9.9');
        $c->close;
        last if $text =~ /Too many wrong keys/;
    }

    like($text, qr/Too many wrong keys/, 'guessing is limited');
    my $asked = $cp->requests('publish');
    (undef, $text) = publish(key(), from => '127.0.9.9') for 1 .. 8;
    cmp_ok($cp->requests('publish') - $asked, '<', 8,
        'and then not asked about every time');
}

# --- TLS

{
    my $k = key();
    $tls->publisher($k => { stream => 'tls' });
    done(accepted($k, 'over TLS', port => 'tls'), 'tls');
    is(($tls->requests('publish'))[-1]{sni}, 'localhost', 'with SNI');
    done(accepted($k, "over TLS, $_", port => 'tls'), 'tls') for 1 .. 6;

    refused(key(), qr/at the moment/, 'a certificate for another name',
        port => 'tlsip');
    ok($ng->log_grep(qr/the certificate is for another host/), 'logged');

    my $stranger = Live::FakeControl->new(tls => 1, node_key => $node_key,
        port => $tls->port);
    $tls->stop;
    $stranger->publisher($k => { stream => 'tls' });
    my $fresh = key();
    $stranger->publisher($fresh => { stream => 'tls2' });
    $stranger->start;
    refused($fresh, qr/at the moment/, 'a certificate of a stranger',
        port => 'tls');
    ok($ng->log_grep(qr/asked who may publish: .*(?:self|unable|issuer|signature)/i),
        'logged');
    $stranger->stop;
    $tls->start;
    $tls->certificate('127.0.0.1');
    $tls->stop;
    $tls->start;
    done(accepted($k, 'a certificate for the address', port => 'tlsip'),
        'tls');
}

my $logs = join '', values %{ $ng->all_logs };
is(scalar(grep { index($logs, $_) >= 0 } @secrets, $node_key), 0,
    'no key is in any log');

$ng->finish;
done_testing;
