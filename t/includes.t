#!/usr/bin/perl

# Includes go down only.
#
#   lib <- core <- store <- {media, auth} <- cluster <- ingest/stream
#       <- {ingest/rtmp, ingest/srt, http}
#       <- {ingest/cmaf, hls, feed, chat, api}
#
# Folders of one level never include each other. lib/ knows no nginx;
# ngx_http.h and ngx_stream.h are kept to the folders that speak them, also by
# way of other headers. The daemons know lib/ only.

use strict;
use warnings;

use FindBin;
use File::Basename qw(basename dirname);
use File::Find ();
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use Test::More;

my %LEVEL = (
    'lib' => 0, 'core' => 1, 'store' => 2,
    'media' => 3, 'auth' => 3, 'cluster' => 4, 'ingest/stream' => 4.5,
    'ingest/rtmp' => 5, 'ingest/srt' => 5, 'http' => 5,
    'ingest/cmaf' => 6, 'hls' => 6, 'feed' => 6, 'chat' => 6, 'api' => 6,
);

# Headers of nginx, and the only folders that may see them.
my %KEPT = (
    'ngx_stream.h' => { map { $_ => 1 }
        qw(ingest/stream ingest/rtmp ingest/srt) },
    'ngx_http.h' => { map { $_ => 1 } qw(http ingest/cmaf hls feed chat api) },
);

my @DAEMONS = qw(control-plane transcoder-worker);

my $top = "$FindBin::Bin/..";

my @wrong = check($top);
is(scalar @wrong, 0, 'includes go down only') or diag(join "\n", @wrong);

my $files = sources($top);
cmp_ok(scalar keys %$files, '>', 20, 'the sources were found');

# Every rule can fail: one include is added to a copy of the tree.

my @faults = (
    [ 'lib/lv_x.h', '<ngx_core.h>', qr/lib.*knows no nginx/ ],
    [ 'lib/lv_x.h', '"ngx_live_core.h"', qr/lib may not include core/ ],
    [ 'core/ngx_x.c', '"ngx_live_worker.h"', qr/core may not include store/ ],
    [ 'store/ngx_x.c', '"ngx_media_x.h"', qr/store may not include media/ ],
    [ 'auth/ngx_x.c', '"ngx_media_x.h"', qr/auth may not include media/ ],
    [ 'media/ngx_x.c', '"ngx_http_x.h"', qr/media may not include http/ ],
    [ 'cluster/ngx_x.c', '"ngx_http_x.h"', qr/cluster may not include http/ ],
    [ 'http/ngx_x.c', '"../ingest/rtmp/ngx_rtmp_x.h"',
        qr{http may not include ingest/rtmp} ],
    [ 'hls/ngx_x.c', '"ngx_api_x.h"', qr/hls may not include api/ ],
    [ 'http/ngx_x.c', '"ngx_api_x.h"', qr/http may not include api/ ],
    [ 'media/ngx_x.c', '<ngx_http.h>', qr/media.*ngx_http\.h/ ],
    [ 'ingest/rtmp/ngx_x.c', '<ngx_http.h>', qr/rtmp.*ngx_http\.h/ ],
    [ 'hls/ngx_x.c', '<ngx_stream.h>', qr/hls.*ngx_stream\.h/ ],
    [ 'hls/ngx_x.c', '"ngx_rtmp_x.h"', qr/hls.*ngx_stream\.h/ ],
    [ 'hls/ngx_x.c', '"no_such.h"', qr/no such header/ ],
    [ 'hls/lv_base.h', undef, qr/two headers called lv_base\.h/ ],
    [ 'odd/ngx_x.c', '<stdio.h>', qr/odd.*no level/ ],
    [ '../control-plane/x.c', '"ngx_live_core.h"',
        qr/control-plane may not include core/ ],
);

my @fine = (
    [ 'api/ngx_x.c', '"ngx_http_x.h"' ], [ 'api/ngx_x.c', '"lv_base.h"' ],
    [ 'hls/ngx_x.c', '<ngx_http.h>' ], [ 'http/ngx_x.c', '"ngx_media_x.h"' ],
    [ 'ingest/srt/ngx_x.c', '<ngx_stream.h>' ],
    [ '../control-plane/x.c', '"lv_base.h"' ],
);

