#!/usr/bin/perl

# Hostile input to every route: always a problem document of 4xx, never a 5xx,
# never a hang, and the daemon is as well as before. What is refused is refused
# before the database: its own constraints are never what says no.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use Test::More;
use Time::HiRes qw(time);

use Live::Control;
use Live::HTTP;

my $cp = Live::Control->new(conf => { body_timeout => 2 })->start;
my $pid = $cp->pid;
my $program = Live::Control->program;
my $routes = decode_json(scalar `$program --routes`);

# Somebody who may do everything, so that the handlers are reached.
my $admin = $cp->register('root');
$cp->make($admin => 'admin');
my $victim = $cp->register('victim');
$cp->sql("INSERT INTO nodes (id) VALUES ('target')");
make_target();

my @SQL = ("'; DROP TABLE users; --", "' OR '1'='1", '$1', '\\', '%', '_',
    "\x{27}\x{201b}", "E'\\x00'", '); SELECT pg_sleep(30); --', '{"a":1}',
    "{\x{22}", 'NULL', '-1', '9' x 40, '1e5', 'infinity', '../../etc/passwd',
    '<script>alert(1)</script>', "\x{202e}abc", "\x{1F600}" x 40, '${7*7}');

my @WRONG = (undef, 1, -1, 1.5, JSON::PP::true, 'x', '', [], {}, [[]],
    { a => 1 }, [undef], [1], [{}], 9223372036854775807, 1e300, 'a' x 5000,
    ["\x{1}"], "\x{7f}");

my (%tried, %cursor_lines, @slow);
my $epoch = 1;

for my $route (@$routes) {
    my $name = "$route->{method} $route->{path}";

    subtest $name => sub { try_route($route, $name) };
}

# Those of before were cut off long ago; all of them have their answer.
for my $slow (@slow) {
    my ($name, $http) = @$slow;
    my $res = eval { $http->read_response };
    my $status = $res ? $res->status : 0;
    ok($status >= 400 && $status < 500, "$name: a slow body has an answer")
        or diag $@ || $status;
}

is($cp->request(GET => '/auth/tokens', token => $admin->{token})->status, 200,
    'the admin was logged in to the end');
is($cp->request(GET => '/readyz', root => 1)->status, 200, 'it is ready');
is($cp->pid && kill(0, $pid), 1, 'the same process');
is($cp->sql('SELECT count(*) > 0 FROM users'), 't', 'there are users');
unlike($cp->log, qr/syntax error|"level":"error"/, 'no errors in the log')
    or diag join "\n", grep { /"error"/ } split /\n/, $cp->log;

