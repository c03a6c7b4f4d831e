#!/usr/bin/perl

# How the control plane reaches PostgreSQL: over TLS with a checked
# certificate, and a replica for searches and lists.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Nginx qw(wait_for write_file);

subtest 'TLS' => sub {
    my $cp = Live::Control->new(pg => { ssl => 1 });
    my $pg = $cp->postgres;
    my $url = $pg->tls_url('verify-full', 'localhost');

    $cp->conf(database => $url);
    $cp->start;
    my $ada = $cp->register('ada');
    is($cp->request(POST => '/streams', json => { title => 'x' },
        token => $ada->{token})->status, 201, 'it works');

    my $plain = $cp->sql('SELECT count(*) FROM pg_stat_activity a JOIN'
        . ' pg_stat_ssl s USING (pid) WHERE application_name ='
        . " 'control-plane' AND NOT ssl");
    my $tls = $cp->sql('SELECT count(*) FROM pg_stat_activity a JOIN'
        . ' pg_stat_ssl s USING (pid) WHERE application_name ='
        . " 'control-plane' AND ssl");
    is($plain, 0, 'no connection is plain');
    cmp_ok($tls, '>', 0, 'they are encrypted');
    $cp->stop;

    my $check = sub {
        $cp->conf(database => $_[0]);
        my ($rc, $text) = $cp->run('--check');
        return "$rc $text";
    };

    like($check->($url), qr/^0 .*ok$/s, 'verify-full, the right name');
    like($check->($pg->tls_url('verify-full', 'example.org')),
        qr/^1 .*does not match host name/s, 'another name is refused');

    my $other = $cp->dir . '/other.pem';
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        . " -nodes -keyout /dev/null -out $other -subj /CN=x -days 2"
        . ' 2>/dev/null');
    like($check->($pg->tls_url('verify-full', 'localhost', $other)),
        qr/^1 .*certificate verify failed/s, 'another CA is refused');
    like($check->($pg->tls_url('disable', 'localhost')),
        qr/^1 .*no encryption/s, 'the server takes no plain connection');
    unlike($check->("postgresql://postgres:geheim\@localhost:1/live"),
        qr/geheim/, 'a password is never shown');

    $cp->finish;
};

subtest 'a replica' => sub {
    my $cp = Live::Control->new;
    my $standby = $cp->postgres->standby;
    $cp->conf(database_replica => $standby->url);
    $cp->start;
    my $ada = $cp->register('ada');

    my $caught_up = sub { $standby->sql('SELECT pg_last_wal_replay_lsn() >= '
        . "'" . $cp->sql('SELECT pg_current_wal_lsn()') . "'") eq 't' };
    my $queries = sub {
        $_[0]->sql('SELECT count(*) FROM pg_stat_activity WHERE'
            . " application_name = 'control-plane'");
    };

    is($cp->request(POST => '/streams', token => $ada->{token}, json =>
        { id => 'there', title => 'on the replica' })->status, 201, 'a write');
    ok(wait_for($caught_up, 10, 'the replica'), 'the replica has it');

    # paused, it answers with what it had: so it is the one that answers
    $standby->sql('SELECT pg_wal_replay_pause()');
    $cp->request(POST => '/streams', token => $ada->{token}, json =>
        { id => 'late', title => 'not yet there' });
    my $list = sub { join ' ', sort map { $_->{id} }
        @{ $cp->request(GET => '/streams')->json->{items} } };

    is($list->(), 'there', 'lists come from the replica');
    is($cp->request(GET => '/streams/late')->status, 200,
        'a stream from the primary');
    $standby->sql('SELECT pg_wal_replay_resume()');
    ok(wait_for(sub { $list->() eq 'late there' }, 10, 'the replica'),
        'the replica catches up');

    $standby->stop;
    is($list->(), 'late there', 'the primary answers when it is down');
    like($cp->request(GET => '/metrics', root => 1)->body,
        qr/^live_api_db_replica_fallbacks_total [1-9]/m, 'and it is counted');

    $standby->start;
    $standby->sql('SELECT pg_wal_replay_pause()');
    $cp->request(POST => '/streams', token => $ada->{token}, json =>
        { id => 'later', title => 'not yet there' });
    ok(wait_for(sub { $list->() eq 'late there' }, 10, 'the replica'),
        'the replica is used again');
    $cp->finish;
};

done_testing;
