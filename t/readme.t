#!/usr/bin/perl

# README.md, "Broadcast through the API": its commands, one after another, with
# this test's ports, on real nginx, PostgreSQL and ffmpeg.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for read_file write_file repo_dir);

my ($text) = read_file(repo_dir() . '/README.md')
    =~ /^## Broadcast through the API\n.*?^```sh\n(.*?)^```/ms;

ok($text, 'the commands') or BAIL_OUT('none');

my ($http, $rtmp);
my $cp = Live::Control->new;
my $ng = Live::Nginx->new(
    workers => 2,
    files => { 'node.key' => read_file($cp->node_key_file) },
    vars => { CP => '127.0.0.1:' . $cp->port },
    conf => <<'EOC');
live {
    live_store %%STORE%% 64m;
    live_control_plane http://%%CP%%;
    live_node_id readme;
    live_node_key %%DIR%%/node.key;
}
stream {
    server {
        listen 127.0.0.1:%%PORT_rtmp%%;
        live_rtmp;
        live_publish_auth http://%%CP%%/internal/publish;
        live_resume 1s;
    }
}
http {
    %%HTTP%%
    server {
        listen 127.0.0.1:%%PORT_http%%;
        location /live/ { live_hls; live_token on; }
        location /api/ { proxy_pass http://%%CP%%; }
    }
}
EOC

($http, $rtmp) = map { $ng->port($_) } qw(http rtmp);
$cp->conf(public_url => "http://localhost:$http",
    rtmp_url => "rtmp://localhost:$rtmp/live");
$cp->start;
$ng->start;

# localhost can be ::1 first
$text =~ s/localhost:8080/127.0.0.1:$http/g;
$text =~ s/localhost:1935/127.0.0.1:$rtmp/g;
$text =~ s/ -t 60 / -t 15 / or BAIL_OUT('no -t 60');

# The last two commands are for when it is live.
my $live = q{for i in $(seq 100); do
    json $API/streams/live | grep -q anns-show && break; sleep 0.2; done};

$text =~ s/^(# it is live)/$live\n$1/m or BAIL_OUT('no "it is live"');

my $dir = $cp->dir;

write_file("$dir/readme.sh", "cd $dir || exit\n$text");

my $out = `bash $dir/readme.sh 2> $dir/readme.err`;

like($out, qr/"rtmp:\/\/localhost:$rtmp\/live"/, 'where to push to');
like($out, qr/"id" ?: ?"anns-show"/, 'it is among what is live');

my ($path) = $out =~ m{http://localhost:$http(/live/~\S+/index\.m3u8)$};

ok($path, 'an address to watch') or diag($out, read_file("$dir/readme.err"));
is($ng->get('http', $path)->status, 200, 'which plays');
ok(wait_for(sub {
    $cp->request(GET => '/streams/anns-show')->json->{status} eq 'ended';
}, 40, 'the end'), 'it has ended when the encoder stopped');

is(read_file("$dir/readme.err"), '', 'no complaints');

$ng->finish;
$cp->finish;
done_testing();
