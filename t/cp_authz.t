#!/usr/bin/perl

# Authorization as a table: t/authz.table has what every role gets from every
# route; this asks a real control plane each cell. The table explains itself.
#
# AUTHZ_ONLY=REGEX asks the matching routes alone.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use Live::Control;

my @ACTORS = qw(anon susp user ownr coho smod vip ban pmod admn tok+ tok-);

# Users by the order of their ids, from 1.
my @USERS = qw(susp user ownr coho smod vip ban pmod admn other);
my %USER = map { $USERS[$_] => $_ + 1 } 0 .. $#USERS;

my $PASSWORD = 'a long password';

my $cp = Live::Control->new->start;

my ($rc, $text) = $cp->run('--routes');
my @routes = @{ decode_json($text) };
my @rows = read_table("$FindBin::Bin/authz.table");
my %rows;

push @{ $rows{"$_->{method} $_->{path}"} }, $_ for @rows;

my %known = map { ("$_->{method} $_->{path}" => $_) } @routes;

for my $name (sort keys %known) {
    ok($rows{$name}, "$name is in the table");
}

for my $name (sort keys %rows) {
    ok($known{$name}, "$name is served");
}

my %token = make_users();
my $objects = objects();
my $fresh;          # objects are untouched, with this visibility of the stream

for my $row (@rows) {
    my $route = $known{"$row->{method} $row->{path}"} or next;
    my $name = "$row->{method} $row->{path}$row->{options}";

    next if $ENV{AUTHZ_ONLY} && $name !~ /$ENV{AUTHZ_ONLY}/;

    my @wrong;

    for my $i (0 .. $#ACTORS) {
        my $status = ask($row, $route, $ACTORS[$i]);
        my $want = $row->{want}[$i];

        push @wrong, "$ACTORS[$i]: $status->[0], not $want: "
            . substr($status->[1], 0, 300)
            if $status->[0] != $want;
    }

    ok(!@wrong, $name) or diag join "\n", @wrong;
}

$cp->finish;
done_testing;