for my $fault (@faults) {
    my ($file, $include, $expect) = @$fault;
    my @found = check(copy($file, $include));

    ok(scalar(grep { $_ =~ $expect } @found),
        "found: $file including " . ($include // 'nothing'))
        or diag("expected $expect, got: @found");
}

for my $good (@fine) {
    my @found = check(copy(@$good));

    is("@found", '', "allowed: $good->[0] including $good->[1]");
}

done_testing;


# A tree with a header in every folder that matters, and one more file.
sub copy {
    my ($file, $include) = @_;
    my $dir = tempdir(CLEANUP => 1);
    my %text = (
        'lib/lv_base.h' => "#include <stdint.h>\n",
        'core/ngx_live_core.h' => qq{#include "lv_base.h"\n},
        'store/ngx_live_worker.h' => qq{#include "ngx_live_core.h"\n},
        'media/ngx_media_x.h' => qq{#include "ngx_live_worker.h"\n},
        'http/ngx_http_x.h' => qq{#include <ngx_http.h>\n},
        'ingest/rtmp/ngx_rtmp_x.h' => qq{#include <ngx_stream.h>\n},
        'api/ngx_api_x.h' => qq{#include "ngx_http_x.h"\n},
    );

    $text{$file} = defined $include ? "#include $include\n" : "\n";

    for my $name (keys %text) {
        my $path = "$dir/ngx_live_module/$name";
        $path =~ s{ngx_live_module/\.\./}{};
        make_path(dirname($path));
        open my $fh, '>', $path or die "$path: $!";
        print $fh $text{$name};
        close $fh;
    }

    return $dir;
}

# { path below the top => [ include lines ] }
sub sources {
    my ($root) = @_;
    my %found;

    File::Find::find({ no_chdir => 1, wanted => sub {
        return unless -f && /\.[ch]$/;
        my $path = $File::Find::name;
        open my $fh, '<', $path or die "$path: $!";
        my @lines = map { /^\s*#\s*include\s*([<"][^>"]+[>"])/ ? $1 : () }
            <$fh>;
        $path =~ s{^\Q$root\E/}{};
        $found{$path} = \@lines;
    } }, grep { -d } map { "$root/$_" } 'ngx_live_module', @DAEMONS);

    return \%found;
}

sub folder {
    my ($path) = @_;

    return $1 if $path =~ m{^ngx_live_module/(.+)/[^/]+$};
    return (split m{/}, $path)[0];
}

# What is wrong, a line each.
sub check {
    my ($root) = @_;
    my $text = sources($root);
    my (%header, @bad);

    for my $path (sort keys %$text) {
        next unless $path =~ /\.h$/ && $path =~ /^ngx_live_module/;
        my $name = basename($path);
        push @bad, "two headers called $name" if $header{$name};
        $header{$name} = $path;
    }

    for my $path (sort keys %$text) {
        my $from = folder($path);
        my $daemon = $path !~ /^ngx_live_module/;

        if (!$daemon && !defined $LEVEL{$from}) {
            push @bad, "$path: $from has no level";
            next;
        }

        for my $line (@{ $text->{$path} }) {
            my ($name) = $line =~ m{([^/<"]+)[>"]$};
            my $to = $header{$name};

            push @bad, "$path: $from knows no nginx"
                if $name =~ /^ngx_/ && ($daemon || $from eq 'lib');

            if (!defined $to) {
                push @bad, "$path: no such header: $name"
                    if $line =~ /^"/ && !$daemon;
                next;
            }

            $to = folder($to);
            next if $to eq $from;

            push @bad, "$path: $from may not include $to ($name)"
                if $daemon ? $to ne 'lib' : $LEVEL{$to} >= $LEVEL{$from};
        }

        next if $daemon;

        for my $name (sort keys %KEPT) {
            push @bad, "$path: $from gets $name"
                if !$KEPT{$name}{$from}
                    && reaches($text, \%header, $path, $name, {});
        }
    }

    return @bad;
}

# Does a file include a header, directly or by way of ours?
sub reaches {
    my ($text, $header, $path, $wanted, $seen) = @_;

    return 0 if $seen->{$path}++;

    for my $line (@{ $text->{$path} }) {
        my ($name) = $line =~ m{([^/<"]+)[>"]$};
        return 1 if $name eq $wanted;
        return 1 if $header->{$name}
            && reaches($text, $header, $header->{$name}, $wanted, $seen);
    }

    return 0;
}
