#!/usr/bin/perl

# live-ctl, as somebody who runs a platform uses it: the first admin, a token,
# what is live where, keys, kicks, draining, and what is wrong.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP;
use POSIX ();
use Test::More;

use Live::Control;
use Live::FakeNode;
use Live::Nginx qw(wait_for read_file write_file);
use Live::Person;

my $PROGRAM = Live::Control->program =~ s/control-plane$/live-ctl/r;
my $HOME = tempdir('ngx_live_ctl.XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $STORED = "$HOME/.config/live-ctl/credentials.json";
my $PASSWORD = 'correct horse battery';

-x $PROGRAM or die "$PROGRAM is not built\n";

my $cp = Live::Control->new->start;
my $conf = $cp->dir . '/control-plane.conf';
my @URL = ('--url', $cp->url);

chmod 0640, $conf;

# { code, out, err } of live-ctl with arguments; what it reads is `in`.
sub ctl {
    my ($args, %opt) = @_;

    write_file("$HOME/in", $opt{in} // '');
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        delete @ENV{ grep { /^(?:LIVE_CTL|XDG)/ } keys %ENV };
        @ENV{ keys %{ $opt{env} // {} } } = values %{ $opt{env} // {} };
        $ENV{HOME} = $HOME;
        $ENV{ASAN_OPTIONS} = 'detect_leaks=1:exitcode=99';
        open STDIN, '<', "$HOME/in";
        open STDOUT, '>', "$HOME/out";
        open STDERR, '>', "$HOME/err";
        exec $PROGRAM, @$args or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    return { code => $? & 127 ? -1 : $? >> 8, out => read_file("$HOME/out"),
        err => read_file("$HOME/err") };
}

# The same with a code that is expected.
sub ok_ctl {
    my ($name, $args, %opt) = @_;
    my $res = ctl($args, %opt);

    is($res->{code}, $opt{code} // 0, $name)
        or diag "@$args\n$res->{out}$res->{err}";

    return $res;
}

sub json_of { return JSON::PP->new->utf8->decode($_[0]{out}) }

subtest 'what it does not understand' => sub {
    like(ok_ctl('help', ['--help'])->{out}, qr/usage: live-ctl/, 'says how');
    ok_ctl('nothing', [], code => 2);
    ok_ctl('no such command', ['dance'], code => 2);
    ok_ctl('half a command', ['key'], code => 2);
    ok_ctl('an argument too few', ['kick'], code => 2);
    ok_ctl('one too many', [qw(nodes a)], code => 2);
    ok_ctl('no such option', [qw(nodes --fast)], code => 2);
    ok_ctl('another command\'s option', [qw(nodes --label x)], code => 2);
    ok_ctl('an option without its value', [qw(nodes --url)], code => 2);
    ok_ctl('a URL that is none', [qw(nodes --url example)], code => 2);
    ok_ctl('no URL', ['nodes'], code => 2);
    like(ok_ctl('no token', ['nodes', @URL], code => 4)->{err},
        qr/live-ctl login/, 'says what to do');
    like(ok_ctl('a token over plain HTTP', [qw(login x --url
        http://example.org)], code => 2)->{err}, qr/not https/, 'says why');
};

subtest 'the first admin' => sub {
    my @create = ('admin', 'create', 'root', 'root@example.org', '-c', $conf);

    ok_ctl('no password', \@create, code => 1);
    ok_ctl('a short one', \@create, in => "short\n", code => 1);
    ok_ctl('the name as a password', ['admin', 'create', 'administrator',
        'a@example.org', '-c', $conf], in => "administrator\n", code => 1);
    ok_ctl('no name', ['admin', 'create', '-', 'a@example.org', '-c', $conf],
        code => 2);
    ok_ctl('no address', ['admin', 'create', 'root', 'nobody', '-c', $conf],
        code => 2);
    ok_ctl('no configuration', ['admin', 'create', 'root', 'root@example.org',
        '-c', "$HOME/none"], code => 1);
    ok_ctl('no database', ['admin', 'create', 'root', 'root@example.org'],
        env => { LIVE_DATABASE => "postgresql:///live?host=$HOME" },
        in => "$PASSWORD\n", code => 1);
    is($cp->sql('SELECT count(*) FROM users'), 0, 'nobody was made');

    my $res = ok_ctl('made', \@create, in => "$PASSWORD\n");
    like($res->{out}, qr/^admin root, user \d+$/, 'and said');
    unlike("$res->{out}$res->{err}", qr/\Q$PASSWORD\E/, 'without the password');
    is($cp->sql("SELECT role || ' ' || (email_verified_at IS NOT NULL)"
        . " FROM users WHERE username = 'root'"), 'admin true', 'an admin');
    is($cp->sql("SELECT object_id FROM audit_log"
        . " WHERE action = 'admin.create'"),
        $cp->sql("SELECT id FROM users WHERE username = 'root'"),
        'in the audit log');
    like(ok_ctl('not twice', \@create, in => "$PASSWORD\n", code => 1)->{err},
        qr/already/, 'says why');
    like(ok_ctl('nor the address', ['admin', 'create', 'root2',
        'Root@Example.org', '-c', $conf], in => "$PASSWORD\n", code => 1)
        ->{err}, qr/e-mail address/, 'says why');
};

subtest 'a token' => sub {
    ok_ctl('a wrong password', ['login', 'root', @URL], in => "wrong guess\n",
        code => 4);
    ok(!-e $STORED, 'nothing is stored');
    ok_ctl('logged in', ['login', 'root', @URL], in => "$PASSWORD\n");
    is((stat $STORED)[2] & 0777, 0600, 'for its owner only');
    like(read_file($STORED), qr/"lvat_/, 'an API token');
    is($cp->sql('SELECT count(*) FROM sessions WHERE revoked_at IS NULL'), 0,
        'the session is over');

    ok_ctl('it works', ['nodes']);
    chmod 0644, $STORED;
    like(ok_ctl('read by others', ['nodes'], code => 4)->{err}, qr/chmod 600/,
        'says so');
    chmod 0600, $STORED;

    my $other = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    ok_ctl('to another server', ['nodes', '--url', 'http://127.0.0.1:'
        . $other->sockport], code => 4);

    my $token = JSON::PP->new->decode(read_file($STORED))->{token};
    ok_ctl('from the environment', ['nodes'], env => {
        LIVE_CTL_URL => $cp->url, LIVE_CTL_TOKEN => $token });
    ok_ctl('a wrong one', ['nodes'], env => { LIVE_CTL_URL => $cp->url,
        LIVE_CTL_TOKEN => 'lvat_' . 'x' x 43 }, code => 4);
    ok_ctl('a line feed in it', ['nodes'], env => { LIVE_CTL_URL => $cp->url,
        LIVE_CTL_TOKEN => "x\r\nX: y" }, code => 4);
    ok_ctl('forgotten', ['logout']);
    ok(!-e $STORED, 'not there');
    ok_ctl('a wrong token is not stored', ['token', @URL], in => "lvat_"
        . 'x' x 43 . "\n", code => 4);
    ok_ctl('one that is typed in', ['token', @URL], in => "$token\n");
    ok_ctl('works', ['nodes']);
};

my $node = Live::FakeNode->new(url => $cp->url, key => $cp->node_key,
    id => 'n1', rtmp_url => 'rtmp://127.0.0.1/live');
my $ann = person($cp, 'ann');
my $key;

subtest 'keys' => sub {
    $ann->post('/streams', { id => 'show', title => "A- show \x{e9}" });
    $cp->sql("UPDATE streams SET title = replace(title, '-', chr(127))");

    my $res = ok_ctl('made', [qw(key create show --label studio --expires 30d)]);
    ($key) = $res->{out} =~ /^([a-z2-7]{32})$/;
    ok($key, 'the key alone on standard output');
    is($cp->sql("SELECT label || ' ' || (expires_at - now() BETWEEN '29 days'"
        . " AND '31 days') FROM stream_keys WHERE label = 'studio'"),
        'studio true', 'as it was asked for');
    ok_ctl('until a time', [qw(key create show --expires
        2099-01-31T12:00:00Z)]);
    ok_ctl('no time', [qw(key create show --expires soon)], code => 2);
    ok_ctl('a past one', [qw(key create show --expires 2001-01-01T00:00:00Z)],
        code => 1);
    ok_ctl('of no stream', [qw(key create nothing)], code => 1);
    ok_ctl('a stream with odd characters', ['key', 'create', '../admin/users'],
        code => 1);

    $res = ok_ctl('listed', [qw(key list show)]);
    like($res->{out}, qr/studio/, 'with its label');
    unlike($res->{out}, qr/\Q$key\E/, 'not itself');
    my ($id) = map { $_->{id} } grep { $_->{label} eq '' }
        @{ json_of(ok_ctl('as JSON', [qw(key list show --json)])) };
    ok_ctl('revoked', [qw(key revoke show), $id]);
    ok_ctl('not twice', [qw(key revoke show), $id], code => 1);
};

subtest 'what is live' => sub {
    like(ok_ctl('nothing', ['live'])->{out}, qr/^STREAM +NODE .*\n\z/,
        'only the heads');
    $node->beat;
    $node->go_live($node->publish($key)->{json}, viewers => 3);
    $node->beat;

    my $res = ok_ctl('a stream', ['live']);
    like($res->{out}, qr/^show +n1 +ann +3 .*A\? show \xc3\xa9$/m,
        'which, where, whose, how many; no control characters');
    is(json_of(ok_ctl('as JSON', ['live', '--json']))->[0]{node}, 'n1', 'node');
    like(ok_ctl('of a node', [qw(live --node n1)])->{out}, qr/^show/m, 'n1');
    unlike(ok_ctl('of another', [qw(live --node n2)])->{out}, qr/^show/m,
        'n2');
    like(ok_ctl('all streams', ['streams'])->{out}, qr/^show +live/m, 'show');
    like(ok_ctl('searched', [qw(streams --query show)])->{out}, qr/^show/m,
        'found');

    $ann->post('/streams', { id => "m$_", title => 'x' }) for 1 .. 120;
    is(scalar @{ json_of(ok_ctl('more than a page', [qw(streams --json)])) },
        121, 'all of them');

    like(ok_ctl('kicked', ['kick', 'show', 'The hall is closed.'])->{out},
        qr/is stopped/, 'said');
    $node->beat;
    is_deeply([ map { "$_->{type} $_->{reason}" } @{ $node->{commands} } ],
        ['kick The hall is closed.'], 'the reason reaches the node');
    unlike(ok_ctl('gone', ['live'])->{out}, qr/^show/m, 'it is not live');
    ok_ctl('no such stream', [qw(kick nothing)], code => 1);
};

subtest 'nodes' => sub {
    like(ok_ctl('nodes', ['nodes'])->{out}, qr/^n1 +up /m, 'up');
    ok_ctl('drained', [qw(drain n1)]);
    like(ok_ctl('nodes', ['nodes'])->{out}, qr/^n1 +drain wanted /m,
        'it is to be');
    $node->beat for 1 .. 2;
    like(ok_ctl('nodes', ['nodes'])->{out}, qr/^n1 +draining /m, 'it is');
    ok_ctl('undrained', [qw(undrain n1)]);
    $node->beat for 1 .. 2;
    like(ok_ctl('nodes', ['nodes'])->{out}, qr/^n1 +up /m, 'up again');
    ok_ctl('no such node', [qw(drain n9)], code => 1);

    my $mod = person($cp, 'mod', role => 'moderator');
    ok_ctl('a moderator does not drain', [qw(drain n1)], env => {
        LIVE_CTL_URL => $cp->url, LIVE_CTL_TOKEN => $mod->token }, code => 4);
};

# The lines of a check about something, by state.
sub found {
    my ($what, $state) = @_;
    my $res = ctl(['check', '-c', $conf, '--json']);

    return map { "$_->{detail}" . ($_->{advice} ? " -> $_->{advice}" : '') }
        grep { $_->{check} eq $what && $_->{state} eq $state }
        @{ json_of($res) };
}

subtest 'check' => sub {
    $node->beat;
    my $res = ok_ctl('all is well', ['check', '-c', $conf]);
    like($res->{out}, qr/^ok +schema/m, 'schema');
    like($res->{out}, qr/^ok +signing keys +\d+, all open/m, 'signing keys');
    like($res->{out}, qr/^ok +node +n1 reports/m, 'the node');
    like($res->{out}, qr/^ok +control plane +ready/m, 'the daemon');
    like($res->{out}, qr/^all is well/m, 'and all');
    unlike($res->{out}, qr/postgresql:/, 'without the database\'s address');

    # a clock that is wrong, by the node's answer
    $node->listen;
    $node->beat;
    my $pid = fork // die;
    if (!$pid) {
        while (my $client = $node->{listener}->accept) {
            while (defined(my $line = <$client>)) {
                last if $line =~ /^\r?\n$/;
            }
            print $client "HTTP/1.1 404 X\r\nDate: "
                . POSIX::strftime('%a, %d %b %Y %H:%M:%S GMT',
                    gmtime(time + 300)) . "\r\nContent-Length: 0\r\n"
                . "Connection: close\r\n\r\n";
        }
        POSIX::_exit(0);
    }
    like((found('node clock', 'WRONG'))[0], qr/n1 is (?:299|300|301) s away/,
        "a node's clock");
    kill 'KILL', $pid;
    waitpid $pid, 0;
    close delete $node->{listener};
    delete $node->{http_url};
    $node->beat;

    $cp->sql("UPDATE nodes SET last_seen_at = now() - interval '1 hour'");
    like((found('node', 'WRONG'))[0], qr/n1 was silent for 36\d\d s/,
        'a silent node');
    $node->beat;

    chmod 0644, $cp->node_key_file;
    like((found('node_key', 'WRONG'))[0], qr/read by others.*chmod 640/,
        'a secret file for everybody');
    chmod 0600, $cp->node_key_file;

    my $secret = $cp->dir . '/secret.key';
    my $text = read_file($secret);
    write_file($secret, 'k1 ' . 'A' x 43 . "=\n");
    like((found('signing keys', 'WRONG'))[0], qr/do not open.*put the key/,
        'the wrong secret key');
    write_file($secret, "nonsense\n");
    ok(found('secret_key', 'WRONG'), 'none at all');
    write_file($secret, $text);

    $cp->sql("DELETE FROM schema_migrations WHERE number = (SELECT"
        . ' max(number) FROM schema_migrations)');
    like((found('schema', 'WRONG'))[0], qr/older than this program/,
        'an older schema');
    ok_ctl('no admin for it', ['admin', 'create', 'late', 'late@example.org',
        '-c', $conf], in => "$PASSWORD\n", code => 1);

    $cp->conf(redis => 'redis://127.0.0.1:1');
    chmod 0640, $conf;
    like((found('redis', 'WRONG'))[0], qr/does not answer/, 'no Redis');
    $cp->conf(redis => undef);

    $cp->conf(database_replica => "postgresql:///live?host=$HOME");
    ok(found('replica', 'WRONG'), 'no replica');
    $cp->conf(database_replica => undef);

    $cp->stop;
    like((found('control plane', 'WRONG'))[0], qr/does not answer/,
        'no daemon');
    $cp->postgres->stop;
    like((found('database', 'WRONG'))[0], qr/start PostgreSQL/,
        'no database');
    write_file("$HOME/bad.conf", "listen 127.0.0.1:1\nno_such x\n");
    like(ok_ctl('a bad configuration', ['check', '-c', "$HOME/bad.conf"],
        code => 1)->{out}, qr/bad.conf line 2: unknown name/, 'which line');
    ok_ctl('no server', ['nodes'], code => 3);
};

$cp->finish;
done_testing;
