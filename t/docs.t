#!/usr/bin/perl

# What the documents say is true: what nginx.conf.example has as comments and
# the configurations in the README files load, and no directive, variable or
# metric is missing from them, or only there. The example itself: example.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Temp ();
use Test::More;

use Live::Nginx qw(wait_for read_file repo_dir);

my $text = read_file(repo_dir() . '/nginx.conf.example');

like($text, qr/^load_module modules\/\Q$_\E\.so;/m, "the example loads $_")
    for qw(ngx_http_live_module ngx_stream_live_module);
unlike($text, qr/\t| $/m, 'no tabs, no spaces at the end');

# Everything that is commented out in the example is valid, too.

my $more = $text;

$more =~ s/^([ ]*)# ?(.*[;{}])(?:[ ]+#.*)?$/$1$2/mg;
$more =~ s/^stream \{/stream { limit_conn_zone \$binary_remote_addr
    zone=publishers:1m;/m;

cmp_ok(scalar(() = $more =~ /^\s*live_/mg), '>', 15, 'with all directives');

my $all = Live::Nginx->new(conf => for_test($more), files => key_files());
my ($rc, $out) = $all->test_conf;

is($rc, 0, 'what the example has as comments loads') or diag($out);
$all->finish;

# Blocks of nginx configuration in the README files.

for my $file ('README.md', 'ngx_live_module/README.md') {
    my $n = 0;

    for my $block (read_file(repo_dir() . "/$file")
        =~ /^```nginx\n(.*?)^```/msg)
    {
        $n++;
        my $conf = Live::Nginx->new(conf => for_test(completed($block)),
            files => key_files());
        my ($status, $said) = $conf->test_conf;

        is($status, 0, "$file, configuration $n loads")
            or diag($said, $block);
        $conf->finish;
    }

    cmp_ok($n, '>', 0, "$file has configurations");
}

# Names: code and document have the same ones.

my $doc = read_file(repo_dir() . '/ngx_live_module/README.md');
my ($code, $api) = ('', '');

for my $path (split /\n/, `find @{[repo_dir()]}/ngx_live_module -name '*.[ch]'`)
{
    $code .= read_file($path);
    $api .= read_file($path) if $path =~ m{/api/};
}

my %directive = map { $_ => 1 }
    $code =~ /\{ ngx_string\("(live(?:_\w+)?)"\),\s*(?:NGX_|\(type\))/g,
    $code =~ /NGX_LIVE_MEDIA_COMMAND\("(live_\w+)"/g;
my %variable = map { $_ => 1 }
    $code =~ /\{ ngx_string\("(live_\w+)"\), NULL,/g;
my %metric = map { $_ => 1 } $api =~ /"(ngx_live_\w+)"/g;

cmp_ok(scalar keys %directive, '>=', 20, 'directives were found');
cmp_ok(scalar keys %variable, '>=', 2, 'variables were found');
cmp_ok(scalar keys %metric, '>=', 30, 'metrics were found');

same('directives', \%directive, [ $doc =~ /^\*\*(live\w*)\*\*/mg ]);
same('variables', \%variable, [ $doc =~ /`\$(live_\w+)`/g ]);
same('metrics', \%metric, [ $doc =~ /^\| `(ngx_live_\w+)` \|/mg ]);

done_testing;


sub same {
    my ($what, $have, $said) = @_;
    my %said = map { $_ => 1 } @$said;

    is(join(' ', grep { !$said{$_} } sort keys %$have), '',
        "all $what are documented");
    is(join(' ', grep { !$have->{$_} } sort keys %said), '',
        "no others are");
}

# Own ports, folders and modules; the test's user, its own log.
sub for_test {
    my ($conf) = @_;

    $conf =~ s/^\s*(?:load_module|user|worker_processes|worker_rlimit_nofile
        |pid|error_log)\s[^;]*;.*\n//mgx;
    $conf =~ s/listen (?:\[::\]:|127\.0\.0\.1:)?(\d+)/listen 127.0.0.1:%%PORT_$1x%%/g;
    $conf =~ s{/dev/shm/ngx_live\.store}{%%STORE%%}g;
    $conf =~ s{(?:/var/log/nginx|/var/cache/nginx|/var/lib|/run)/}{%%DIR%%/logs/}g;
    $conf =~ s{/etc/(?:nginx|ssl|ngx_live)/}{%%DIR%%/}g;
    $conf =~ s/^http\s*\{/http {\n    %%HTTP%%/m;
    $conf =~ s/^\s*access_log %%DIR%%.*\n//mg;

    return $conf;
}

# A fragment gets the blocks around it that it needs.
sub completed {
    my ($block) = @_;

    return $block if $block =~ /^live\s*\{/m;
    $block = "http {\n server { listen 8080;\n$block } }\n"
        if $block =~ /^location/m && $block !~ /^(?:http|server)\s*\{/m;
    $block = "http {\n$block}\n" if $block =~ /^server\s*\{/m;
    $block = "stream { server { listen 1935;\n$block } }\n"
        if $block =~ /^live_(?:rtmp|publish)/m;

    return "live { live_store /dev/shm/ngx_live.store 64m; }\n$block";
}

sub key_files {
    return {
        'stream-keys' => "demo " . '0' x 64 . "\n",
        'node.key' => 'a' x 64 . "\n",
        'redis.password' => "secret\n",
        'viewer-keys.json' => '{"keys":[{"kty":"oct","kid":"a","k":"'
            . 'A' x 43 . '"}]}',
        certificate(),
    };
}

sub certificate {
    my $dir = File::Temp::tempdir(CLEANUP => 1);

    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
        . "-nodes -days 2 -subj /CN=this.host -keyout $dir/k -out $dir/c "
        . "2>/dev/null") == 0 or die "openssl req failed\n";

    return ('this.host.pem' => read_file("$dir/c"),
        'this.host.key' => read_file("$dir/k"));
}
