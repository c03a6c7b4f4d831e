#!/usr/bin/perl
# What is not for viewers: signed requests with live_node_key, this machine's
# own without.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";
use IO::Socket::INET;
use Sys::Hostname ();
use Test::More;

use Live::Nginx qw(wait_for);
use Live::Token;

my $old = 'k' x 40;
my $new = unpack 'H*', Live::Token::random_bytes(32);

my $ng = Live::Nginx->new(files => {
    'node.key' => "# the new one signs, both verify\n$new\n$old\n",
}, vars => { ADDR => outside() }, conf => <<'EOC');
live { live_store %%STORE%% 64m; }

http {
    %%HTTP%%

    server {
        listen 127.0.0.1:%%PORT_http%%;
        listen %%ADDR%%:%%PORT_http%%;
        location /status  { live_status; }
        location /signed/ { live_status; live_node_key node.key; }
        location /metrics { live_metrics; live_node_key node.key; }
    }

    server {
        listen 127.0.0.1:%%PORT_pp%% proxy_protocol;
        set_real_ip_from 127.0.0.1;
        real_ip_header proxy_protocol;
        location /status { live_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_realip%%;
        set_real_ip_from 127.0.0.1;
        real_ip_header X-Any;
        location /status { live_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_named%%;
        server_name tv.example;
        location /status { live_status; }
    }

    server {
        listen 127.0.0.1:%%PORT_front%%;
        location / {
            proxy_pass http://127.0.0.1:%%PORT_http%%;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }
    }
}
EOC

# An address of this machine that is not a loopback one.
sub outside {
    my $s = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '192.0.2.1', PeerPort => 9);

    return $s && $s->sockhost ne '127.0.0.1' ? $s->sockhost : '127.0.0.2';
}

$ng->start;

# --- without a key

sub status { return $ng->get(@_)->status }

is(status('http', '/status'), 200, 'this machine may ask');

for my $name ('X-Forwarded-For', 'x-forwarded-host', 'X-Forwarded-Proto', 'Forwarded', 'Via', 'X-Real-IP',
    'CF-Connecting-IP', 'True-Client-IP', 'CDN-Loop', 'X-Cluster-Client-IP')
{
    is(status('http', '/status', headers => { $name => '127.0.0.1' }), 403, "not with $name");
}

is(status('front', '/status'), 403, 'nor through a proxy on this machine');
is(status('http', '/status', headers => { Host => 'localhost:80', Origin => 'https://evil.example' }), 403,
    'nor a web page from elsewhere in a browser on this machine');
is(status('http', '/status', headers => { Host => 'localhost:80', Origin => 'http://localhost:80' }), 200,
    'but a page of this server');
is(status('realip', '/status', headers => { 'X-Any' => '10.0.0.1' }), 403, 'the address is realip\'s');

is(status('http', '/status', headers => { Host => $_ }), 403, "a name that anybody may give it: $_")
    for 'rebound.example:80', 'localhost.evil.example', '127.0.0.1.evil.example', 'xlocalhost';
is(status('http', '/status', headers => { Host => $_ }), 200, "a name of this machine: $_")
    for '127.0.0.1:80', 'LOCALHOST', '[::1]:8080', 'app.localhost', Sys::Hostname::hostname();
is(status('named', '/status', headers => { Host => 'tv.example' }), 200, 'or the server\'s');

like($ng->get('http', '/status', headers => { Via => 'x' })->body,
    qr/"status":403.*Only this machine may ask/, 'a clear body');

SKIP: {
    my $addr = $ng->{vars}{ADDR};

    skip 'this machine has only loopback addresses', 1 if $addr =~ /^127\./;
    my $c = Live::HTTP->new(host => $addr, port => $ng->port('http'));
    is($c->request(GET => '/status')->status, 403, 'another address of this machine is not enough');
}

{
    my $c = $ng->http('pp');
    $c->write_raw("PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n");
    is($c->request(GET => '/status')->status, 403, 'nor with the PROXY protocol');
}

# --- with one

sub signed {
    my ($key, $target, %opt) = @_;

    return $ng->get('http', $opt{send} // $target, method => $opt{method} // 'GET', headers => {
        Authorization => Live::Token::node_header($key, $opt{sign} // 'GET', $target, %opt) });
}

my $target = '/signed/x?a=b%20c&d';

is(signed($new, $target)->status, 200, 'the first key');
is(signed($old, $target)->status, 200, 'the second key');
is(signed($new, '/metrics')->status, 200, 'in another location');
is(signed('x' x 40, $target)->status, 401, 'another key');
is(status('http', $target), 401, 'this machine, but no signature');
like($ng->get('http', $target)->body, qr/A signature of a node is needed/, 'a clear body');
is(signed($new, $target, sign => 'POST')->status, 401, 'signed for another method');
is(signed($new, $target, send => '/signed/y?a=b%20c&d')->status, 401, 'for another path');
is(signed($new, $target, send => "$target=1")->status, 401, 'for another query');
is(signed($new, $target, send => '/signed/./x?a=b%20c&d')->status, 401, 'for another spelling');
is(signed($new, $target, time => time() - 50)->status, 200, '50 s ago');
is(signed($new, $target, time => time() - 70)->status, 401, '70 s ago');
is(signed($new, $target, time => time() + 70)->status, 401, '70 s ahead');
is($ng->get('http', $target, headers => { Authorization => 'Live-Node x' })->status, 401, 'garbage');

subtest 'a request is good once, whatever worker gets it' => sub {
    my $header = Live::Token::node_header($new, 'GET', $target);
    my %seen;

    $seen{ $ng->get('http', $target, headers => { Authorization => $header })->status }++ for 1 .. 20;
    is_deeply(\%seen, { 200 => 1, 401 => 19 }, 'one of twenty');

    $header = Live::Token::node_header($new, 'GET', $target);
    is($ng->get('http', $target, headers => { Authorization => $header })->status, 200, 'another');
    $ng->reload;
    is($ng->get('http', $target, headers => { Authorization => $header })->status, 401,
        'remembered across a reload');
};

subtest 'the key is replaced' => sub {
    $ng->write('new.key', 'z' x 64 . "\n");
    rename "$ng->{dir}/new.key", "$ng->{dir}/node.key";
    ok(wait_for(sub { !grep { signed('z' x 64, $target)->status != 200 } 1 .. 12 }, 10, 'the new key'),
        'the new one works');
    is(signed($new, $target)->status, 401, 'the old one does not');
};

$ng->stop;
ok(!(grep { /\Q$new\E|\Q$old\E/ } values %{ $ng->all_logs }), "no key in a log");

$ng->finish;
done_testing;
