#!/usr/bin/perl

# SRT publishers of real encoders, in nginx: any worker, each with a socket of
# its own, so that a reload, an upgrade and another worker's death leave them
# alone; who may publish and with which passphrase; what comes to the port from
# anybody.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use Socket ();
use Test::More;

use Live::Encoder;
use Live::Nginx qw(wait_for read_file);
use Live::SRT;
use Live::Stream;

plan(skip_all => 'no srt-live-transmit')
    if system('command -v srt-live-transmit > /dev/null') != 0;

my $KEY = 'the-key-of-demo';
my $PASS = 'correct-horse';
my $SHA = `printf %s $KEY | sha256sum`;
$SHA =~ s/\s.*//s;

my $SHA2 = `printf %s other-key | sha256sum`;
$SHA2 =~ s/\s.*//s;

my $ng = Live::Nginx->new(workers => 2, files => { keys => <<"EOK" },
keyed $SHA
secret $SHA2 passphrase=of-this-key-alone
EOK
    conf => <<'EOC');
live { live_store %%STORE%% 128m; live_segment 1s; live_part 200ms;
       live_window 12s; live_resume 20s; live_max_bitrate 4m; }
stream {
    log_format live '$live_stream|$live_reason|$status';
    live_srt_timeout 2s;
    server { listen %%PORT_srt%% udp reuseport; live_srt;
             live_publish_auth off; access_log %%DIR%%/logs/srt.log live; }
    server { listen 127.0.0.1:%%PORT_secret%% udp; live_srt;
             live_srt_passphrase correct-horse; live_publish_auth off; }
    server { listen 127.0.0.1:%%PORT_keys%% udp reuseport; live_srt;
             live_publish_auth token; live_stream_keys %%DIR%%/keys; }
    server { listen 127.0.0.1:%%PORT_mapped%% udp reuseport; live_srt;
             live_srt_stream mapped; live_srt_passphrase correct-horse;
             live_publish_auth token; live_stream_keys %%DIR%%/keys; }
    server { listen 127.0.0.1:%%PORT_denied%% udp reuseport; live_srt;
             live_publish_auth off; deny all; }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/  { live_hls; live_token off; }
        location /status { live_status; }
        location /metrics { live_metrics; }
    }
}
EOC

$ng->start;

my $flv = Live::Encoder::media(gop => 25, seconds => 10);
(my $ts = $flv) =~ s/flv$/ts/;

system('ffmpeg', '-nostdin', '-v', 'error', '-y', '-i', $flv, '-c', 'copy',
    '-f', 'mpegts', "$ts.$$") == 0 && rename "$ts.$$", $ts
    unless -s $ts;
my $rate = (-s $ts) * 8 / 10;

sub url {
    my ($port, $query, $addr) = @_;

    return sprintf 'srt://%s:%d?%s', $addr // '127.0.0.1', $ng->port($port),
        $query;
}

