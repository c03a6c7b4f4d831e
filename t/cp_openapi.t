#!/usr/bin/perl

# openapi.json says what is served, and nothing else: every route, its body
# and its parameters with their types and limits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP;
use Test::More;

use Live::Control;
use Live::Nginx qw(read_file repo_dir);

my $program = Live::Control->program;
my $routes = decode_json(scalar `$program --routes`);
my $api = decode_json(read_file(repo_dir() . '/control-plane/openapi.json'));

cmp_ok(scalar @$routes, '>', 30, 'there are routes');
is($api->{openapi}, '3.1.0', 'OpenAPI 3.1');

my (%served, %ids);

for my $route (@$routes) {
    my $name = "$route->{method} $route->{path}";
    my $item = $api->{paths}{ $route->{path} };
    my $op = $item && $item->{ lc $route->{method} };

    $served{$name} = 1;
    ok($op, "$name is in openapi.json") or next;

    my @wrong = wrong($route, $item, $op);
    is("@wrong", '', "$name is described as it is") or diag map "$_\n", @wrong;

    ok(!$ids{ $op->{operationId} // '' }++, "$name has an operationId of its"
        . ' own');
}

my @extra = grep { !$served{$_} } map {
    my $path = $_;
    map { uc($_) . " $path" }
        grep { /^(?:get|put|post|patch|delete|head|options)$/ }
        keys %{ $api->{paths}{$path} };
} keys %{ $api->{paths} };
is("@extra", '', 'openapi.json has no route that is not served');

my @refs = grep { !defined resolve($_) } refs($api);
is("@refs", '', 'every reference leads somewhere');

# The test can fail: faults put into a description are found.
{
    my ($route) = grep { $_->{path} eq '/auth/register' } @$routes;
    my $copy = sub {
        decode_json(encode_json($api->{paths}{'/auth/register'})) };
    my $schema = sub { $_[0]{post}{requestBody}{content}{'application/json'}
        {schema} };
    my %faults = (
        'a field too many' => sub { $schema->(@_)->{properties}{x} = {} },
        'a field too few' => sub { delete $schema->(@_)->{properties}{email} },
        'another limit' => sub {
            $schema->(@_)->{properties}{password}{maxLength} = 7 },
        'not required' => sub { delete $schema->(@_)->{required} },
        'a parameter too many' => sub {
            push @{ $_[0]{post}{parameters} }, { in => 'query', name => 'x' } },
        'no body' => sub { delete $_[0]{post}{requestBody} },
    );

    for my $fault (sort keys %faults) {
        my $item = $copy->();
        $item->{post} or last;
        $faults{$fault}->($item);
        ok(scalar(wrong($route, $item, $item->{post})), "found: $fault");
    }
}

done_testing;


# What differs, a sentence each.
sub wrong {
    my ($route, $item, $op) = @_;
    my @wrong;

    my $root = grep { $_->{url} eq '/' } @{ $item->{servers} // [] };
    push @wrong, 'servers: / or not' if !$root != !$route->{root};

    my @params = map { $_->{'$ref'} ? resolve($_->{'$ref'}) : $_ }
        @{ $item->{parameters} // [] }, @{ $op->{parameters} // [] };

    my %path = map { $_->{name} => 1 } grep { $_->{in} eq 'path' } @params;
    my @path = $route->{path} =~ /\{(\w+)\}/g;
    push @wrong, 'parameters of the path'
        if join(' ', sort keys %path) ne join(' ', sort @path);

    my %query = map { $_->{name} => $_ } grep { $_->{in} eq 'query' } @params;
    push @wrong, fields('query', $route->{query},
        { map { $_ => $query{$_}{schema} } keys %query },
        [ grep { $query{$_}{required} } keys %query ]);

    my $keyed = grep { $_->{in} eq 'header'
        && $_->{name} eq 'Idempotency-Key' } @params;
    push @wrong, 'Idempotency-Key' if !$keyed != !$route->{idempotent};

    # a node's body is read by its handler
    if ($route->{access} ne 'node') {
        my $body = $op->{requestBody};
        my $schema = $body && $body->{content}{'application/json'}{schema};
        $schema = resolve($schema->{'$ref'}) if $schema && $schema->{'$ref'};

        if (!$route->{body} != !$schema) {
            push @wrong, 'body or none';
        } elsif ($schema) {
            push @wrong, object('body', $route->{body}, $schema);
        }
    }

    my $security = $op->{security} // $api->{security};
    my $open = !@$security || grep { !%$_ } @$security;
    push @wrong, 'security' if !$open == ($route->{access} eq 'anyone');
    push @wrong, 'no answers' unless %{ $op->{responses} // {} };

    return @wrong;
}

sub object {
    my ($where, $fields, $schema) = @_;
    my @wrong;

    push @wrong, "$where: additionalProperties is not false"
        if !exists $schema->{additionalProperties}
            || $schema->{additionalProperties};

    return (@wrong, fields($where, $fields, $schema->{properties} // {},
        $schema->{required} // []));
}

sub fields {
    my ($where, $fields, $have, $required) = @_;
    my %want = map { $_->{name} => $_ } @$fields;
    my @wrong;

    push @wrong, map { "$where.$_: not described" }
        grep { !$have->{$_} } sort keys %want;
    push @wrong, map { "$where.$_: not taken" }
        grep { !$want{$_} } sort keys %$have;

    my $must = join ' ', sort grep { $want{$_}{required} } keys %want;
    push @wrong, "$where: required: $must" if $must ne join ' ',
        sort @$required;

    push @wrong, map { field("$where.$_", $want{$_}, $have->{$_}) }
        grep { $have->{$_} } sort keys %want;

    return @wrong;
}

sub field {
    my ($where, $f, $schema) = @_;
    my ($type, %limits) = ('string');

    $schema = resolve($schema->{'$ref'}) if $schema->{'$ref'};

    if ($f->{type} =~ /^(?:text|lines|secret)$/) {
        $limits{minLength} = $f->{min} if $f->{min};
        $limits{maxLength} = $f->{max};
    } elsif ($f->{type} eq 'int') {
        $type = 'integer';
        @limits{qw(minimum maximum)} = @$f{qw(min max)};
    } elsif ($f->{type} eq 'bool') {
        $type = 'boolean';
    } elsif ($f->{type} eq 'time') {
        $limits{format} = 'date-time';
    } elsif ($f->{type} eq 'list') {
        $type = 'array';
        $limits{maxItems} = $f->{max} if $f->{max};
    } elsif ($f->{type} eq 'object') {
        $type = 'object';
    } elsif ($f->{type} eq 'email') {
        $limits{format} = 'email';
    } elsif ($f->{type} eq 'url') {
        $limits{format} = 'uri';
    } elsif ($f->{type} eq 'cursor') {
        $limits{maxLength} = $f->{max};
    } elsif ($f->{type} =~ /^(?:id|stream|username)$/) {
        return "$where: no pattern" unless $schema->{pattern};
    }

    my @types = grep { $_ ne 'null' } ref $schema->{type}
        ? @{ $schema->{type} } : ($schema->{type} // '');
    my $null = ref $schema->{type}
        && grep { $_ eq 'null' } @{ $schema->{type} };
    my @wrong;

    push @wrong, "$where: not a $type" if "@types" ne $type;
    push @wrong, "$where: null or not" if !$null != !$f->{nullable};

    for my $limit (sort keys %limits) {
        push @wrong, "$where: $limit is $limits{$limit}"
            if ($schema->{$limit} // '') ne $limits{$limit};
    }

    if ($f->{type} eq 'one_of') {
        my $enum = join '|', grep { defined } @{ $schema->{enum} // [] };
        push @wrong, "$where: enum is $f->{of}" if $enum ne $f->{of};
    }

    push @wrong, object($where, $f->{fields}, $schema)
        if $f->{type} eq 'object';

    return @wrong;
}

sub resolve {
    my ($ref) = @_;
    my $at = $api;

    for my $step (split m{/}, $ref =~ s/^#\///r) {
        $at = ref $at eq 'HASH' ? $at->{$step} : undef;
        return unless defined $at;
    }

    return $at;
}

sub refs {
    my ($node) = @_;

    return map { refs($_) } @$node if ref $node eq 'ARRAY';
    return unless ref $node eq 'HASH';

    return map { $_ eq '$ref' && !ref $node->{$_} ? $node->{$_}
        : refs($node->{$_}) } keys %$node;
}
