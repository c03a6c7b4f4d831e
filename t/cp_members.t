#!/usr/bin/perl

# Roles within a stream: who gives which, who takes them away, what they open.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Live::Control;
use Live::Person;

my $cp = Live::Control->new->start;
my %user = map { $_ => person($cp, $_) } qw(owner host moder vip plain other);
$user{admin} = person($cp, 'boss', role => 'admin');
$user{staff} = person($cp, 'staff', role => 'moderator');

my $id = $user{owner}->post('/streams', { title => 'Show' })->json->{id};

sub give {
    my ($who, $to, $role, $status, $name) = @_;
    my $res = $user{$who}->put("/streams/$id/members/" . $user{$to}->id,
        { role => $role });
    is($res->status, $status, $name) or diag($res->body);
    is($res->json->{role}, $role, '... who has it') if $res->status == 200;
    return $res;
}

sub take {
    my ($who, $from, $status, $name) = @_;
    is($user{$who}->delete("/streams/$id/members/" . $user{$from}->id)
        ->status, $status, $name);
}

give('plain', 'other', 'vip', 403, 'somebody gives no roles');
give('owner', 'host', 'co-host', 200, 'the owner makes a co-host');
give('host', 'moder', 'moderator', 200, 'a co-host makes a moderator');
give('host', 'other', 'co-host', 403, 'but no other co-host');
give('moder', 'vip', 'vip', 200, 'a moderator makes a vip');
give('moder', 'other', 'moderator', 403, 'but no other moderator');
give('moder', 'host', 'banned', 403, 'and bans no co-host');
give('host', 'owner', 'banned', 409, 'nobody bans the owner');
give('staff', 'other', 'banned', 403,
    'a moderator of the platform has no role here');
give('admin', 'other', 'vip', 200, 'an admin gives roles');
give('vip', 'plain', 'vip', 403, 'a vip gives none');
give('moder', 'other', 'banned', 200, 'a moderator bans');
is($user{moder}->put("/streams/$id/members/999999", { role => 'vip' })
    ->status, 404, 'a user that there is not');
is($user{owner}->put("/streams/$id/members/" . $user{plain}->id,
    { role => 'owner' })->status, 422, 'the stream is not given away');
is($cp->sql("SELECT count(*) FROM revocations WHERE kind = 'sub_stream'") > 0,
    1, 'the token of the banned is revoked');

# ---- lists

my $res = $user{moder}->get("/streams/$id/members");
is_deeply({ map { $_->{user}{username} => $_->{role} }
    @{ $res->json->{items} } },
    { owner => 'owner', host => 'co-host', moder => 'moderator',
        vip => 'vip', other => 'banned' }, 'a moderator sees all roles');
is_deeply([map { $_->{user}{username} } @{ $user{moder}->get(
    "/streams/$id/members?role=banned")->json->{items} }], ['other'],
    'or the banned alone');
is($user{vip}->get("/streams/$id/members")->status, 403, 'a vip does not');
is($user{vip}->get("/streams/$id/members/" . $user{vip}->id)->json->{role},
    'vip', 'but their own');
is($user{vip}->get("/streams/$id/members/" . $user{host}->id)->status, 403,
    "and nobody else's");
is($user{plain}->get("/streams/$id/members/" . $user{plain}->id)->status, 404,
    'who has none finds none');

# ---- what roles open

is($user{host}->patch("/streams/$id", { title => 'Ours' })->status, 200,
    'a co-host edits');
is($user{moder}->patch("/streams/$id", { title => 'Mine' })->status, 403,
    'a moderator does not');
is($user{host}->delete("/streams/$id")->status, 403,
    'a co-host does not remove');
is($user{host}->get("/streams/$id")->json->{role}, 'co-host',
    'everybody sees their role');

$user{owner}->patch("/streams/$id", { visibility => 'private' });
is($user{vip}->get("/streams/$id")->status, 200, 'members see it private');
is($user{plain}->get("/streams/$id")->status, 404, 'others do not');
is($user{owner}->put("/streams/$id/viewers/" . $user{other}->id)->status, 204,
    'the banned on the list of viewers');
is($user{other}->get("/streams/$id")->status, 404, 'stay outside');

# ---- taken away

take('vip', 'moder', 403, 'a vip takes nothing away');
take('moder', 'host', 403, 'nor a moderator from a co-host');
take('other', 'other', 404, 'the banned do not lift their ban');
take('moder', 'other', 204, 'a moderator does');
take('vip', 'vip', 204, 'a role may be given back');
is($user{vip}->get("/streams/$id")->status, 404, 'and what it opened closes');
take('owner', 'owner', 409, "but the owner's");
take('owner', 'plain', 404, 'nor one that is not there');

# ---- bounds

$cp->sql("INSERT INTO users (id, username) SELECT i, 'many' || i"
    . " FROM generate_series(100001, 110000) i");
$cp->sql("INSERT INTO stream_members (stream_id, user_id, role) SELECT '$id',"
    . " i, 'banned' FROM generate_series(100001, 110000) i");
give('owner', 'plain', 'vip', 409, 'no more than 10000 members');
is($user{owner}->put("/streams/$id/members/100001", { role => 'vip' })
    ->status, 200, 'roles can still be changed');

$cp->finish;
done_testing;