sub view { return Live::Stream->new($ng, 'http', $_[0]) }
sub publisher { return view($_[0])->status->{publisher} // {} }

# --- encoders, keys of each length, all spellings of a stream id

my %enc = (
    ff => Live::Encoder->ffmpeg(url('srt', 'streamid=ff&pkt_size=1316'),
        media => $flv),
    gst => Live::Encoder->gstreamer(url('srt', 'streamid=live/gst')),
    other => Live::Encoder->srt(url('srt', 'streamid=#!::r=live/other,m=publish',
        '127.0.0.2'), $ts, bitrate => $rate, loop => 1),
    (map { my $bits = $_; +"aes$bits" => Live::Encoder->srt(url('secret',
        "streamid=aes$bits&passphrase=$PASS&pbkeylen=" . $bits / 8
        . '&kmrefreshrate=300&kmpreannounce=100'), $ts, bitrate => $rate,
        loop => 1) } 128, 192, 256),
    keyed => Live::Encoder->srt(url('keys', "streamid=live/keyed?key=$KEY"),
        $ts, bitrate => $rate, loop => 1),
    secret => Live::Encoder->srt(url('keys',
        'streamid=other-key&passphrase=of-this-key-alone'), $ts,
        bitrate => $rate, loop => 1),
    mapped => Live::Encoder->srt(url('mapped', "passphrase=$PASS"),
        $ts, bitrate => $rate, loop => 1),
);

for my $name (sort keys %enc) {
    ok(view($name)->wait_live, "$name is live")
        or diag($enc{$name}->log, $ng->tail);
}

{
    my %pid = map { publisher($_)->{pid} => 1 } keys %enc;

    is(scalar keys %pid, 2, 'publishers of both workers');

    my $link = publisher('aes256')->{link};

    is($link->{key_bits}, 256, 'the key is as long as the encoder wanted');
    is(publisher('aes128')->{link}{key_bits}, 128, '… or as short');
    is(publisher('ff')->{link}{key_bits}, 0, '… or there is none');
    is($link->{latency_ms}, 120, 'latency agreed on');
    like(publisher('ff')->{encoder}, qr/^libsrt 1\.\d/, 'encoder');
    is($link->{undecrypted}, 0, 'all could be read');
}

# --- refused, with the numbers that libsrt knows

my $told = 0;

sub refused {
    my ($port, $number, $reason, $name, %ask) = @_;
    my $lines = () = $ng->log_text =~ /publish refused, srt/g;
    my $from = sprintf '127.0.1.%d', ++$told;      # each an address of its own

    is(Live::SRT->ask($ng->port($port), from => $from, %ask) // 'silence',
        $number, "$name: $number");
    ok(wait_for(sub { $ng->log_text =~ /refused, srt from \Q$from\E: [^\n]*$reason/ }),
        '… and the log says why') or diag($ng->tail);
    my $now = () = $ng->log_text =~ /publish refused, srt/g;
    is($now, $lines + 1, '… once');
}

refused('srt', 2401, qr/No stream key|name is not valid/, 'no stream id');
refused('srt', 2400, qr/cannot be read/, 'a form that is not known',
    streamid => '#!:{r: demo}');
refused('srt', 2405, qr/for publishing/, 'to watch',
    streamid => '#!::r=ff,m=request');
refused('srt', 2409, qr/somebody else/, 'a stream of another address',
    streamid => 'ff');
refused('srt', 1013, qr/file mode/, 'file mode', streamid => 'x',
    congestion => 'file');
refused('srt', 1012, qr/file mode/, 'stream mode', streamid => 'x',
    flags => 0xff);
refused('srt', 1014, qr/FEC/, 'FEC', streamid => 'x', filter => 'fec,cols:10');
refused('srt', 1015, qr/bonded/, 'a bonded connection', streamid => 'x',
    group => '12345678');
refused('srt', 1008, qr/older/, 'version 4', streamid => 'x', version => 4);
refused('srt', 1008, qr/older/, 'libsrt 1.2', streamid => 'x',
    libsrt => 0x010200);
refused('srt', 1004, qr/no sense/, 'half an extension', more => "\0\1\0\3\0");
refused('secret', 1011, qr/one side/, 'no passphrase', streamid => 'x');
refused('keys', 2401, qr/not known/, 'a wrong stream key',
    streamid => '#!::r=keyed,m=publish,key=wrong');
refused('keys', 2401, qr/another stream/, "another stream's key",
    streamid => "#!::r=other,m=publish,key=$KEY");
refused('keys', 1011, qr/one side/, 'a key that has a passphrase, without it',
    streamid => 'other-key');
refused('mapped', 1011, qr/one side/, 'a mapped port without the passphrase');

{
    my $bad = Live::Encoder->srt(url('secret',
        'streamid=bad&passphrase=wrong-horse'), $ts, bitrate => $rate);

    ok(wait_for(sub { $ng->log_text =~ /refused, srt from \S+: wrong passphrase/
            && $bad->log =~ /Incorrect passphrase/ }),
        'a wrong passphrase: the log and libsrt say so') or diag($bad->log);

    my $file = Live::Encoder->_spawn('srt-file-transmit', $ts,
        url('srt', 'streamid=x'));

    ok(wait_for(sub { !$file->running }), 'srt-file-transmit is refused');
    unlike($ng->log_text, qr/correct-horse|wrong-horse|\Q$KEY\E|of-this-key|other-key/,
        'no passphrase and no key in the log');
}

# --- what is not a handshake, or not that of who sends it

{
    my $c = Live::SRT->new('127.0.0.1', $ng->port('srt'));

    $c->send($_) for '', 'x', 'x' x 16, 'x' x 1400, "\x80\0" . "\0" x 62,
        "\0" x 64;
    is($c->recv(0.3), undef, 'nonsense: no answer');
    is($c->conclusion(streamid => 'a', cookie => 12345, timeout => 0.3), undef,
        'a wrong cookie: no answer');
    ok($c->induction, 'an induction is answered …');
    is(length $c->{got}, 64, '… with as many bytes');

    my $other = Live::SRT->new('127.0.0.1', $ng->port('srt'));
    is($other->conclusion(streamid => 'a', cookie => $c->{cookie},
        timeout => 0.3), undef, "another's cookie: no answer");

    my $denied = Live::SRT->new('127.0.0.1', $ng->port('denied'));
    is($denied->induction(0.3), undef, 'who is denied gets none either');

    # the answer is lost: it is given again, and it is one publisher
    is($c->conclusion(streamid => 'twice'), 0xffffffff, 'a conclusion');
    my $id = $c->{peer};
    is($c->conclusion(streamid => 'twice'), 0xffffffff, '… comes again');
    is($c->{peer}, $id, '… and has the same answer');
    my $started = () = $ng->log_text =~ /publish of "twice" started/g;
    is($started, 1, '… once started');

    # no transport stream
    $c->data($_, 'no transport stream ' x 60) for 0 .. 300;
    ok(wait_for(sub { $ng->log_text =~ /publish of "twice" (?:ended|lost)/ }),
        'garbage instead of a transport stream ends it') or diag($ng->tail);

    # silence
    my $mute = Live::SRT->new('127.0.0.1', $ng->port('srt'));
    $mute->induction;
    is($mute->conclusion(streamid => 'mute'), 0xffffffff, 'one that is silent');
    ok(wait_for(sub { $ng->log_text =~ /publish of "mute" lost[^\n]*no packets/ }),
        '… is lost after its time') or diag($ng->tail);
}

# --- pending handshakes of one address

{
    my @c = map { Live::SRT->new('127.0.0.1', $ng->port('keys'),
        from => '127.0.3.1') } 1 .. 40;
    my %n;

    $_->induction for @c;
    $n{ $_->conclusion(streamid => 'wrong') // 'silence' }++ for @c;
    ok($n{2402}, 'too many handshakes from one address: 2402')
        or diag(join ' ', %n);
}

# --- reload, upgrade, another worker's death

sub same {
    my ($before, $name) = @_;
    my @moved = grep { (publisher($_)->{since_ms} // 0) != $before->{$_}{since_ms}
        || publisher($_)->{pid} != $before->{$_}{pid}
        || !publisher($_)->{connected} } sort keys %$before;

    is("@moved", '', "$name: every publisher is where it was");

    my %msn = map { $_ => view($_)->playlist->{next_msn} } keys %$before;
    my @stuck = grep { my $s = $_;
        !wait_for(sub { view($s)->playlist->{next_msn} > $msn{$s} + 1 }, 10) }
        sort keys %msn;
    is("@stuck", '', "$name: and its stream goes on") or diag($ng->tail);
}

{
    my %before = map { $_ => publisher($_) } keys %enc;
    my %old = map { $_ => 1 } $ng->workers;

    $ng->reload;
    ok((grep { !$old{$_} } $ng->workers), 'other workers after the reload');
    same(\%before, 'reload');
    is(Live::SRT->ask($ng->port('srt'), streamid => '#!:{'), 2400,
        'new handshakes are answered');

    $ng->upgrade;
    same(\%before, 'upgrade');

    my $keep = $before{ff}{pid};
    my ($victim) = grep { $_ != $keep } map { $_->{pid} } values %before;
    my @with = grep { $before{$_}{pid} == $victim } sort keys %before;

    $ng->kill_worker(KILL => $victim);
    delete @before{@with};
    same(\%before, 'the other worker is killed');
    ok(wait_for(sub { publisher($with[0])->{pid} != $victim }, 20),
        "libsrt's caller came back") or diag($enc{ $with[0] }->log)
        if grep { $_ eq 'gst' } @with;
}

# --- a flood of inductions from many addresses

{
    my %dropped = map { $_ => publisher($_)->{link}{dropped} // 0 } 'ff';
    my $rss = sub { my $n = 0;
        for ($ng->all_workers) {
            $n += $1 if read_file("/proc/$_/status") =~ /RssAnon:\s+(\d+)/;
        }
        return $n };
    my $lines = () = $ng->read('logs/srt.log') =~ /\n/g;
    my $packet = Live::SRT->new('127.0.0.1', 9)->handshake(version => 4,
        ext => 2, type => 1);
    my @s = map { IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => sprintf('127.1.%d.%d', $_ / 250, 1 + $_ % 250),
        PeerAddr => '127.0.0.1', PeerPort => $ng->port('srt')) } 1 .. 500;
    my ($before, $sent, $bytes) = ($rss->(), 0, 0);

    for my $round (1 .. 60) {
        for my $s (@s) {
            $sent++ if defined $s->send($packet);
        }

        for my $s (@s) {
            while (defined $s->recv(my $buf, 2048, Socket::MSG_DONTWAIT())) {
                $bytes += length $buf;
            }
        }
    }

    cmp_ok($bytes, '<=', 64 * $sent, "$sent inductions: no more bytes back")
        or diag($bytes);
    cmp_ok($bytes, '>', 0, '… but some');
    cmp_ok($rss->() - $before, '<', 2048, '… and no memory is kept')
        unless $ENV{LIVE_ASAN};         # which keeps what is freed
    my $now = () = $ng->read('logs/srt.log') =~ /\n/g;
    is($now, $lines, '… nor a line in the access log');
    is(publisher('ff')->{link}{dropped}, $dropped{ff}, '… publishers lose nothing');
}

# --- goodbye

{
    my $res = $ng->get('http', '/metrics');
    like($res->body, qr/^ngx_live_srt_packets_total [1-9]\d{2,}$/m, 'metrics');

    $enc{ff}->stop;
    ok(view('ff')->wait_state('ended'), "an encoder's goodbye ends its stream")
        or diag($ng->tail);
    ok(wait_for(sub { $ng->read('logs/srt.log')
            =~ /^ff\|the encoder stopped\|200$/m }), '… and is in the access log');

    for my $name (qw(gst other)) {
        $enc{$name}->kill if $enc{$name}->running;
        ok(view($name)->wait_state('interrupted'), "$name is killed: filled")
            or diag($ng->tail);
    }
}

$_->kill for grep { $_->running } values %enc;
$ng->finish;
done_testing();