sub read_table {
    my ($file) = @_;
    my @found;

    open my $fh, '<:encoding(UTF-8)', $file or die "$file: $!\n";

    while (my $line = <$fh>) {
        chomp $line;
        next if $line =~ /^\s*(?:#|$)/;

        my ($want, $method, $path, $options)
            = $line =~ m{^((?:\s*\d{3})+)\s+([A-Z]+)\s+(/\S*)(.*)$}
            or die "$file:$.: not a line of the table\n";
        my @want = split ' ', $want;

        die "$file:$.: not " . @ACTORS . " cells\n" if @want != @ACTORS;

        my ($body) = $options =~ /(\{.*\})\s*$/;
        my %option = ($options =~ s/\{.*//r) =~ /(\w+)=(\S+)/g;

        push @found, { want => \@want, method => $method, path => $path,
            options => $options =~ s/\s+/ /gr, body => $body, %option };
    }

    return @found;
}

# Every user, with a session of their own; ownr's API tokens are made for each
# scope.
sub make_users {
    my %token;

    for my $name (@USERS) {
        my $res = $cp->request(POST => '/auth/register', json => {
            username => $name, email => "$name\@example.org",
            password => $PASSWORD });

        die "$name: " . $res->body . "\n" if $res->status != 201;
        die "$name is user " . $res->json->{user}{id} . "\n"
            if $res->json->{user}{id} != $USER{$name};

        $token{$name} = $res->json->{access_token};
    }

    my %scopes = map { ($_->{scope} => 1) } grep { $_->{scope} } @routes;

    for my $scope (sort keys %scopes) {
        my $res = $cp->request(POST => '/auth/tokens',
            json => { name => $scope, scopes => [$scope] },
            headers => { Authorization => "Bearer $token{ownr}" });

        die "$scope: " . $res->body . "\n" if $res->status != 201;
        $token{$scope} = $res->json->{token};
    }

    return %token;
}

# SQL that puts every object back to where a cell begins.
sub objects {
    my $hash = $cp->sql("SELECT password_hash FROM users WHERE id = 10");
    my $members = join ', ', map { "('s', $USER{$_->[0]}, '$_->[1]')" }
        [ coho => 'co-host' ], [ smod => 'moderator' ], [ vip => 'vip' ],
        [ ban => 'banned' ];

    return <<"EOQ";
DELETE FROM reports;
DELETE FROM follows;
DELETE FROM subscriptions;
DELETE FROM blocks;
DELETE FROM login_failures;
DELETE FROM live_streams;
DELETE FROM streams;
DELETE FROM users WHERE id > @{[ scalar @USERS ]};
DELETE FROM api_tokens WHERE id >= 1000;
UPDATE users SET suspended_at = CASE WHEN id = $USER{susp} THEN now() END,
 role = CASE id WHEN $USER{pmod} THEN 'moderator'
  WHEN $USER{admn} THEN 'admin' ELSE 'user' END, password_hash = '$hash';
UPDATE sessions SET revoked_at = NULL;
UPDATE api_tokens SET revoked_at = NULL;
INSERT INTO sessions (id, user_id, expires_at)
 VALUES (1000, $USER{ownr}, now() + interval '1 hour')
 ON CONFLICT DO NOTHING;
INSERT INTO api_tokens (id, user_id, name, hash, scopes)
 VALUES (1000, $USER{ownr}, 'x', sha256('x'), '{x}');
INSERT INTO streams (id, user_id, title, status, visibility, start_time)
 VALUES ('s', $USER{ownr}, 't', 'live', '%s', now());
INSERT INTO stream_members (stream_id, user_id, role) VALUES $members;
INSERT INTO stream_viewers (stream_id, user_id) VALUES ('s', $USER{vip});
INSERT INTO stream_keys (id, stream_id, hash)
 VALUES (1000, 's', sha256('k'));
INSERT INTO nodes (id, rtmp_url, last_seen_at)
 VALUES ('n', 'rtmp://127.0.0.1/live', now() + interval '1 hour')
 ON CONFLICT (id) DO UPDATE SET draining = false, drain_wanted = false,
  last_seen_at = now() + interval '1 hour';
INSERT INTO broadcasts (id, stream_id, user_id, node_id, started_at,
 last_seen_at) VALUES (1000, 's', $USER{ownr}, 'n', now(),
 now() + interval '1 hour');
INSERT INTO live_streams (stream_id, broadcast_id, node_id, last_seen_at)
 VALUES ('s', 1000, 'n', now() + interval '1 hour');
DELETE FROM playback_sessions;
INSERT INTO playback_sessions (jti, stream_id, user_id, subject, expires_at)
 VALUES ('j', 's', $USER{user}, '$USER{user}', now() + interval '1 hour');
INSERT INTO reports (id, reporter_id, user_id, reason)
 VALUES (1000, $USER{vip}, $USER{smod}, 'spam');
DELETE FROM chat_messages;
DELETE FROM chat_words;
INSERT INTO chat_messages (stream_id, id, kind, "timestamp")
 VALUES ('s', 1000, 'message', now());
INSERT INTO chat_bans (id, stream_id, kind, value)
 VALUES (1000, 's', 'device', 'x');
INSERT INTO chat_flags (id, stream_id, message_id, subject)
 VALUES (1000, 's', 1000, '1');
DELETE FROM webhooks;
INSERT INTO webhooks (id, user_id, url, events, sealed)
 VALUES (1000, $USER{ownr}, 'http://127.0.0.1:9/', '{stream.live}', 'x');
INSERT INTO webhook_deliveries (id, webhook_id, event_id, event, payload,
 status) VALUES (1000, 1000, 'e', 'stream.live', '{}', 'failed');
EOQ
}

# [status, body] of one cell.
sub ask {
    my ($row, $route, $actor) = @_;
    my $path = $row->{path};
    my %headers;

    my $wanted = $row->{stream} // 'public';

    reset_objects($wanted) if ($fresh // '') ne $wanted;
    $fresh = $wanted;

    my $token = $actor eq 'anon' ? undef
        : $actor eq 'tok+' ? $token{ $route->{scope} // 'streams:read' }
        : $actor eq 'tok-' ? $token{ other_scope($route->{scope} // '') }
        : $token{$actor};
    $headers{Authorization} = "Bearer $token" if defined $token;

    my $user = $USER{ $row->{user} // 'vip' };
    my $id = $row->{id} // ($path =~ m{^/(?:admin/)?users/} ? 'other' : '');
    $id = $USER{$id} // $id;
    $id = $path =~ m{^/(?:admin/)?streams/} ? 's'
        : $path =~ m{^/admin/nodes/} ? 'n' : 1000 if $id eq '';

    $path =~ s/\{user\}/$user/;
    $path =~ s/\{id\}/$id/;
    $path =~ s/\{\w+\}/1000/g;

    my $res = $cp->request($row->{method}, $path, headers => \%headers,
        root => $route->{root},
        defined $row->{body} ? (json => decode_json($row->{body})) : ());

    # what reads, and what was refused, leaves everything as it was
    undef $fresh unless $row->{method} eq 'GET' || $res->status >= 400;

    return [ $res->status, $res->body ];
}

# The daemon's own jobs touch the same rows: a deadlock with one of them is
# nobody's fault.
sub reset_objects {
    my ($visibility) = @_;

    for my $try (1 .. 5) {
        return if eval { $cp->sql(sprintf $objects, $visibility); 1 };
        die $@ if $@ !~ /deadlock/ || $try == 5;
    }
}

sub other_scope {
    my ($scope) = @_;

    return $scope eq 'webhooks:write' ? 'streams:read'
        : $token{'webhooks:write'} ? 'webhooks:write'
        : $scope eq 'keys:read' ? 'streams:read' : 'keys:read';
}