# Only a cursor, which nobody but us makes, is for the database to look at.
my @reached = grep { /"database: \w+: (?:constraint|bad value)/ }
    grep { !$cursor_lines{$_} } split /\n/, $cp->log;
is(scalar @reached, 0, 'nothing reached a constraint of the database')
    or diag join "\n", @reached[0 .. ($#reached < 20 ? $#reached : 20)];

$cp->finish;
done_testing;


sub try_route {
    my ($route, $name) = @_;

    # these would log the admin out, or remove what the others need
    my $token = $route->{path} =~ m{^/auth/(?:logout|password|email)}
        ? $victim->{token} : $admin->{token};

    make_target();

    if ($route->{access} eq 'node') {
        try_json($route);
        try_node($route);
        return;
    }

    if ($route->{path} =~ /\{/) {
        for my $bad ('%27%3B--', '%00', '..', '%2e%2e%2f', '-1', '0', '%ff',
            'a' x 300, '1;2', '%24%7B7%7D', '9' x 30)
        {
            my $path = $route->{path} =~ s/\{\w+\}/$bad/gr;
            check($route, $token, $path, undef, "path $bad");
        }
    }

    for my $f (@{ $route->{query} // [] }, { name => 'no_such' }) {
        for my $bad (@SQL, '', "a\0b", 'a' x 3000, edges($f)) {
            next if ref $bad || !defined $bad;
            my $value = $bad;
            utf8::encode($value);
            $value =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
            check($route, $token, path($route) . "?$f->{name}=$value", undef,
                "query $f->{name}", $f->{name} ne 'no_such');
        }
        check($route, $token, path($route) . "?$f->{name}=%FF", undef,
            'broken UTF-8');
        try_cursors($route, $token) if $f->{name} eq 'cursor';
    }

    try_slow($route, $token) if $route->{method} ne 'GET';

    return if $route->{method} eq 'GET';

    try_json($route, $token);
    try_fields($route, $route->{body} // [], $token);
}

# What is no JSON, or too much of it.
sub try_json {
    my ($route, $token) = @_;

    for my $body ('{', 'null', '[]', '"x"', '{"a":"\\u0000"}',
        "{\"a\":\"\xff\"}", '{"a":1,"a":2}', '[' x 50000, '{"a":' x 5000,
        '{"no_such":1}',
        "\0" x 100, '{"a":1e99999}', '{"a":' . '9' x 400 . '}',
        '{"' . 'k' x 60000 . '":1}', 'x' x 70000)
    {
        check($route, $token, path($route), $body, 'JSON '
            . substr($body, 0, 12) =~ s/[^ -~]/./gr);
    }
}

# Every field with what it cannot be, and with SQL.
sub try_fields {
    my ($route, $fields, $token) = @_;

    for my $f (@$fields) {
        for my $wrong (@WRONG, @SQL, edges($f)) {
            my %body = map { $_->{name} => good($_) }
                grep { $_->{required} } @$fields;
            $body{ $f->{name} } = $wrong;
            check($route, $token, path($route),
                JSON::PP->new->utf8->allow_nonref->encode(\%body),
                "field $f->{name}", 1);
        }
    }
}

# As long, as large, and as odd as a field may be, and one more.
sub edges {
    my ($f) = @_;
    my ($min, $max) = ($f->{min} // 0, $f->{max} // 0);

    return if !$f->{type};
    return map { ('a' x $_, "\x{1F600}" x $_, "\x{e9}" x $_, "\x{0130}" x $_,
        "\x{fb03}" x $_) } grep { $_ > 0 && $_ < 10000 } $min - 1, $min, $max,
        $max + 1 if $f->{type} =~ /^(?:text|lines|secret)$/;
    return map { $_ + 0 } $min - 1, $min, $max, $max + 1, 2**31, -2**31, 2**53
        if $f->{type} eq 'int';
    return (map({ [ ('x') x $_ ] } $max, $max + 1),
        map({ [ map { $_ x ($f->{each} || 1) } "\x{1F600}", "\x{0130}" ] } 1),
        [ map { ("t$_") x 2 } 1 .. $max / 2 ], [ "\x{1F600}" x 60 ])
        if $f->{type} eq 'list';
    return qw(1970-01-01T00:00:00Z 9999-12-31T23:59:59Z 2030-02-30T00:00:00Z
        2030-01-01T00:00:00+15:59 2030-01-01T00:00:00-15:59
        2030-12-31T23:59:60Z 1969-12-31T23:59:59Z 0001-01-01T00:00:00Z
        2030-01-01T00:00:00.999999999Z) if $f->{type} eq 'time';
    return map { $_, '9223372036854775808', '0', '01', ' 1', "1\n" }
        '9223372036854775807' if $f->{type} eq 'id';
    return ('a' x 64, 'a' x 65, '-a', '_', "a\n") if $f->{type} eq 'stream';
    return map { "https://example.org/$_" } 'a' x 2028, 'a' x 2029, '%00', "\t"
        if $f->{type} eq 'url';
    return ('a' x 64 . '@' . join('.', ('b' x 60) x 3), "\x{e9}\@\x{e9}.org",
        'a@' . 'b' x 63 . '.org', 'a@b', "a\@b.org\n") if $f->{type} eq 'email';
    return ('a' x 32, 'a' x 33, 'a.', 'a', 'me', 'admin')
        if $f->{type} eq 'username';
    return (edges_object($f)) if $f->{type} eq 'object';
    return;
}

# Each of an object's fields at its edges, and with what it cannot be.
sub edges_object {
    my ($f) = @_;
    my @fields = @{ $f->{fields} // [] };

    return map { my $one = $_; map { { $one->{name} => $_ } }
        (edges($one), @WRONG, $SQL[0]) } @fields;
}

# A cursor that nobody was given: any texts in its place.
sub try_cursors {
    my ($route, $token) = @_;
    my $before = length $cp->log;

    for my $keys (1 .. 3) {
        for my $text (@SQL, '', '0', '9' x 25, 'x', '1970-01-01') {
            my $cursor = encode_base64url(encode_json([ ($text) x $keys ]));
            check($route, $token, path($route) . "?cursor=$cursor", undef,
                'cursor', 1);
        }
    }

    $cursor_lines{$_} = 1 for split /\n/, substr $cp->log, $before;
}

# Bodies of which each byte takes its time, and one that ends early.
sub try_slow {
    my ($route, $token) = @_;

    push @slow, map {
        my $http = Live::HTTP->new(port => $cp->port, timeout => 10);
        my $path = ($route->{root} || $route->{access} eq 'node' ? '' : '/api')
            . path($route);
        my $sock = $http->sock;

        print $sock "$route->{method} $path HTTP/1.1\r\nHost: a\r\n"
            . (defined $token ? "Authorization: Bearer $token\r\n" : '')
            . "Content-Type: application/json\r\n$_";
        [ "$route->{method} $route->{path}", $http ];
    } "Content-Length: 1000\r\n\r\n{", "Transfer-Encoding: chunked\r\n\r\n"
        . "1\r\n{\r\n";
}

# What a node says, with a valid signature: each member of it, at each depth.
sub try_node {
    my ($route) = @_;
    my $publish = { node => 'target', credential => 'x', stream => undef,
        protocol => 'rtmp', addr => '192.0.2.1', encoder => 'x' };
    my $beat = { node => { id => 'target', epoch => 1, version => 'x',
            started => 1, draining => JSON::PP::false, rtmp_url => undef,
            http_url => undef, cpu => 0.5, workers => 2,
            store => { size => 1, used => 1 },
            capacity => { publishers_max => 1 } },
        seen => { keys => 'x', revocations => 0, commands => [] },
        streams => [ { id => 'target', epoch => 1, state => 'live',
            broadcast => undef, session => 's', protocol => 'rtmp',
            addr => '192.0.2.1', encoder => 'x', since => 1, viewers => 1,
            bitrate => 1, fps => 1, gop_ms => 1, skew_ms => 1, tracks => [
                { name => 'v0', type => 'video', codec => 'x', width => 1,
                    height => 1, fps => 1, bitrate => 1 } ] } ],
        events => [ { id => 1, type => 'publish.start', stream => 'target',
            broadcast => undef, time => 1, reason => 'x', bytes => 1,
            frames => 1, protocol => 'rtmp', addr => '192.0.2.1' } ],
        sessions => [ { jti => 'j', stream => 'target' } ] };
    my $base = $route->{path} eq '/internal/publish' ? $publish : $beat;
    my @places;

    my $walk;
    $walk = sub {
        my ($value, @path) = @_;
        push @places, [@path] if @path;
        if (ref $value eq 'HASH') {
            $walk->($value->{$_}, @path, $_) for sort keys %$value;
        } elsif (ref $value eq 'ARRAY') {
            $walk->($value->[$_], @path, $_) for 0 .. $#$value;
        }
    };
    $walk->($base);

    for my $place (@places) {
        for my $wrong (@WRONG, @SQL[0 .. 4], 'a' x 300, "\x{1F600}" x 100,
            2**31, 2**53, -2**40, '9' x 30, ' ', "a\nb")
        {
            my $body = decode_json(encode_json($base));
            my ($at, @rest) = ($body, @$place);
            my $last = pop @rest;
            $at = ref $at eq 'HASH' ? $at->{$_} : $at->[$_] for @rest;
            ref $at eq 'HASH' ? ($at->{$last} = $wrong)
                : ($at->[$last] = $wrong);
            $body->{node}{epoch} = ++$epoch
                if ref $body->{node} eq 'HASH' && "@$place" ne 'node epoch';
            check($route, undef, path($route), encode_json($body),
                "member @$place", 1);
        }
    }
}

# What the others need; a test of DELETE takes it away.
sub make_target {
    return if $cp->sql("SELECT count(*) FROM streams WHERE id = 'target'");

    my $res = $cp->request(POST => '/streams', token => $admin->{token},
        json => { id => 'target', title => 'target' });
    is($res->status, 201, 'a stream') or diag $res->body;
}

# Of a field's type.
sub good {
    my ($f) = @_;

    return $f->{type} =~ /^(?:text|lines|secret)$/ ? 'x' x ($f->{min} || 1)
        : $f->{type} eq 'int' ? $f->{min}
        : $f->{type} eq 'bool' ? JSON::PP::false
        : $f->{type} eq 'time' ? '2030-01-01T00:00:00Z'
        : $f->{type} eq 'id' ? $victim->{id}
        : $f->{type} eq 'stream' ? 'target'
        : $f->{type} eq 'one_of' ? (split /\|/, $f->{of})[0]
        : $f->{type} eq 'list' ? [ $f->{of} ? (split /\|/, $f->{of})[0] : 'x' ]
        : $f->{type} eq 'object' ? {}
        : $f->{type} eq 'url' ? 'https://example.org/'
        : $f->{type} eq 'email' ? 'x' . rand() . '@example.org'
        : $f->{type} eq 'username' ? 'x' . int(rand(1e9))
        : 'x';
}

sub path {
    my ($route) = @_;
    my $path = $route->{path};

    $path =~ s/(streams|nodes)\/\{\w+\}/$1\/target/;
    $path =~ s/\{\w+\}/$victim->{id}/g;

    # what would end the admin's own login
    $path =~ s/\/target/\/gone/
        if $route->{method} eq 'DELETE' && $route->{path} eq '/streams/{id}';

    return $path;
}

# may_work: what is tried may be right by chance.
sub check {
    my ($route, $token, $path, $body, $what, $may_work) = @_;
    my $start = time;

    my $res = eval { $cp->request($route->{method}, $path,
        ($route->{access} eq 'node' ? (node => 1)
            : (root => $route->{root}, token => $token)),
        (defined $body ? (body => $body) : ())) };

    if (!$res) {
        fail("$what: no answer: $@");
        return;
    }

    my $took = time - $start;
    my $status = $res->status;

    # nothing was wrong with it: there is no node here to say it
    return if $status == 503 && $res->body =~ m{/problems/no-node};

    # two hundred thousand "ok"s say nothing
    if ($status >= 500 || $took > 5 || $status < 400 && !$may_work
        && !($route->{access} eq 'node' || $route->{path} !~ /\{/
            && $what =~ /^path/))
    {
        fail("$what: $status after ${took}s");
        diag "$route->{method} $path " . substr($body // '', 0, 300) . "\n"
            . $res->body;
        return;
    }

    if ($status >= 400) {
        my $json = eval { $res->json };
        if (!$json || ($json->{status} // 0) != $status
            || $res->header('Content-Type') ne 'application/problem+json')
        {
            fail("$what: not a problem document: " . $res->body);
            return;
        }
    }

    $tried{"$route->{method} $route->{path}"}++
        or pass("$route->{method} $route->{path} refuses");
}
